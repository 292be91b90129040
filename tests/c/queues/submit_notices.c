/* What the server remarks while a submitted request runs comes with its completion, and with no other. */
#include "../queues.h"

#define REMARK(text) "do $$ begin raise warning '" text "'; end $$"

static holdfast_submit_options with_notices(void)
{
    holdfast_submit_options options = {.struct_size = sizeof options, .notices = 1};
    return options;
}

static bool has_remark(const holdfast_completion *done, size_t index, const char *text)
{
    return is(holdfast_notices_field(done->notices, index, HOLDFAST_FIELD_MESSAGE), text);
}

static void a_request_of_a_pool_has_its_own(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(64);
    holdfast_submit_options options = with_notices();
    holdfast_completion done;
    holdfast_error *error;

    /* All on one connection, sent one behind the other: those that did not ask have none, and give none to the next. */
    for (uint64_t tag = 0; tag < 12; tag += 3) {
        OK(holdfast_submit_query(pool, queue, tag, NULL, REMARK("not asked for"), HOLDFAST_NUL, NULL, 0, NULL, &error));
        OK(holdfast_submit_query(pool, queue, tag + 1, &options, REMARK("mind the gap"), HOLDFAST_NUL, NULL, 0, NULL, &error));
        OK(holdfast_submit_query(pool, queue, tag + 2, &options, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    }
    for (int i = 0; i < 12; i++) {
        done = next(queue);
        CHECK(done.status == HOLDFAST_STATUS_OK);
        if (done.tag % 3 == 1) {
            CHECK(holdfast_notices_count(done.notices) == 1 && has_remark(&done, 0, "mind the gap"));
            CHECK(is(holdfast_notices_field(done.notices, 0, HOLDFAST_FIELD_SEVERITY), "WARNING"));
        } else {
            CHECK(done.notices == NULL);
        }
        discard(done);
    }

    OK(holdfast_submit_script(pool, queue, 1, &options, REMARK("one") ";" REMARK("two") "; select 1/0", HOLDFAST_NUL, NULL,
                              &error));
    done = next(queue);
    CHECK(done.status == HOLDFAST_STATUS_DATABASE && holdfast_notices_count(done.notices) == 2);
    CHECK(has_remark(&done, 0, "one") && has_remark(&done, 1, "two"));
    discard(done);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void a_pipeline_has_them_with_its_last_completion(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(8);
    holdfast_submit_options options = with_notices();
    holdfast_request requests[] = {{.sql = REMARK("first"), .sql_len = HOLDFAST_NUL}, {.sql = REMARK("second"), .sql_len = HOLDFAST_NUL}};
    holdfast_completion done;
    holdfast_error *error;

    options.in_parts = 1;
    OK(holdfast_submit_pipeline(pool, queue, 1, &options, requests, 2, HOLDFAST_PIPELINE_SEPARATE, NULL, &error));
    for (int i = 0; i < 2; i++) {
        done = next(queue);
        CHECK(done.more == 1 && done.notices == NULL);
        discard(done);
    }
    done = next(queue);
    CHECK(done.more == 0 && has_remark(&done, 0, "first") && has_remark(&done, 1, "second"));
    discard(done);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void a_request_on_a_connection_takes_those_before_it_as_well(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(8);
    holdfast_connection *connection = acquire(pool);
    holdfast_submit_options options = with_notices();
    holdfast_notices *notices;
    holdfast_completion done;
    holdfast_error *error;

    script(connection, REMARK("before"));
    OK(holdfast_submit_connection_query(connection, queue, 1, &options, REMARK("during"), HOLDFAST_NUL, NULL, 0, NULL, &error));
    done = next_of(queue, HOLDFAST_SUBMIT_CONNECTION_QUERY, 1);
    CHECK(holdfast_notices_count(done.notices) == 2 && has_remark(&done, 0, "before") && has_remark(&done, 1, "during"));
    discard(done);
    OK(holdfast_connection_notices(connection, &notices, &error));
    CHECK(notices == NULL);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

static void what_runs_no_statement_has_none(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(8);
    holdfast_submit_options options = with_notices();
    holdfast_error *error;

    FAILS(HOLDFAST_STATUS_ARGUMENT, holdfast_submit_acquire(pool, queue, 1, &options, NULL, &error));
    options.notices = 2;
    FAILS(HOLDFAST_STATUS_ARGUMENT,
          holdfast_submit_query(pool, queue, 1, &options, "select 1", HOLDFAST_NUL, NULL, 0, NULL, &error));
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

/* A program that was built before there were notices drains smaller completions: nothing leaks. */
static void a_smaller_completion_has_no_room_for_them(const char *url)
{
    holdfast_pool *pool = open_pool(url, "1");
    holdfast_queue *queue = open_queue(8);
    holdfast_submit_options options = with_notices();
    holdfast_completion done;
    holdfast_error *error;
    size_t before = offsetof(holdfast_completion, notices);

    OK(holdfast_submit_query(pool, queue, 1, &options, REMARK("lost"), HOLDFAST_NUL, NULL, 0, NULL, &error));
    CHECK(holdfast_queue_wait(queue, 20000));
    memset(&done, 0, sizeof done);
    CHECK(holdfast_queue_drain(queue, &done, 1, before) == 1);
    CHECK(done.status == HOLDFAST_STATUS_OK && done.notices == NULL);
    discard(done);
    holdfast_pool_free(pool);
    holdfast_queue_free(queue);
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    a_request_of_a_pool_has_its_own(argv[1]);
    a_pipeline_has_them_with_its_last_completion(argv[1]);
    a_request_on_a_connection_takes_those_before_it_as_well(argv[1]);
    what_runs_no_statement_has_none(argv[1]);
    a_smaller_completion_has_no_room_for_them(argv[1]);
    return 0;
}
