/* A process that may have no more threads. */
#include "../pools.h"

#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *url;

static holdfast_config *configured(const char *max_size)
{
    holdfast_config *config;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, max_size, HOLDFAST_NUL, &error));
    return config;
}

static void limit_threads(rlim_t most)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NPROC, &limit) == 0);
    limit.rlim_cur = most < limit.rlim_max ? most : limit.rlim_max;
    CHECK(setrlimit(RLIMIT_NPROC, &limit) == 0);
}

static void opens_no_pool_and_says_why(void)
{
    holdfast_config *config = configured("1");
    holdfast_pool *pool;
    holdfast_error *error = NULL;
    limit_threads(0);
    CHECK(holdfast_pool_open(config, &pool, &error) == HOLDFAST_STATUS_LOCAL_LIMIT && pool == NULL);
    CHECK(has(holdfast_error_message(error), "no thread"));
    holdfast_error_free(error);
    error = NULL;
    limit_threads(RLIM_INFINITY);
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    OK(ask(pool, "select 1", &error));
    holdfast_pool_free(pool);
}

/* A transaction is left open, so that a thread of the library cleans up. */
static void keeps_its_places_without_new_threads(void)
{
    holdfast_pool *pool = opened(configured("1"));
    holdfast_connection *connection;
    holdfast_error *error;
    OK(ask(pool, "select 1", &error));
    limit_threads(0);
    for (int i = 0; i < 20; i++) {
        holdfast_server *server = NULL;
        OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
        OK(holdfast_connection_begin(connection, NULL, &error));
        holdfast_connection_release(connection);
        CHECK(holdfast_pool_serve(pool, "127.0.0.1:0", HOLDFAST_NUL, NULL, 0, 0, &server, &error)
              == HOLDFAST_STATUS_LOCAL_LIMIT);
        holdfast_error_free(error);
        error = NULL;
    }
    is_as_before(pool);
    limit_threads(RLIM_INFINITY);
    is_as_before(pool);
    holdfast_pool_free(pool);
}

/* A name is looked up on a thread of its own. A cancel request needs none. */
static void looks_no_name_up_and_takes_the_server_to_be_well(void)
{
    holdfast_config *config = configured("1");
    holdfast_pool *pool;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};
    OK(holdfast_config_set(config, "host", HOLDFAST_NUL, "localhost", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "retry_max", HOLDFAST_NUL, "0", HOLDFAST_NUL, &error));
    pool = opened(config);
    limit_threads(0);
    for (int i = 0; i < 5; i++) {
        CHECK(ask(pool, "select 1", &error) == HOLDFAST_STATUS_LOCAL_LIMIT);
        CHECK(holdfast_error_is_retryable(error) && has(holdfast_error_message(error), "no thread"));
        holdfast_error_free(error);
    }
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.circuit == HOLDFAST_CIRCUIT_CLOSED && stats.errors[HOLDFAST_STATUS_LOCAL_LIMIT] >= 5);
    limit_threads(RLIM_INFINITY);
    OK(ask(pool, "select 1", &error));

    holdfast_connection *connection;
    holdfast_cancel *cancel;
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_cancel_new(connection, &cancel, &error));
    limit_threads(0);
    OK(holdfast_cancel_fire(cancel, HOLDFAST_CONFIGURED, &error));
    limit_threads(RLIM_INFINITY);
    holdfast_cancel_free(cancel);
    holdfast_connection_release(connection);
    is_as_before(pool);
    holdfast_pool_free(pool);
}

/* In children of their own, as a user whom limits bind. */
static void a_lack_of_threads_costs_no_place(void)
{
    static void (*const scenes[])(void) = {opens_no_pool_and_says_why, keeps_its_places_without_new_threads,
                                           looks_no_name_up_and_takes_the_server_to_be_well};
    for (size_t i = 0; i < sizeof scenes / sizeof *scenes; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            if (getuid() == 0)
                CHECK(setgid(65534) == 0 && setuid(65534) == 0);
            scenes[i]();
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    url = argv[1];
    if (can_fork())
        a_lack_of_threads_costs_no_place();
    return 0;
}
