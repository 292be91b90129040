/* A host that loads the library as a plug-in does: a thousand times it is opened, used and closed again. It takes the library's path
 * and the server's URL, and is not linked with the library. */
#include "../c/check.h"

#include <dirent.h>
#include <dlfcn.h>

/* A function of the library, found by its name. */
#define FOUND(library, name) __typeof__(&name) p_##name = (__typeof__(&name))dlsym(library, #name)

static int entries(const char *folder)
{
    DIR *listed = opendir(folder);
    int count = 0;

    CHECK(listed != NULL);
    while (readdir(listed) != NULL)
        count++;
    closedir(listed);
    return count;
}

static void load_use_and_unload(const char *path, const char *url)
{
    void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CHECK(library != NULL);
    FOUND(library, holdfast_pool_open_url);
    FOUND(library, holdfast_pool_query);
    FOUND(library, holdfast_pool_close);
    FOUND(library, holdfast_pool_free);
    FOUND(library, holdfast_result_i64);
    FOUND(library, holdfast_result_free);
    holdfast_pool *pool;
    holdfast_result *result;
    int64_t value = 0;

    CHECK(p_holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, NULL) == HOLDFAST_STATUS_OK);
    CHECK(p_holdfast_pool_query(pool, NULL, "select 41 + 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, NULL) ==
          HOLDFAST_STATUS_OK);
    CHECK(p_holdfast_result_i64(result, 0, 0, &value, NULL) == HOLDFAST_STATUS_OK && value == 42);
    p_holdfast_result_free(result);
    /* Every other time nothing is closed by hand. */
    static int round;
    if (round++ % 2 == 0)
        CHECK(p_holdfast_pool_close(pool, HOLDFAST_CONFIGURED, NULL, NULL) == HOLDFAST_STATUS_OK);
    p_holdfast_pool_free(pool);
    CHECK(dlclose(library) == 0);
}

int main(int argc, char **argv)
{
    enum { WARM = 20, ROUNDS = 1000 };

    CHECK(argc == 3);
    for (int i = 0; i < WARM; i++)
        load_use_and_unload(argv[1], argv[2]);
    int threads = entries("/proc/self/task");
    for (int i = WARM; i < ROUNDS; i++)
        load_use_and_unload(argv[1], argv[2]);
    /* Sockets of pools that were only freed are closed by a thread. */
    int sockets = 0;
    for (int tries = 0; tries < 100; tries++) {
        sockets = entries("/proc/self/fd");
        if (sockets < 20 && entries("/proc/self/task") <= threads + 2)
            break;
        pause_ms(100);
    }
    CHECK(sockets < 20);
    CHECK(entries("/proc/self/task") <= threads + 2);
    /* Threads of it may still run. */
    CHECK(dlopen(argv[1], RTLD_NOW | RTLD_NOLOAD) != NULL);
    puts("as before");
    return 0;
}
