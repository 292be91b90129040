/* A thousand forks in a row, of a process that has a pool: each child opens one of its own, and nothing is lost. */
#include "../pools.h"

#include <dirent.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t entries(const char *directory)
{
    size_t count = 0;
    DIR *opened_directory = opendir(directory);
    CHECK(opened_directory != NULL);
    while (readdir(opened_directory) != NULL)
        count++;
    CHECK(closedir(opened_directory) == 0);
    return count;
}

static void use_a_pool(const char *url)
{
    holdfast_pool *pool;
    holdfast_error *error;
    OK(holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error));
    OK(ask(pool, "select 1", &error));
    OK(holdfast_pool_close(pool, HOLDFAST_CONFIGURED, NULL, &error));
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    const size_t forks = as_many_as(1000);
    holdfast_pool *pool;
    holdfast_error *error;
    holdfast_stats stats = {.struct_size = sizeof stats};

    CHECK(argc == 2);
    if (!can_fork())
        return 0;
    /* Idle for longer than all of it takes, so that its one session has to outlive every child. */
    holdfast_config *config;
    OK(holdfast_config_from_url(argv[1], HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "idle_timeout", HOLDFAST_NUL, "1h", HOLDFAST_NUL, &error));
    pool = opened(config);
    OK(ask(pool, "select 1", &error));
    const size_t descriptors = entries("/proc/self/fd"), threads = entries("/proc/self/task");

    for (size_t i = 0; i < forks; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            use_a_pool(argv[1]);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }

    CHECK(entries("/proc/self/fd") == descriptors && entries("/proc/self/task") <= threads);
    OK(ask(pool, "select 1", &error));
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.opens == 1 && stats.gets == 2 && stats.idle == 1);
    holdfast_pool_free(pool);
    return 0;
}
