/* A difficult host: one that forks, reads its signals by sigwait, ends its threads from within callbacks, and cancels
 * them. */
#include "../pools.h"

#include <pthread.h>
#include <signal.h>
#include <stdint.h>
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

/* --- fork --- */

static void have_a_pool(void)
{
    holdfast_error *error;
    holdfast_pool *pool = opened(configured("2"));
    for (int i = 0; i < 3; i++)
        OK(ask(pool, "select 1", &error));
    OK(holdfast_pool_close(pool, HOLDFAST_CONFIGURED, NULL, &error));
    holdfast_pool_free(pool);
}

static void *works_until_closed(void *pool)
{
    holdfast_error *error = NULL;
    while (ask(pool, "select 1", &error) == HOLDFAST_STATUS_OK)
        continue;
    CHECK(holdfast_error_status(error) == HOLDFAST_STATUS_POOL_CLOSED);
    holdfast_error_free(error);
    return NULL;
}

/* Threads use, and wait for, the parent's pool at each fork. */
static void children_have_pools_of_their_own(void)
{
    const size_t forks = as_many_as(60);
    pthread_t threads[4];
    holdfast_pool *pool = opened(configured("2"));
    holdfast_error *error;

    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_create(&threads[i], NULL, works_until_closed, pool) == 0);
    for (size_t i = 0; i < forks; i++) {
        int status;
        pid_t child = fork();
        CHECK(child >= 0);
        if (child == 0) {
            alarm(60);
            FAILS(HOLDFAST_STATUS_MISUSE, ask(pool, "select 1", &error));
            have_a_pool();
            holdfast_pool_free(pool);
            _exit(0);
        }
        CHECK(waitpid(child, &status, 0) == child);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    }
    OK(holdfast_pool_close(pool, HOLDFAST_CONFIGURED, NULL, &error));
    for (size_t i = 0; i < 4; i++)
        CHECK(pthread_join(threads[i], NULL) == 0);
    holdfast_pool_free(pool);
}

/* --- signals --- */

static const int read_by_sigwait[] = {SIGTERM, SIGUSR1, SIGUSR2, SIGHUP, SIGCHLD};

/* Every thread of the library exists: workers, openers, a look-up, submissions, HTTP, echo. */
static void signals_reach_the_hosts_threads_only(void)
{
    const size_t rounds = as_many_as(50);
    sigset_t wanted, before;
    holdfast_error *error;
    holdfast_pool *pool, *echo;
    holdfast_server *server;
    holdfast_queue *queue;
    holdfast_completion completion;
    holdfast_config *config = holdfast_config_new();
    int got;

    /* The pools are opened, and their threads started, by a thread that blocks nothing. */
    pool = opened(configured("2"));
    OK(holdfast_pool_open_echo(config, &echo, &error));
    holdfast_config_free(config);
    OK(holdfast_pool_serve(pool, "127.0.0.1:0", HOLDFAST_NUL, NULL, 0, 0, &server, &error));
    OK(holdfast_queue_new(NULL, &queue, &error));
    OK(holdfast_submit_query(pool, queue, 1, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    CHECK(holdfast_queue_wait(queue, 60000));
    CHECK(holdfast_queue_drain(queue, &completion, 1, sizeof completion) == 1);
    holdfast_result_free(completion.result);
    OK(ask(echo, "select 1", &error));

    sigemptyset(&wanted);
    for (size_t i = 0; i < sizeof read_by_sigwait / sizeof *read_by_sigwait; i++)
        sigaddset(&wanted, read_by_sigwait[i]);
    CHECK(pthread_sigmask(SIG_BLOCK, &wanted, &before) == 0);
    for (size_t i = 0; i < rounds; i++) {
        int sent = read_by_sigwait[i % (sizeof read_by_sigwait / sizeof *read_by_sigwait)];
        /* To the process: any thread that does not block it would be given it, and end the program. */
        CHECK(kill(getpid(), sent) == 0);
        OK(ask(pool, "select 1", &error));
        CHECK(sigwait(&wanted, &got) == 0 && got == sent);
    }
    CHECK(pthread_sigmask(SIG_SETMASK, &before, NULL) == 0);
    holdfast_queue_free(queue);
    holdfast_server_free(server);
    holdfast_pool_free(echo);
    holdfast_pool_free(pool);
}

/* --- the end of threads --- */

static volatile int ends_threads;

static void end_on_event(void *user_data, const holdfast_event *event)
{
    (void)user_data;
    if (ends_threads == event->kind)
        pthread_exit(NULL);
}

static void end_on_log(void *user_data, const holdfast_log_record *record)
{
    (void)user_data;
    (void)record;
    if (ends_threads == -1)
        pthread_exit(NULL);
}

static void *asks_once(void *pool)
{
    holdfast_error *error = NULL;
    (void)ask(pool, "select 1", &error);
    holdfast_error_free(error);
    return NULL;
}

static void *closes_what_is_idle(void *pool)
{
    holdfast_error *error = NULL;
    (void)holdfast_pool_release_idle(pool, NULL, &error);
    holdfast_error_free(error);
    return NULL;
}

static void on_a_thread_of_its_own(void *(*work)(void *), holdfast_pool *pool)
{
    pthread_t thread;
    CHECK(pthread_create(&thread, NULL, work, pool) == 0);
    CHECK(pthread_join(thread, NULL) == 0);
}

/* Ends the thread that calls the library, and threads of the library, from within callbacks. */
static void callbacks_may_end_their_thread(void)
{
    static const int kinds[] = {HOLDFAST_EVENT_ACQUIRED, HOLDFAST_EVENT_RELEASED, HOLDFAST_EVENT_OPENED,
                                HOLDFAST_EVENT_CLOSED, -1};
    const size_t rounds = as_many_as(200);
    holdfast_error *error;
    holdfast_config *config = configured("2");
    holdfast_pool *pool;

    OK(holdfast_config_set_event(config, end_on_event, NULL, NULL, &error));
    OK(holdfast_config_set_log(config, HOLDFAST_LOG_DEBUG, end_on_log, NULL, NULL, &error));
    pool = opened(config);
    for (size_t i = 0; i < rounds; i++) {
        ends_threads = kinds[i % 5];
        on_a_thread_of_its_own(asks_once, pool);
        if (ends_threads == HOLDFAST_EVENT_CLOSED || i % 7 == 0)
            on_a_thread_of_its_own(closes_what_is_idle, pool);
        ends_threads = 0;
        is_as_before(pool);
    }
    holdfast_pool_free(pool);
}

static void end_when_asked(void *count, const holdfast_password_request *request, holdfast_password *password)
{
    /* That of the URL, as in scheme://user:password@host. */
    const char *secret = strchr(strstr(url, "://") + 3, ':') + 1;
    holdfast_error *error;
    (void)request;
    OK(holdfast_password_give(password, secret, (size_t)(strchr(secret, '@') - secret), &error));
    __sync_fetch_and_add((int *)count, 1);
    if (ends_threads == -2)
        pthread_exit(NULL);
}

/* The session is given up; the next one is opened as if nothing had been. */
static void a_password_callback_may_end_its_thread(void)
{
    const size_t rounds = as_many_as(50);
    int count = 0;
    holdfast_error *error;
    holdfast_config *config = configured("1");
    holdfast_pool *pool;

    OK(holdfast_config_set_password(config, end_when_asked, &count, NULL, &error));
    pool = opened(config);
    for (size_t i = 0; i < rounds; i++) {
        ends_threads = -2;
        on_a_thread_of_its_own(asks_once, pool);
        ends_threads = 0;
        is_as_before(pool);
        on_a_thread_of_its_own(closes_what_is_idle, pool);
    }
    CHECK((size_t)count >= rounds);
    holdfast_pool_free(pool);
}

/* How often the callback below was called. */
static int times_ready;

static void end_when_ready(void *count)
{
    __sync_fetch_and_add((int *)count, 1);
    pthread_exit(NULL);
}

static void a_queues_callback_may_end_the_workers(void)
{
    const size_t rounds = as_many_as(200);
    holdfast_error *error;
    holdfast_pool *pool = opened(configured("2"));
    holdfast_queue *queue;

    __sync_fetch_and_and(&times_ready, 0);
    OK(holdfast_queue_new(NULL, &queue, &error));
    OK(holdfast_queue_on_ready(queue, end_when_ready, &times_ready, NULL, &error));
    for (size_t i = 0; i < rounds; i++) {
        holdfast_completion completion;
        OK(holdfast_submit_query(pool, queue, i, NULL, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
        CHECK(holdfast_queue_wait(queue, 60000));
        CHECK(holdfast_queue_drain(queue, &completion, 1, sizeof completion) == 1);
        CHECK(completion.tag == i && completion.status == HOLDFAST_STATUS_OK);
        holdfast_result_free(completion.result);
    }
    OK(holdfast_queue_on_ready(queue, NULL, NULL, NULL, &error));
    CHECK(__sync_fetch_and_add(&times_ready, 0) > 0);
    holdfast_queue_free(queue);
    is_as_before(pool);
    holdfast_pool_free(pool);
}

static holdfast_status end_in_body(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    holdfast_result *result = NULL;
    (void)user_data;
    CHECK(holdfast_connection_query(connection, "select 1", HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result,
                                    error)
          == HOLDFAST_STATUS_OK);
    holdfast_result_free(result);
    pthread_exit(NULL);
}

static void *transacts(void *pool)
{
    holdfast_error *error = NULL;
    (void)holdfast_pool_transaction(pool, NULL, NULL, end_in_body, NULL, &error);
    holdfast_error_free(error);
    return NULL;
}

static void a_transactions_body_may_end_its_thread(void)
{
    const size_t rounds = as_many_as(200);
    holdfast_pool *pool = opened(configured("1"));
    for (size_t i = 0; i < rounds; i++) {
        on_a_thread_of_its_own(transacts, pool);
        is_as_before(pool);
    }
    holdfast_pool_free(pool);
}

static void *sleeps(void *pool)
{
    holdfast_error *error = NULL;
    (void)ask(pool, "select pg_sleep(0.02)", &error);
    holdfast_error_free(error);
    /* The request takes effect here, or has done so right behind the call. */
    for (;;)
        pause();
    return NULL;
}

static void cancellation_waits_for_the_call_to_return(void)
{
    const size_t rounds = as_many_as(200);
    holdfast_pool *pool = opened(configured("2"));
    for (size_t i = 0; i < rounds; i++) {
        pthread_t thread;
        void *value;
        CHECK(pthread_create(&thread, NULL, sleeps, pool) == 0);
        pause_ms((long)(i % 20));
        CHECK(pthread_cancel(thread) == 0);
        CHECK(pthread_join(thread, &value) == 0 && value == PTHREAD_CANCELED);
    }
    is_as_before(pool);
    holdfast_pool_free(pool);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    /* What hangs is to end with a core, not after minutes. */
    alarm(is_watched() ? 600 : 120);
    url = argv[1];
    if (can_fork())
        children_have_pools_of_their_own();
    signals_reach_the_hosts_threads_only();
    callbacks_may_end_their_thread();
    a_password_callback_may_end_its_thread();
    a_queues_callback_may_end_the_workers();
    a_transactions_body_may_end_its_thread();
    cancellation_waits_for_the_call_to_return();
    return 0;
}
