/* Requests that wait in a queue for a connection are waiters of the pool: in its statistics, metrics, health, alerts and
 * explanations, and for max_waiting. */
#include "../queues.h"

static holdfast_pool *open_with(const char *url, const char *max_size, const char *option, const char *value)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;

    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, max_size, HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, option, HOLDFAST_NUL, value, HOLDFAST_NUL, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static holdfast_stats stats_of(holdfast_pool *pool)
{
    holdfast_stats stats = {.struct_size = sizeof stats};
    holdfast_error *error;

    OK(holdfast_pool_stats(pool, &stats, &error));
    return stats;
}

static void wait_until_waiting(holdfast_pool *pool, uint32_t count)
{
    double begun = now();

    while (stats_of(pool).waiting != count) {
        CHECK(now() - begun < 20);
        pause_ms(1);
    }
}

static bool metrics_have(holdfast_pool *pool, int32_t format, const char *part)
{
    holdfast_text *text;
    holdfast_error *error;

    OK(holdfast_pool_metrics(pool, format, &text, &error));
    bool found = has(holdfast_text_view(text), part);
    holdfast_text_free(text);
    return found;
}

static void requests_that_wait_are_waiters_everywhere(const char *url)
{
    holdfast_pool *pool = open_with(url, "2", "connection_timeout", "10s");
    holdfast_queue *queue = open_queue(64);
    holdfast_connection *held[2];
    holdfast_error *error;
    holdfast_text *text;
    holdfast_health health = {.struct_size = sizeof health};
    double begun;

    for (int i = 0; i < 2; i++)
        OK(holdfast_pool_acquire(pool, NULL, &held[i], &error));
    for (uint64_t tag = 0; tag < 10; tag++)
        submit(pool, queue, tag, "select 1");
    /* Two workers wait for a connection; nobody waits on behalf of the other requests. */
    wait_until_waiting(pool, 10);
    CHECK(metrics_have(pool, HOLDFAST_METRICS_PROMETHEUS, "pending_requests{") && stats_of(pool).in_use == 2);
    CHECK(metrics_have(pool, HOLDFAST_METRICS_JSON, "\"waiting\":10"));
    OK(holdfast_pool_explain_exhaustion(pool, HOLDFAST_METRICS_WORDS, &text, &error));
    CHECK(has(holdfast_text_view(text), "10 "));
    holdfast_text_free(text);

    /* The alert comes when the first has waited for half of connection_timeout, within the next sample. */
    begun = now();
    while (!metrics_have(pool, HOLDFAST_METRICS_PROMETHEUS, "alert=\"oldest_waiter\",severity=\"warning\"} 1")) {
        CHECK(now() - begun < 8);
        pause_ms(10);
    }
    OK(holdfast_pool_health(pool, &health, &error));
    CHECK(health.status == HOLDFAST_HEALTH_DEGRADED && health.alerts > 0);

    for (int i = 0; i < 2; i++)
        holdfast_connection_release(held[i]);
    for (int i = 0; i < 10; i++) {
        holdfast_completion done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        discard(done);
    }
    CHECK(stats_of(pool).waiting == 0);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

static void a_request_more_than_may_wait_is_rejected_at_once(const char *url)
{
    holdfast_pool *pool = open_with(url, "1", "max_waiting", "2");
    holdfast_queue *queue = open_queue(64);
    holdfast_connection *held, *other;
    holdfast_error *error;

    OK(holdfast_pool_acquire(pool, NULL, &held, &error));
    submit(pool, queue, 1, "select 1");
    wait_until_waiting(pool, 1);
    submit(pool, queue, 2, "select 2");
    CHECK(stats_of(pool).waiting == 2);
    FAILS(HOLDFAST_STATUS_OVERLOADED,
          holdfast_submit_query(pool, queue, 3, NULL, "select 3", HOLDFAST_NUL, NULL, 0, NULL, &error));
    /* Blocking calls wait in the same line. */
    FAILS(HOLDFAST_STATUS_OVERLOADED, holdfast_pool_acquire(pool, NULL, &other, &error));
    CHECK(stats_of(pool).shed == 2 && holdfast_queue_pending(queue) == 2);
    holdfast_connection_release(held);
    for (int i = 0; i < 2; i++) {
        holdfast_completion done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        discard(done);
    }
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    requests_that_wait_are_waiters_everywhere(argv[1]);
    a_request_more_than_may_wait_is_rejected_at_once(argv[1]);
    return 0;
}
