/* Proves that the service survives a full server:
 *
 *   cc orders.c orders_test.c testkit.c $(pkg-config --cflags --libs holdfast) -lpthread && ./a.out
 */
#define _POSIX_C_SOURCE 200809L
#include "orders.h"
#include "testkit.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void expect(int holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "not so: %s\n", what);
        exit(1);
    }
    printf("ok: %s\n", what);
}

static int is_sqlstate(const holdfast_error *error, const char *code)
{
    return error && strcmp(holdfast_error_sqlstate(error).ptr, code) == 0;
}

/* A slot comes free while the service is at work, more than a second after its start. */
static void *free_one_soon(void *kit)
{
    struct timespec busy = {1, 100 * 1000 * 1000};
    nanosleep(&busy, NULL);
    return testkit_order(kit, "free=1") ? kit : NULL;
}

int main(void)
{
    testkit kit = {0};
    const char *const words[] = {"full-server", "--slots", "3", NULL};
    holdfast_pool *pool;
    time_t begun;
    char impatient[1200];
    pthread_t helper;
    void *failed;

    expect(!testkit_start(&kit, words), "a server with three slots has started, all of them taken");

    /* It stays full: the error says so, and in time. */
    snprintf(impatient, sizeof impatient, "%s?connection_timeout=500ms", kit.url);
    expect(!orders_open(impatient, &pool), "a pool opens no connection yet");
    holdfast_error *error = orders_take(pool, 1);
    expect(is_sqlstate(error, "53300"), "a server that stays full is reported as 53300");
    holdfast_error_free(error);
    holdfast_pool_free(pool);

    /* A slot comes free: the service has waited for it, and every order is there. */
    expect(!orders_open(kit.url, &pool), "the service opens its pool");
    expect(!pthread_create(&helper, NULL, free_one_soon, &kit), "a slot will come free");
    begun = time(NULL);
    error = orders_take(pool, 20);
    if (error)
        fprintf(stderr, "%s\n", holdfast_error_message(error).ptr);
    expect(!error, "20 orders were written down");
    pthread_join(helper, &failed);
    expect(!failed, "the slot came free");
    expect(time(NULL) > begun, "the service had met the full server");

    holdfast_pool_free(pool);
    testkit_stop(&kit);
    return 0;
}
