/* A timer's signal comes all the time, and its handler lets system calls be interrupted: that is no failure of any call. */
#include "../check.h"

#include <signal.h>
#include <sys/time.h>

static volatile sig_atomic_t signals;

static void count(int signal)
{
    (void)signal;
    signals++;
}

static void set_timer(long us)
{
    const struct itimerval every = {{0, us}, {0, us}};
    CHECK(setitimer(ITIMER_REAL, &every, NULL) == 0);
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;
    holdfast_connection *connection;
    holdfast_cancel *cancel;
    holdfast_result *result;
    holdfast_error *error;
    struct sigaction action = {.sa_handler = count}; /* without SA_RESTART */

    CHECK(argc > 1);
    OK(holdfast_pool_open_url(argv[1], HOLDFAST_NUL, &pool, &error));
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_cancel_new(connection, &cancel, &error));
    CHECK(sigemptyset(&action.sa_mask) == 0 && sigaction(SIGALRM, &action, NULL) == 0);
    set_timer(is_watched() ? 3000 : 300);
    for (size_t i = 0; i < as_many_as(400); i++) {
        OK(holdfast_cancel_fire(cancel, HOLDFAST_CONFIGURED, &error));
        /* The cancel may hit this statement, but nothing else happens to it. */
        const holdfast_status status = holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0,
                                                                 HOLDFAST_FORMAT_TEXT, &result, &error);
        CHECK(status == HOLDFAST_STATUS_OK || status == HOLDFAST_STATUS_CANCELED);
        holdfast_error_free(error);
        holdfast_result_free(result);
        /* Any limit will do: none is cut short. */
        OK(holdfast_cancel_fire(cancel, 30ULL * 24 * 3600 * 1000, &error));
    }
    set_timer(0);
    CHECK(signals > 100 || is_watched());
    holdfast_cancel_free(cancel);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    return 0;
}
