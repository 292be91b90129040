/* A signal ends a call that waits for the server: the handler wakes a thread, which cancels the statement. */
#include "../check.h"

#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <unistd.h>

static sem_t interrupted;

/* All that a handler may do. */
static void interrupt(int number)
{
    (void)number;
    sem_post(&interrupted);
}

/* Waits for signals for as long as the program runs. */
static void *fire(void *cancel)
{
    while (sem_wait(&interrupted) != 0)
        ;
    CHECK(holdfast_cancel_fire(cancel, 5000, NULL) == HOLDFAST_STATUS_OK);
    return NULL;
}

static void *press_ctrl_c(void *unused)
{
    (void)unused;
    pause_ms(200);
    kill(getpid(), SIGINT);
    return NULL;
}

int main(int argc, char **argv)
{
    struct sigaction action;
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_cancel *cancel;
    holdfast_result *result;
    holdfast_error *error;
    pthread_t firing, pressing;
    time_t begun;

    CHECK(argc == 2 && sem_init(&interrupted, 0, 0) == 0);
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_cancel_new(connection, &cancel, &error));
    CHECK(pthread_create(&firing, NULL, fire, cancel) == 0);
    CHECK(pthread_create(&pressing, NULL, press_ctrl_c, NULL) == 0);

    begun = time(NULL);
    FAILS(HOLDFAST_STATUS_CANCELED,
          holdfast_connection_query(connection, "select pg_sleep(60)", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result,
                                    &error));
    CHECK(time(NULL) - begun < 30);
    CHECK(pthread_join(firing, NULL) == 0 && pthread_join(pressing, NULL) == 0);
    OK(holdfast_connection_ping(connection, &error));

    holdfast_cancel_free(cancel);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    sem_destroy(&interrupted);
    return 0;
}
