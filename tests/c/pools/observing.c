/* The observation of a pool: events, metrics, health, the holders of connections, and all of it over HTTP. */
#include "../check.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* The events that a callback received. Several threads may call it. */
typedef struct {
    pthread_mutex_t lock;
    int kinds[32];
    uint64_t opened_connection;
    uint32_t opened_pid;
    char closed_for[64];
    char closed_sqlstate[8], message_sqlstate[8];
    holdfast_status timed_out_status;
    uint64_t timed_out_us;
    holdfast_error *kept;
    const holdfast_pool *pool;
    holdfast_status inside;
    int destroyed;
} Seen;

static void see(void *user_data, const holdfast_event *event)
{
    Seen *seen = user_data;
    holdfast_connection *conn;
    pthread_mutex_lock(&seen->lock);
    CHECK(seen->destroyed == 0 && event->struct_size == sizeof *event);
    CHECK(event->unix_us > 1600000000ULL * 1000000 && has(event->pool, "watched"));
    CHECK(event->kind > 0 && event->kind < 32);
    seen->kinds[event->kind]++;
    if (event->kind == HOLDFAST_EVENT_OPENED) {
        seen->opened_connection = event->connection;
        seen->opened_pid = event->backend_pid;
        CHECK(event->took_us > 0 && event->took_us != HOLDFAST_NO_DURATION && event->message.len > 0);
        CHECK(event->error == NULL && event->place.len == 0);
    } else if (event->kind == HOLDFAST_EVENT_CLOSED) {
        snprintf(seen->closed_for, sizeof seen->closed_for, "%s", event->reason.ptr);
        snprintf(seen->closed_sqlstate, sizeof seen->closed_sqlstate, "%s", event->sqlstate.ptr);
        CHECK(event->took_us == HOLDFAST_NO_DURATION && event->status == HOLDFAST_STATUS_OK);
    } else if (event->kind == HOLDFAST_EVENT_SERVER_MESSAGE) {
        snprintf(seen->message_sqlstate, sizeof seen->message_sqlstate, "%s", event->sqlstate.ptr);
    } else if (event->kind == HOLDFAST_EVENT_TIMED_OUT) {
        seen->timed_out_status = event->status;
        seen->timed_out_us = event->took_us;
        CHECK(event->connection == 0 && holdfast_error_status(event->error) == event->status);
        seen->kept = holdfast_error_clone(event->error);
    } else if (event->kind == HOLDFAST_EVENT_RELEASED && seen->pool != NULL) {
        holdfast_text *text;
        seen->inside = holdfast_pool_acquire(seen->pool, NULL, &conn, NULL);
        CHECK(holdfast_pool_explain_exhaustion(seen->pool, HOLDFAST_METRICS_WORDS, &text, NULL)
              == HOLDFAST_STATUS_REENTRANT);
    }
    pthread_mutex_unlock(&seen->lock);
}

static void forget(void *user_data)
{
    Seen *seen = user_data;
    pthread_mutex_lock(&seen->lock);
    seen->destroyed++;
    pthread_mutex_unlock(&seen->lock);
}

static int count(Seen *seen, int kind)
{
    int now;
    pthread_mutex_lock(&seen->lock);
    now = seen->kinds[kind];
    pthread_mutex_unlock(&seen->lock);
    return now;
}

static int destroyed(Seen *seen)
{
    int now;
    pthread_mutex_lock(&seen->lock);
    now = seen->destroyed;
    pthread_mutex_unlock(&seen->lock);
    return now;
}

static holdfast_pool *open_pool(const char *url, Seen *seen)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;
    OK(holdfast_config_from_url(url, HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set(config, "name", HOLDFAST_NUL, "watched", HOLDFAST_NUL, &error));
    OK(holdfast_config_set(config, "max_size", HOLDFAST_NUL, "1", HOLDFAST_NUL, &error));
    if (seen != NULL) {
        OK(holdfast_config_set_event(config, see, seen, forget, &error));
    }
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    return pool;
}

static bool text_has(holdfast_text *text, const char *part)
{
    bool found = has(holdfast_text_view(text), part);
    holdfast_text_free(text);
    return found;
}

static void events_tell_what_happens(const char *url)
{
    Seen seen;
    holdfast_error *error;
    holdfast_connection *conn, *other;
    holdfast_acquire_options options;
    memset(&options, 0, sizeof options);
    options.struct_size = sizeof options;
    memset(&seen, 0, sizeof seen);
    CHECK(pthread_mutex_init(&seen.lock, NULL) == 0);
    holdfast_pool *pool = open_pool(url, &seen);
    OK(holdfast_pool_acquire(pool, NULL, &conn, &error));
    CHECK(count(&seen, HOLDFAST_EVENT_OPENED) == 1 && count(&seen, HOLDFAST_EVENT_ACQUIRED) == 1);
    CHECK(seen.opened_pid != 0 && seen.opened_connection == 1);
    options.timeout_ms = 30;
    FAILS(HOLDFAST_STATUS_POOL_TIMEOUT, holdfast_pool_acquire(pool, &options, &other, &error));
    CHECK(count(&seen, HOLDFAST_EVENT_TIMED_OUT) == 1);
    CHECK(seen.timed_out_status == HOLDFAST_STATUS_POOL_TIMEOUT && seen.timed_out_us >= 30000);
    CHECK(holdfast_error_status(seen.kept) == HOLDFAST_STATUS_POOL_TIMEOUT && holdfast_error_message(seen.kept).len > 0);
    holdfast_error_free(seen.kept);
    CHECK(holdfast_error_clone(NULL) == NULL);
    seen.pool = pool;
    holdfast_connection_release(conn);
    CHECK(count(&seen, HOLDFAST_EVENT_RELEASED) == 1 && seen.inside == HOLDFAST_STATUS_REENTRANT);
    for (int i = 0; i < 5000 && count(&seen, HOLDFAST_EVENT_EXHAUSTION_EXPLAINED) == 0; i++)
        pause_ms(2);
    CHECK(count(&seen, HOLDFAST_EVENT_EXHAUSTION_EXPLAINED) == 1);
    holdfast_pool_free(pool);
    for (int i = 0; i < 5000 && count(&seen, HOLDFAST_EVENT_CLOSED) == 0; i++)
        pause_ms(2);
    CHECK(strcmp(seen.closed_for, "pool_closed") == 0);
    for (int i = 0; i < 5000 && destroyed(&seen) == 0; i++)
        pause_ms(2);
    CHECK(destroyed(&seen) == 1);
}

static void a_callback_is_taken_back(void)
{
    Seen seen;
    holdfast_config *config;
    holdfast_error *error;
    memset(&seen, 0, sizeof seen);
    CHECK(pthread_mutex_init(&seen.lock, NULL) == 0);
    OK(holdfast_config_from_url("host=nowhere", HOLDFAST_NUL, &config, &error));
    OK(holdfast_config_set_event(config, see, &seen, forget, &error));
    CHECK(seen.destroyed == 0);
    OK(holdfast_config_set_event(config, NULL, NULL, NULL, &error));
    CHECK(seen.destroyed == 1);
    FAILS(HOLDFAST_STATUS_NULL, holdfast_config_set_event(NULL, see, &seen, forget, &error));
    CHECK(seen.destroyed == 1);
    holdfast_config_free(config);
}

static void metrics_and_health_are_texts_and_numbers(const char *url)
{
    holdfast_error *error;
    holdfast_text *text;
    holdfast_connection *conn;
    holdfast_health health;
    holdfast_stats stats;
    memset(&health, 0, sizeof health);
    memset(&stats, 0, sizeof stats);
    health.struct_size = sizeof health;
    stats.struct_size = sizeof stats;
    holdfast_pool *pool = open_pool(url, NULL);
    OK(holdfast_pool_health(pool, &health, &error));
    CHECK(health.status == HOLDFAST_HEALTH_HEALTHY && health.live == 1 && health.ready == 1);
    CHECK(health.last_success_us == HOLDFAST_NEVER && health.last_error_us == HOLDFAST_NEVER);
    OK(holdfast_pool_acquire(pool, NULL, &conn, &error));
    OK(holdfast_pool_explain_exhaustion(pool, HOLDFAST_METRICS_WORDS, &text, &error));
    CHECK(text_has(text, "1 checked out, 0 idle"));
    holdfast_connection_release(conn);
    OK(holdfast_pool_explain_exhaustion(pool, HOLDFAST_METRICS_JSON, &text, &error));
    CHECK(text_has(text, "\"max_connections\":"));
    OK(holdfast_pool_health(pool, &health, &error));
    CHECK(health.last_success_us != HOLDFAST_NEVER && health.alerts == 0 && health.reasons == 0);
    OK(holdfast_pool_metrics(pool, HOLDFAST_METRICS_PROMETHEUS, &text, &error));
    CHECK(text_has(text, "holdfast_checkouts_total{db_client_connection_pool_name=\"watched\"} 1\n"));
    OK(holdfast_pool_metrics(pool, HOLDFAST_METRICS_OPENMETRICS, &text, &error));
    CHECK(text_has(text, "# EOF"));
    OK(holdfast_pool_metrics(pool, HOLDFAST_METRICS_JSON, &text, &error));
    CHECK(text_has(text, "\"schema\":\"holdfast.stats.v1\""));
    OK(holdfast_pool_metrics(pool, HOLDFAST_METRICS_WORDS, &text, &error));
    CHECK(text_has(text, "healthy; the server was last heard of"));
    OK(holdfast_pool_stats(pool, &stats, &error));
    CHECK(stats.gets == 1 && stats.validations == 0);

    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_metrics(pool, 99, &text, &error));
    CHECK(text == NULL);
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_pool_explain_exhaustion(pool, HOLDFAST_METRICS_PROMETHEUS, &text, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_metrics(NULL, HOLDFAST_METRICS_JSON, &text, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_metrics(pool, HOLDFAST_METRICS_JSON, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_health(pool, NULL, &error));
    health.struct_size = 0;
    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_pool_health(pool, &health, &error));
    health.struct_size = sizeof health;
    OK(holdfast_pool_close(pool, 1000, NULL, &error));
    OK(holdfast_pool_health(pool, &health, &error));
    CHECK(health.status == HOLDFAST_HEALTH_DOWN && health.live == 0 && health.ready == 0);
    holdfast_pool_free(pool);
}

/* The answer to one request, with its status line. */
static void fetch(holdfast_str url, const char *path, const char *more, char *answer, size_t room)
{
    int port, got = 0;
    ssize_t n;
    char request[256];
    CHECK(sscanf(url.ptr, "http://127.0.0.1:%d/", &port) == 1);
    struct sockaddr_in address;
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s\r\n", path, more);
    CHECK(write(fd, request, strlen(request)) == (ssize_t)strlen(request));
    while ((size_t)got + 1 < room && (n = read(fd, answer + got, room - (size_t)got - 1)) > 0)
        got += (int)n;
    answer[got] = '\0';
    close(fd);
}

static void a_pool_is_served_over_http(const char *url)
{
    static char answer[128 * 1024];
    holdfast_error *error;
    holdfast_server *server;
    holdfast_pool *pool = open_pool(url, NULL);
    OK(holdfast_pool_serve(pool, "127.0.0.1:0", HOLDFAST_NUL, NULL, 0, 0, &server, &error));
    fetch(holdfast_server_url(server), "/metrics", "", answer, sizeof answer);
    CHECK(strstr(answer, "200 OK") != NULL && strstr(answer, "holdfast_checkouts_total") != NULL);
    holdfast_server_free(server);
    OK(holdfast_pool_serve(pool, "127.0.0.1:0", HOLDFAST_NUL, "sesame", HOLDFAST_NUL, 0, &server, &error));
    fetch(holdfast_server_url(server), "/metrics", "", answer, sizeof answer);
    CHECK(strstr(answer, "401 Unauthorized") != NULL);
    fetch(holdfast_server_url(server), "/metrics", "Authorization: Bearer sesame\r\n", answer, sizeof answer);
    CHECK(strstr(answer, "200 OK") != NULL);
    /* The pool may go first. */
    holdfast_pool_free(pool);
    CHECK(has(holdfast_server_url(server), "http://127.0.0.1:"));
    holdfast_server_free(server);
    pool = open_pool(url, NULL);
    FAILS(HOLDFAST_STATUS_CONFIG,
          holdfast_pool_serve(pool, "0.0.0.0:0", HOLDFAST_NUL, NULL, 0, 0, &server, &error));
    CHECK(server == NULL);
    OK(holdfast_pool_serve(pool, "0.0.0.0:0", HOLDFAST_NUL, "sesame", HOLDFAST_NUL, HOLDFAST_SERVE_BEYOND_LOOPBACK,
                           &server, &error));
    holdfast_server_free(server);
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_pool_serve(pool, "127.0.0.1:0", HOLDFAST_NUL, NULL, 0, 64, &server, &error));
    FAILS(HOLDFAST_STATUS_NULL, holdfast_pool_serve(NULL, "127.0.0.1:0", HOLDFAST_NUL, NULL, 0, 0, &server, &error));
    holdfast_server_free(NULL);
    CHECK(holdfast_server_url(NULL).len == 0);
    holdfast_pool_free(pool);
}

static void constants_have_names(void)
{
    CHECK(is(holdfast_event_name(HOLDFAST_EVENT_OPENED), "opened"));
    CHECK(is(holdfast_event_name(HOLDFAST_EVENT_EXHAUSTION_EXPLAINED), "exhaustion_explained"));
    CHECK(is(holdfast_circuit_name(HOLDFAST_CIRCUIT_PROBING), "probing"));
    CHECK(is(holdfast_limited_by_name(HOLDFAST_LIMITED_BY_NOTHING), "nothing"));
    CHECK(is(holdfast_limited_by_name(HOLDFAST_LIMITED_BY_FLEET), "fleet"));
    CHECK(is(holdfast_health_name(HOLDFAST_HEALTH_DEGRADED), "degraded"));
    CHECK(is(holdfast_event_name(0), "unknown") && is(holdfast_event_name(1000), "unknown"));
    CHECK(is(holdfast_circuit_name(-1), "unknown") && is(holdfast_limited_by_name(99), "unknown"));
    CHECK(is(holdfast_health_name(99), "unknown"));
}

/* The message may be in any language: the SQLSTATE is the same. */
static void the_end_of_a_connection_has_the_servers_sqlstate(const char *url)
{
    Seen seen;
    holdfast_error *error;
    holdfast_connection *conn;
    holdfast_result *result;
    char sql[64];
    memset(&seen, 0, sizeof seen);
    CHECK(pthread_mutex_init(&seen.lock, NULL) == 0);
    holdfast_pool *pool = open_pool(url, &seen), *other = open_pool(url, NULL);
    OK(holdfast_pool_acquire(pool, NULL, &conn, &error));
    snprintf(sql, sizeof sql, "select pg_terminate_backend(%u, 5000)", (unsigned)holdfast_connection_backend_pid(conn));
    holdfast_connection_release(conn);
    OK(holdfast_pool_query(other, NULL, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    holdfast_result_free(result);
    OK(holdfast_pool_query(pool, NULL, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    holdfast_result_free(result);
    for (int i = 0; i < 5000 && count(&seen, HOLDFAST_EVENT_CLOSED) == 0; i++)
        pause_ms(2);
    pthread_mutex_lock(&seen.lock);
    CHECK(strcmp(seen.closed_sqlstate, "57P01") == 0 && strcmp(seen.message_sqlstate, "57P01") == 0);
    pthread_mutex_unlock(&seen.lock);
    holdfast_pool_free(pool);
    holdfast_pool_free(other);
    for (int i = 0; i < 5000 && destroyed(&seen) == 0; i++)
        pause_ms(2);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    constants_have_names();
    the_end_of_a_connection_has_the_servers_sqlstate(argv[1]);
    events_tell_what_happens(argv[1]);
    a_callback_is_taken_back();
    metrics_and_health_are_texts_and_numbers(argv[1]);
    a_pool_is_served_over_http(argv[1]);
    return 0;
}
