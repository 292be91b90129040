/* The helpers of the C tests. A test program gets the server's URL as its first argument and returns 0 if all went
 * well. */
#ifndef CHECK_H
#define CHECK_H

#define _POSIX_C_SOURCE 200809L

#include <holdfast.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Ends the program if a condition does not hold. */
#define CHECK(condition)                                                                     \
    do {                                                                                     \
        if (!(condition)) {                                                                  \
            fprintf(stderr, "%s:%d: this should hold: %s\n", __FILE__, __LINE__, #condition); \
            exit(1);                                                                         \
        }                                                                                    \
    } while (0)

/* Ends the program if a call on which `error` was filled did not succeed. */
#define OK(call)                                                                             \
    do {                                                                                     \
        if ((call) != HOLDFAST_STATUS_OK) {                                                  \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, holdfast_error_message(error).ptr); \
            exit(1);                                                                         \
        }                                                                                    \
        CHECK(error == NULL);                                                                \
    } while (0)

/* Ends the program unless a call fails with this status; frees the error, which must have the same status. */
#define FAILS(wanted, call)                                                                  \
    do {                                                                                     \
        holdfast_status got_ = (call);                                                       \
        if (got_ != (wanted)) {                                                              \
            fprintf(stderr, "%s:%d: status %d, not " #wanted ": %s\n", __FILE__, __LINE__,   \
                    (int)got_, holdfast_error_message(error).ptr);                           \
            exit(1);                                                                         \
        }                                                                                    \
        CHECK(holdfast_error_status(error) == got_ && holdfast_error_message(error).len > 0); \
        holdfast_error_free(error);                                                          \
        error = NULL;                                                                        \
    } while (0)

/* Returns whether a sanitizer or valgrind watches. It has memory and threads of its own: then they are not counted. */
static inline bool is_watched(void)
{
    return getenv("HOLDFAST_TEST_WATCHED") != NULL;
}

/* Returns whether a child can be forked off. Not from a program in a sanitizer: another thread may hold one of its own
 * locks at that moment, for which the child would wait for ever. */
static inline bool can_fork(void)
{
    const char *watched = getenv("HOLDFAST_TEST_WATCHED");
    return watched == NULL || strcmp(watched, "sanitizer") != 0;
}

/* Lets this much time pass; more under a sanitizer or valgrind, where the work takes longer. */
static inline void pause_ms(long ms)
{
    const long long ns = (is_watched() ? 4LL : 1LL) * ms * 1000000;
    const struct timespec pause = {(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    nanosleep(&pause, NULL);
}

/* As many of something as there can be without waiting for whatever watches, which is slow: a tenth if it does. */
static inline size_t as_many_as(size_t usual)
{
    return is_watched() ? usual / 10 : usual;
}

/* Returns whether a text of the library is this one, and well-formed. */
static inline bool is(holdfast_str text, const char *wanted)
{
    return strlen(text.ptr) == text.len && strcmp(text.ptr, wanted) == 0;
}

/* Returns whether a text of the library contains this one. */
static inline bool has(holdfast_str text, const char *part)
{
    return strstr(text.ptr, part) != NULL;
}

/* Runs statements that have to succeed. */
static inline void script(holdfast_connection *connection, const char *sql)
{
    holdfast_error *error;
    OK(holdfast_connection_script(connection, sql, HOLDFAST_NUL, NULL, &error));
}

/* The number that a statement returns. */
static inline int64_t read_number(holdfast_pool *pool, const char *sql)
{
    holdfast_result *result;
    holdfast_error *error;
    int64_t value = -1;
    OK(holdfast_pool_query(pool, NULL, sql, HOLDFAST_NUL, NULL, 0, HOLDFAST_FORMAT_TEXT, &result, &error));
    OK(holdfast_result_i64(result, 0, 0, &value, &error));
    holdfast_result_free(result);
    return value;
}

#endif
