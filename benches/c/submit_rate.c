/* Point queries per second: one thread that keeps 64 requests in flight in a queue, over a pool of 8 connections, against 8
 * threads that each use a connection of libpq with a prepared statement. In turns, so that both see the same machine.
 *
 *     submit_rate [--rounds N] [--seconds S] [--in-flight N] [--connections N] <url>
 *
 * needs a table item (id int4 primary key, payload text) with ids from 1 to 10,000, and prints one line of JSON. */
#define _GNU_SOURCE

#include <arpa/inet.h>
#include <getopt.h>
#include <holdfast.h>
#include <libpq-fe.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

#define POINT "select payload from item where id = $1"

enum { ITEMS = 10000, MOST_CONNECTIONS = 256, MOST_ROUNDS = 100, BATCH = 256 };

static int rounds = 7, in_flight = 64, connections = 8;
static double seconds = 1;

static void die(const char *what, const char *why)
{
    fprintf(stderr, "submit_rate: %s: %s\n", what, why);
    exit(1);
}

static void must(holdfast_status status, holdfast_error *error, const char *what)
{
    if (status != HOLDFAST_STATUS_OK)
        die(what, holdfast_error_message(error).ptr);
}

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_used(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

static long switches(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw + usage.ru_nivcsw;
}

/* xorshift: a key of a row that exists, in the byte order of the wire. */
static uint32_t any_key(uint32_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 17;
    *state ^= *state << 5;
    return htonl(*state % ITEMS + 1);
}

/* ---- libpq ---- */

static atomic_bool stop;

struct contender {
    PGconn *conn;
    long done;
    uint32_t seed;
};

static void *ask_libpq(void *argument)
{
    struct contender *self = argument;
    self->done = 0;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        uint32_t key = any_key(&self->seed);
        const char *values[] = {(const char *)&key};
        const int lengths[] = {4}, formats[] = {1};
        PGresult *result = PQexecPrepared(self->conn, "point", 1, values, lengths, formats, 1);
        if (PQresultStatus(result) != PGRES_TUPLES_OK || PQntuples(result) != 1)
            die("libpq", PQerrorMessage(self->conn));
        PQclear(result);
        self->done++;
    }
    return NULL;
}

static double round_of_libpq(struct contender *contenders)
{
    pthread_t threads[MOST_CONNECTIONS];
    struct timespec pause = {(time_t)seconds, (long)((seconds - (double)(time_t)seconds) * 1e9)};
    long done = 0;
    double begun = now();

    atomic_store(&stop, false);
    for (int i = 0; i < connections; i++)
        pthread_create(&threads[i], NULL, ask_libpq, &contenders[i]);
    nanosleep(&pause, NULL);
    atomic_store(&stop, true);
    for (int i = 0; i < connections; i++) {
        pthread_join(threads[i], NULL);
        done += contenders[i].done;
    }
    return (double)done / (now() - begun);
}

/* ---- the queue ---- */

static void submit(holdfast_pool *pool, holdfast_queue *queue, uint32_t *seed)
{
    static const holdfast_submit_options options = {.struct_size = sizeof options,
                                                   .result_format = HOLDFAST_FORMAT_BINARY};
    holdfast_error *error;
    uint32_t key = any_key(seed);
    holdfast_param param = {.value = &key, .len = 4, .type_oid = 23, .format = HOLDFAST_FORMAT_BINARY};
    must(holdfast_submit_query(pool, queue, 1, &options, POINT, sizeof POINT - 1, &param, 1, NULL, &error), error,
         "submit");
}

static int take(holdfast_queue *queue)
{
    holdfast_completion batch[BATCH];
    size_t count = holdfast_queue_drain(queue, batch, BATCH, sizeof batch[0]);
    for (size_t i = 0; i < count; i++) {
        must(batch[i].status, batch[i].error, "a completion");
        if (holdfast_result_rows(batch[i].result) != 1)
            die("a completion", "not one row");
        holdfast_result_free(batch[i].result);
    }
    return (int)count;
}

static double round_of_queue(holdfast_pool *pool, holdfast_queue *queue, uint32_t *seed, double *batch)
{
    long done = 0, batches = 0;
    int under_way = 0;
    double begun = now(), end = begun + seconds;

    while (now() < end) {
        for (; under_way < in_flight; under_way++)
            submit(pool, queue, seed);
        holdfast_queue_wait(queue, 10000);
        int taken = take(queue);
        under_way -= taken;
        done += taken;
        batches++;
    }
    double took = now() - begun;
    while (under_way > 0) {
        holdfast_queue_wait(queue, 10000);
        under_way -= take(queue);
    }
    *batch = (double)done / (double)batches;
    return (double)done / took;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, int count)
{
    qsort(values, (size_t)count, sizeof *values, ascending);
    return count % 2 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

static holdfast_pool *open_pool(const char *url)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;
    char size[16];

    snprintf(size, sizeof size, "%d", connections);
    must(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error), error, "config");
    must(holdfast_config_set(config, "max_size", HOLDFAST_NUL, size, HOLDFAST_NUL, &error), error, "max_size");
    must(holdfast_config_set(config, "idle_timeout", HOLDFAST_NUL, "600s", HOLDFAST_NUL, &error), error, "idle");
    must(holdfast_pool_open(config, &pool, &error), error, "open");
    holdfast_config_free(config);
    return pool;
}

int main(int argc, char **argv)
{
    static const struct option known[] = {{"rounds", required_argument, NULL, 'r'},
                                          {"seconds", required_argument, NULL, 's'},
                                          {"in-flight", required_argument, NULL, 'f'},
                                          {"connections", required_argument, NULL, 'c'},
                                          {NULL, 0, NULL, 0}};
    static struct contender contenders[MOST_CONNECTIONS];
    double libpq[MOST_ROUNDS], queued[MOST_ROUNDS], ratio[MOST_ROUNDS], batch = 0;
    double cpu[2] = {0, 0};
    long switched[2] = {0, 0};
    holdfast_pool *pool;
    holdfast_queue *queue;
    holdfast_error *error;
    uint32_t seed = 4711;

    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'r': rounds = atoi(optarg); break;
        case 's': seconds = atof(optarg); break;
        case 'f': in_flight = atoi(optarg); break;
        case 'c': connections = atoi(optarg); break;
        default: return 2;
        }
    }
    if (optind + 1 != argc || rounds < 1 || rounds > MOST_ROUNDS || connections < 1 ||
        connections > MOST_CONNECTIONS || in_flight < 1 || in_flight > 1024)
        die("arguments", "submit_rate [--rounds N] [--seconds S] [--in-flight N] [--connections N] <url>");
    for (int i = 0; i < connections; i++) {
        const Oid types[] = {23};
        contenders[i].conn = PQconnectdb(argv[optind]);
        contenders[i].seed = (uint32_t)i * 7919 + 1;
        PGresult *prepared = PQprepare(contenders[i].conn, "point", POINT, 1, types);
        if (PQresultStatus(prepared) != PGRES_COMMAND_OK)
            die("libpq", PQerrorMessage(contenders[i].conn));
        PQclear(prepared);
    }
    pool = open_pool(argv[optind]);
    must(holdfast_queue_new(NULL, &queue, &error), error, "queue");
    round_of_libpq(contenders);
    round_of_queue(pool, queue, &seed, &batch);
    for (int i = 0; i < rounds; i++) {
        double used = cpu_used();
        long before = switches();
        libpq[i] = round_of_libpq(contenders);
        cpu[0] += cpu_used() - used;
        switched[0] += switches() - before;
        used = cpu_used();
        before = switches();
        queued[i] = round_of_queue(pool, queue, &seed, &batch);
        cpu[1] += cpu_used() - used;
        switched[1] += switches() - before;
        ratio[i] = queued[i] / libpq[i];
    }
    double sum[2] = {0, 0};
    for (int i = 0; i < rounds; i++) {
        sum[0] += libpq[i] * seconds;
        sum[1] += queued[i] * seconds;
    }
    printf("{\"bench\":\"submit_rate\",\"connections\":%d,\"in_flight\":%d,\"libpq_per_s\":%.0f,"
           "\"queue_per_s\":%.0f,\"ratio\":%.3f,\"libpq_cpu_us\":%.2f,\"queue_cpu_us\":%.2f,"
           "\"libpq_switches\":%.2f,\"queue_switches\":%.2f,\"batch\":%.1f}\n",
           connections, in_flight, median(libpq, rounds), median(queued, rounds), median(ratio, rounds),
           cpu[0] * 1e6 / sum[0], cpu[1] * 1e6 / sum[1], (double)switched[0] / sum[0],
           (double)switched[1] / sum[1], batch);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
    for (int i = 0; i < connections; i++)
        PQfinish(contenders[i].conn);
    return 0;
}
