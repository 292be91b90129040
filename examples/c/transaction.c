/* A transaction that is run again when it conflicts with others. */
#include <holdfast.h>
#include <inttypes.h>
#include <stdio.h>

struct transfer {
    const char *from, *to, *amount;
    int64_t left;
};

/* Called in a transaction, perhaps more than once: it must not do what cannot be done twice. */
static holdfast_status move_money(void *user_data, holdfast_connection *connection, holdfast_error **error)
{
    struct transfer *transfer = user_data;
    holdfast_param taken[] = {{transfer->amount, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT},
                              {transfer->from, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT}};
    holdfast_param given[] = {taken[0], {transfer->to, HOLDFAST_NUL, 0, HOLDFAST_FORMAT_TEXT}};
    holdfast_result *result;
    holdfast_status status;

    status = holdfast_connection_query(
        connection, "update example_account set balance = balance - $1 where owner = $2 returning balance",
        HOLDFAST_NUL, taken, 2, HOLDFAST_FORMAT_AUTOMATIC, &result, error);
    if (status)
        return status; /* with its error: rolled back, and run again if it was a conflict */
    holdfast_result_i64(result, 0, 0, &transfer->left, NULL);
    holdfast_result_free(result);
    if (transfer->left < 0)
        return HOLDFAST_STATUS_ROLLED_BACK; /* no failure, but not to be committed either */

    status = holdfast_connection_query(connection, "update example_account set balance = balance + $1 where owner = $2",
                                       HOLDFAST_NUL, given, 2, HOLDFAST_FORMAT_TEXT, &result, error);
    holdfast_result_free(result);
    return status; /* 0: commit */
}

int main(int argc, char **argv)
{
    const char *url = argc > 1 ? argv[1] : "postgresql://localhost/postgres";
    const char *amounts[] = {"30", "1000"};
    holdfast_transaction_options options = {.struct_size = sizeof options,
                                            .isolation = HOLDFAST_ISOLATION_SERIALIZABLE};
    holdfast_pool *pool = NULL;
    holdfast_connection *connection = NULL;
    holdfast_error *error = NULL;

    if (holdfast_pool_open_url(url, HOLDFAST_NUL, &pool, &error)
        || holdfast_pool_acquire(pool, NULL, &connection, &error)
        || holdfast_connection_script(connection,
                                      "drop table if exists example_account;"
                                      "create table example_account (owner text, balance int);"
                                      "insert into example_account values ('ada', 100), ('bob', 100)",
                                      HOLDFAST_NUL, NULL, &error))
        goto failed;

    for (int i = 0; i < 2; i++) {
        struct transfer transfer = {"ada", "bob", amounts[i], 0};
        holdfast_status status = holdfast_pool_transaction(pool, NULL, &options, move_money, &transfer, &error);
        if (status == HOLDFAST_STATUS_ROLLED_BACK)
            printf("ada is short of %" PRId64 "\n", -transfer.left);
        else if (status)
            goto failed;
        else
            printf("ada has %" PRId64 " left\n", transfer.left);
        holdfast_error_free(error);
        error = NULL;
    }

    if (holdfast_connection_script(connection, "drop table example_account", HOLDFAST_NUL, NULL, &error))
        goto failed;
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    return 0;

failed:
    fprintf(stderr, "%s\n", holdfast_error_message(error).ptr);
    holdfast_error_free(error);
    holdfast_connection_release(connection);
    holdfast_pool_free(pool);
    return 1;
}
