/* A signal handler cancels a statement by itself: nothing in it waits, allocates, locks or changes errno. */
#include "../check.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <unistd.h>

static const holdfast_cancel *volatile to_cancel;
static volatile sig_atomic_t raised, refused;

static void interrupt(int number)
{
    int before = errno;

    (void)number;
    errno = 4711;
    if (holdfast_cancel_raise(to_cancel))
        raised++;
    else
        refused++;
    if (errno != 4711)
        abort();
    errno = before;
}

static void *press_ctrl_c(void *unused)
{
    (void)unused;
    pause_ms(200);
    kill(getpid(), SIGINT);
    return NULL;
}

/* Runs a statement of a minute, which a signal ends. */
static void a_signal_ends_the_statement(holdfast_connection *connection)
{
    holdfast_result *result;
    holdfast_error *error;
    pthread_t pressing;
    time_t begun = time(NULL);

    CHECK(pthread_create(&pressing, NULL, press_ctrl_c, NULL) == 0);
    FAILS(HOLDFAST_STATUS_CANCELED,
          holdfast_connection_query(connection, "select pg_sleep(60)", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result,
                                    &error));
    CHECK(time(NULL) - begun < 30);
    CHECK(pthread_join(pressing, NULL) == 0);
    OK(holdfast_connection_ping(connection, &error));
}

/* The thread of the library is there while a handle is armed. */
static void storms_of_signals_cost_nothing(holdfast_connection *connection)
{
    holdfast_error *error;

    for (int i = 0; i < 2000; i++)
        CHECK(raise(SIGINT) == 0);
    /* One of the requests may be on its way still, and hit a statement: the connection is well all the same. */
    for (int i = 0; i < 20; i++) {
        holdfast_status status = holdfast_connection_ping(connection, &error);
        CHECK(status == HOLDFAST_STATUS_OK || status == HOLDFAST_STATUS_CANCELED);
        holdfast_error_free(error);
        pause_ms(5);
    }
}

int main(int argc, char **argv)
{
    struct sigaction action;
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_cancel *cancel, *other;
    holdfast_error *error;

    CHECK(argc == 2);
    memset(&action, 0, sizeof action);
    action.sa_handler = interrupt;
    CHECK(sigaction(SIGINT, &action, NULL) == 0);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_cancel_new(connection, &cancel, &error));

    FAILS(HOLDFAST_STATUS_NULL, holdfast_cancel_arm(NULL, &error));
    CHECK(!holdfast_cancel_raise(NULL));
    to_cancel = cancel;
    raise(SIGINT);
    CHECK(raised == 0 && refused == 1);

    for (int round = 0; round < 3; round++) {
        OK(holdfast_cancel_arm(cancel, &error));
        OK(holdfast_cancel_arm(cancel, &error));
        other = holdfast_cancel_clone(cancel);
        holdfast_cancel_free(cancel);
        to_cancel = cancel = other;
        a_signal_ends_the_statement(connection);
        CHECK(raised == round + 1 && refused == 1);
    }
    /* All are freed, and others armed: the thread ends, and another comes. */
    for (int i = 0; i < 50; i++) {
        to_cancel = NULL;
        holdfast_cancel_free(cancel);
        OK(holdfast_cancel_new(connection, &cancel, &error));
        OK(holdfast_cancel_arm(cancel, &error));
        to_cancel = cancel;
    }
    a_signal_ends_the_statement(connection);
    storms_of_signals_cost_nothing(connection);

    /* What a handle of an earlier checkout asks for hits nobody. */
    holdfast_connection_release(connection);
    raise(SIGINT);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    pause_ms(50);
    OK(holdfast_connection_ping(connection, &error));
    to_cancel = NULL;
    holdfast_cancel_free(cancel);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    return 0;
}
