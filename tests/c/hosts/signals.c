/* No socket of the library raises SIGPIPE, which by default ends the program: HTTP, sessions, cancelling, echo. */
#include "../check.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

/* A connection to the server of a pool. */
static int dial(holdfast_str url)
{
    int port, fd;
    struct sockaddr_in address;
    CHECK(sscanf(url.ptr, "http://127.0.0.1:%d/", &port) == 1);
    memset(&address, 0, sizeof address);
    address.sin_family = AF_INET;
    address.sin_port = htons((uint16_t)port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(fd >= 0 && connect(fd, (const struct sockaddr *)&address, sizeof address) == 0);
    return fd;
}

static void ask(int fd, const char *path, int times)
{
    char request[128];
    snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: localhost\r\n\r\n", path);
    /* The other end may have closed it by now. */
    while (times-- > 0 && send(fd, request, strlen(request), MSG_NOSIGNAL) > 0)
        continue;
}

/* Returns whether the server still answers. */
static bool answers(holdfast_str url)
{
    char answer[12];
    size_t got = 0;
    ssize_t n;
    int fd = dial(url);
    ask(fd, "/healthz", 1);
    while (got < sizeof answer && (n = read(fd, answer + got, sizeof answer - got)) > 0)
        got += (size_t)n;
    close(fd);
    return got == sizeof answer && memcmp(answer, "HTTP/1.1 200", sizeof answer) == 0;
}

static void clients_over_http_may_go_at_any_time(const holdfast_pool *pool)
{
    static const char *const paths[] = {"/healthz", "/metrics", "/grafana.json"};
    const size_t rounds = as_many_as(60);
    holdfast_server *server;
    holdfast_error *error;

    OK(holdfast_pool_serve(pool, "127.0.0.1:0", HOLDFAST_NUL, NULL, 0, 0, &server, &error));
    for (size_t i = 0; i < rounds; i++) {
        const char *path = paths[i % 3];
        const struct linger at_once = {1, 0};
        /* Many requests, of which no answer is read: the end is a reset. */
        int fd = dial(holdfast_server_url(server));
        ask(fd, path, 30);
        CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        close(fd);
        /* Closed with answers unread, some of them not yet written. */
        fd = dial(holdfast_server_url(server));
        ask(fd, path, 30);
        pause_ms(1);
        close(fd);
        /* Nothing more is sent, then nothing more is read. */
        fd = dial(holdfast_server_url(server));
        ask(fd, path, 30);
        CHECK(shutdown(fd, SHUT_WR) == 0);
        CHECK(shutdown(fd, SHUT_RD) == 0);
        close(fd);
    }
    CHECK(answers(holdfast_server_url(server)));
    holdfast_server_free(server);
}

static int32_t backend_of(holdfast_connection *connection)
{
    holdfast_result *result;
    holdfast_error *error;
    holdfast_str text;
    int32_t pid;
    OK(holdfast_connection_query(connection, "select pg_backend_pid()::text", HOLDFAST_NUL, NULL, 0,
                                 HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_text(result, 0, 0, &text, &error));
    pid = (int32_t)strtol(text.ptr, NULL, 10);
    holdfast_result_free(result);
    return pid;
}

static void sessions_may_be_ended_by_the_server(const holdfast_pool *pool)
{
    const size_t rounds = as_many_as(20);
    holdfast_error *error;

    for (size_t i = 0; i < rounds; i++) {
        holdfast_connection *ended, *other;
        holdfast_cancel *cancel;
        holdfast_result *result = NULL;
        char sql[256];
        OK(holdfast_pool_acquire(pool, NULL, &ended, &error));
        OK(holdfast_pool_acquire(pool, NULL, &other, &error));
        OK(holdfast_cancel_new(ended, &cancel, &error));
        snprintf(sql, sizeof sql, "select pg_terminate_backend(%d)", (int)backend_of(ended));
        OK(holdfast_connection_query(other, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
        holdfast_result_free(result);
        pause_ms(5);
        /* The first write may still go out, and brings the reset on which the next ones fail. */
        for (int n = 0; n < 3; n++) {
            result = NULL;
            CHECK(holdfast_connection_query(ended, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                                            &result, &error)
                  != HOLDFAST_STATUS_OK);
            holdfast_error_free(error);
            error = NULL;
        }
        /* The server knows the session no more and says nothing to that; whether it counts as a failure does not matter. */
        (void)holdfast_cancel_fire(cancel, 1000, &error);
        holdfast_error_free(error);
        error = NULL;
        holdfast_cancel_free(cancel);
        holdfast_connection_release(ended);
        holdfast_connection_release(other);
    }
}

static void an_echo_pool_may_be_closed_while_it_is_used(void)
{
    holdfast_config *config = holdfast_config_new();
    holdfast_connection *connection;
    holdfast_pool *pool;
    holdfast_error *error;
    holdfast_result *result = NULL;

    OK(holdfast_pool_open_echo(config, &pool, &error));
    holdfast_config_free(config);
    OK(holdfast_pool_acquire(pool, NULL, &connection, &error));
    OK(holdfast_pool_close(pool, 0, NULL, &error));
    for (int n = 0; n < 3; n++) {
        (void)holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT,
                                        &result, &error);
        holdfast_result_free(result);
        holdfast_error_free(error);
        result = NULL;
        error = NULL;
    }
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    holdfast_config *config;
    holdfast_pool *pool;
    holdfast_error *error;

    CHECK(argc == 2);
    CHECK(signal(SIGPIPE, SIG_DFL) != SIG_ERR);
    OK(holdfast_config_from_url(argv[1], HOLDFAST_NUL, &config, &error));
    OK(holdfast_pool_open(config, &pool, &error));
    holdfast_config_free(config);
    clients_over_http_may_go_at_any_time(pool);
    sessions_may_be_ended_by_the_server(pool);
    holdfast_pool_free(pool);
    an_echo_pool_may_be_closed_while_it_is_used();
    return 0;
}
