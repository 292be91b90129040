/* Submitting transactions that the library begins, runs again and ends. */
#include "../queues.h"

#include <pthread.h>

/* The work of a submitted transaction, and the counts of its runs and frees. */
typedef struct {
    const char *first;  /* The statement of its first run. */
    const char *then;   /* That of the others. */
    holdfast_status answer;
    pthread_mutex_t lock;
    int runs, destroyed;
} Plan;

static Plan plan_of(const char *first, const char *then)
{
    return (Plan){.first = first, .then = then, .lock = PTHREAD_MUTEX_INITIALIZER};
}

static holdfast_status follow(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    Plan *plan = user_data;
    holdfast_status status;
    int runs;

    pthread_mutex_lock(&plan->lock);
    runs = ++plan->runs;
    pthread_mutex_unlock(&plan->lock);
    CHECK(holdfast_connection_commit(connection, NULL) == HOLDFAST_STATUS_MISUSE);
    status = holdfast_connection_script(connection, runs == 1 ? plan->first : plan->then, HOLDFAST_NUL, NULL, error);
    return status == HOLDFAST_STATUS_OK ? plan->answer : status;
}

static void destroy(void *user_data)
{
    Plan *plan = user_data;
    pthread_mutex_lock(&plan->lock);
    plan->destroyed++;
    pthread_mutex_unlock(&plan->lock);
}

static int read_of(Plan *plan, const int *figure)
{
    pthread_mutex_lock(&plan->lock);
    int value = *figure;
    pthread_mutex_unlock(&plan->lock);
    return value;
}

static void wait_until_it_runs(Plan *plan)
{
    double begun = now();
    while (read_of(plan, &plan->runs) == 0) {
        CHECK(now() - begun < 60);
        pause_ms(1); /* valgrind runs one thread at a time */
    }
}

static void expect_destroyed_once(Plan *plan)
{
    double begun = now();
    while (read_of(plan, &plan->destroyed) == 0) {
        CHECK(now() - begun < 60);
        pause_ms(1);
    }
    CHECK(read_of(plan, &plan->destroyed) == 1);
}

static uint64_t submit_plan(holdfast_pool *pool, holdfast_queue *queue, uint64_t tag, Plan *plan)
{
    holdfast_error *error;
    uint64_t request;
    OK(holdfast_submit_transaction(pool, queue, tag, NULL, NULL, follow, plan, destroy, &request, &error));
    return request;
}

#define CONFLICT "insert into paid values (100); do $$begin raise exception 'as asked' using errcode = '40001'; end$$"

static void a_transaction_is_run_and_run_again_by_the_library(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(20);
    Plan plain = plan_of("insert into paid values (1)", NULL), again = plan_of(CONFLICT, "insert into paid values (2)");
    Plan refused = plan_of("insert into paid values (3)", NULL), wrong = plan_of("select 1/0", NULL);
    Plan *plans[] = {&plain, &again, &refused, &wrong};
    holdfast_completion done;

    refused.answer = HOLDFAST_STATUS_ROLLED_BACK;
    pool_script(pool, "drop table if exists paid; create table paid (n int primary key)");
    for (uint64_t tag = 0; tag < 4; tag++)
        submit_plan(pool, queue, tag, plans[tag]);
    for (int i = 0; i < 4; i++) {
        done = next(queue);
        CHECK(done.kind == HOLDFAST_SUBMIT_TRANSACTION && done.result == NULL);
        if (done.tag < 2)
            CHECK(done.status == HOLDFAST_STATUS_OK);
        else if (done.tag == 2)
            CHECK(done.status == HOLDFAST_STATUS_ROLLED_BACK);
        else
            CHECK(done.status == HOLDFAST_STATUS_DATABASE && is(holdfast_error_sqlstate(done.error), "22012"));
        discard(done);
    }
    CHECK(plain.runs == 1 && again.runs == 2 && refused.runs == 1 && wrong.runs == 1);
    for (int i = 0; i < 4; i++)
        expect_destroyed_once(plans[i]);
    CHECK(read_number(pool, "select sum(n) from paid") == 3);
    holdfast_queue_free(queue);
}

static void a_transaction_that_cannot_be_submitted_keeps_its_data(holdfast_pool *pool)
{
    holdfast_queue *queue = open_queue(1);
    holdfast_submit_options options = {.struct_size = sizeof options, .deadline_ms = 1};
    Plan plan = plan_of("select 1", NULL);
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_transaction(pool, queue, 1, &options, NULL, follow, &plan, destroy, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_transaction(pool, queue, 1, NULL, NULL, NULL, &plan, destroy, NULL, &error));
    FAILS(HOLDFAST_STATUS_NULL,
          holdfast_submit_transaction(NULL, queue, 1, NULL, NULL, follow, &plan, destroy, NULL, &error));
    submit(pool, queue, 1, "select pg_sleep(0.1)");
    FAILS(HOLDFAST_STATUS_QUEUE_FULL,
          holdfast_submit_transaction(pool, queue, 1, NULL, NULL, follow, &plan, destroy, NULL, &error));
    CHECK(plan.runs == 0 && plan.destroyed == 0);
    discard(next(queue));
    holdfast_queue_free(queue);
}

static void a_transaction_can_be_cancelled(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(20);
    Plan sleeps = plan_of("select pg_sleep(60)", NULL), waits = plan_of("select 1", NULL);
    Plan between = plan_of(CONFLICT, CONFLICT);
    holdfast_completion done;
    holdfast_error *error;
    uint64_t first, second;

    /* A request that runs, and one that waits for it. */
    first = submit_plan(pool, queue, 1, &sleeps);
    wait_until_it_runs(&sleeps);
    second = submit_plan(pool, queue, 2, &waits);
    OK(holdfast_request_cancel(queue, second, &error));
    done = next(queue);
    CHECK(done.tag == 2 && done.status == HOLDFAST_STATUS_CANCELED);
    discard(done);
    OK(holdfast_request_cancel(queue, first, &error));
    done = next(queue);
    CHECK(done.tag == 1 && done.status == HOLDFAST_STATUS_CANCELED && done.running_us < 20000000);
    discard(done);
    expect_destroyed_once(&sleeps);
    expect_destroyed_once(&waits);
    CHECK(sleeps.runs == 1 && waits.runs == 0);

    /* A transaction that would be run again: cancelled at some point, it ends, and nothing of it is left. */
    first = submit_plan(pool, queue, 3, &between);
    wait_until_it_runs(&between);
    OK(holdfast_request_cancel(queue, first, &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_CANCELED || done.status == HOLDFAST_STATUS_DATABASE);
    discard(done);
    expect_destroyed_once(&between);
    CHECK(read_number(pool, "select count(*) from paid where n = 100") == 0);
    holdfast_queue_free(queue);
    holdfast_pool_free(pool);
}

static void a_transaction_ends_with_the_pool_or_the_queue(const char *url)
{
    for (int queue_first = 0; queue_first < 2; queue_first++) {
        holdfast_pool *pool = open_pool(url, "1");
        holdfast_queue *queue = open_queue(20);
        Plan runs = plan_of("select pg_sleep(0.3)", NULL), waits = plan_of("select 1", NULL);
        holdfast_error *error;

        submit_plan(pool, queue, 1, &runs);
        wait_until_it_runs(&runs);
        submit_plan(pool, queue, 2, &waits);
        if (queue_first) {
            holdfast_queue_free(queue);
            queue = NULL;
        }
        OK(holdfast_pool_close(pool, 5000, NULL, &error));
        if (queue != NULL) {
            for (int i = 0; i < 2; i++) {
                holdfast_completion done = next(queue);
                CHECK(done.tag == 1 ? done.status == HOLDFAST_STATUS_OK : done.status == HOLDFAST_STATUS_POOL_CLOSED);
                discard(done);
            }
            holdfast_queue_free(queue);
        }
        expect_destroyed_once(&runs);
        expect_destroyed_once(&waits);
        CHECK(waits.runs == 0);
        holdfast_pool_free(pool);
    }
}

int main(int argc, char **argv)
{
    holdfast_pool *pool;

    CHECK(argc > 1);
    pool = open_pool(argv[1], "3");
    a_transaction_is_run_and_run_again_by_the_library(pool);
    a_transaction_that_cannot_be_submitted_keeps_its_data(pool);
    a_transaction_can_be_cancelled(argv[1]);
    a_transaction_ends_with_the_pool_or_the_queue(argv[1]);
    holdfast_pool_free(pool);
    return 0;
}
