/* Holdfast 0.1.0: a PostgreSQL connection pool that does not let go.
 *
 * Made by build.rs from src/ffi/capi; changes belong there.
 *
 * A first look:
 *
 *     holdfast_pool *pool;
 *     holdfast_connection *connection;
 *     holdfast_error *error;
 *
 *     if (holdfast_pool_open_url("postgresql://app@db/orders", HOLDFAST_NUL, &pool, &error)
 *         || holdfast_pool_acquire(pool, NULL, &connection, &error)) {
 *         fprintf(stderr, "%s\n", holdfast_error_message(error).ptr);
 *         holdfast_error_free(error);
 *     }
 *
 * What holds everywhere
 *
 * - Calls that can fail return a holdfast_status, 0 being success, and take as their last argument where to put a
 *   holdfast_error, which the caller frees; NULL if it is of no interest. On success NULL is put there.
 * - Handles are opaque. Each has one function that frees it, to which NULL may be given. They may be freed in any order:
 *   what another one still needs lives on. No function takes over its argument. Where a call puts a handle, it puts NULL
 *   first.
 * - A handle given as const T * may be used by any number of threads at once. One given as T * is for one thread at a time;
 *   a second one gets HOLDFAST_STATUS_BUSY. Freeing is the end of a handle for all threads: using it afterwards is as
 *   wrong as with free(), although it is often noticed (HOLDFAST_STATUS_MISUSE).
 * - Calls do not block unless their comment says for how long.
 * - NULL for a handle is HOLDFAST_STATUS_NULL; functions that return no status then return nothing much: 0, false, NULL or
 *   an empty text, as after any other failure.
 * - Structs that begin with struct_size may grow at their end. Set struct_size to sizeof the struct and all else to zero:
 *       C:    holdfast_stats stats = {.struct_size = sizeof stats};
 *       C++:  holdfast_stats stats{}; stats.struct_size = sizeof stats;
 * - There is nothing to initialize, no state outside of handles, and no logger.
 * - After fork the child must not use what its parent opened (HOLDFAST_STATUS_MISUSE); it may free it.
 * - C99 or C++11 and later. Programs that link the static library need -lssl -lcrypto -lpthread -ldl -lm.
 */

#ifndef HOLDFAST_H
#define HOLDFAST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define HOLDFAST_VERSION "0.1.0"
#define HOLDFAST_VERSION_MAJOR 0
#define HOLDFAST_VERSION_MINOR 1
#define HOLDFAST_VERSION_PATCH 0
/** As holdfast_version_number and holdfast_check_version take it. */
#define HOLDFAST_VERSION_NUMBER \
    (HOLDFAST_VERSION_MAJOR * 1000000u + HOLDFAST_VERSION_MINOR * 1000u + HOLDFAST_VERSION_PATCH)

/** As the length of a text: "it ends at its NUL". */
#define HOLDFAST_NUL SIZE_MAX

#ifndef HOLDFAST_API
#if defined(__GNUC__)
#define HOLDFAST_API __attribute__((visibility("default")))
#else
#define HOLDFAST_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* ==== Handles =============================================================================================
 */

/** A text of its own, made by a call. Free it with holdfast_text_free. */
typedef struct holdfast_text holdfast_text;

/** What went wrong. Free it with holdfast_error_free. */
typedef struct holdfast_error holdfast_error;

/** A configuration. One thread at a time; a second one gets HOLDFAST_STATUS_BUSY. */
typedef struct holdfast_config holdfast_config;

/** A pool. Free it with holdfast_pool_free. */
typedef struct holdfast_pool holdfast_pool;

/** A connection borrowed from a pool. Give it back with holdfast_connection_release. */
typedef struct holdfast_connection holdfast_connection;

/** The rows of one statement. Free it with holdfast_result_free. */
typedef struct holdfast_result holdfast_result;

/** The results of the statements of a script. Free it with holdfast_results_free. */
typedef struct holdfast_results holdfast_results;

/** What the server remarked: WARNING, NOTICE and the like. They never change. Free them with holdfast_notices_free. */
typedef struct holdfast_notices holdfast_notices;

/** What NOTIFY sent. It never changes. Free it with holdfast_notification_free. */
typedef struct holdfast_notification holdfast_notification;

/**
 * With this any thread can cancel what one connection is doing. It belongs to one loan: once the connection has gone back,
 * it does nothing, though a request already on its way cannot be recalled. Free it with holdfast_cancel_free.
 */
typedef struct holdfast_cancel holdfast_cancel;

/* ==== Texts ===============================================================================================
 *
 * Texts go in as pointer and length in bytes; the length HOLDFAST_NUL says that the text ends at its NUL. They must be
 * UTF-8. NULL with length 0 is the empty text. Texts come out as holdfast_str.
 */

/**
 * A text owned by somebody else: the object it was asked of, unless a comment says otherwise, and valid until that is
 * freed. UTF-8, followed by a NUL that len does not count. ptr is never NULL; what is absent is the empty text.
 */
typedef struct {
    /** The first byte. */
    const char *ptr;
    /** The number of bytes before the NUL. */
    size_t len;
} holdfast_str;

/** What a text says, valid until it is freed; empty for NULL. Any thread; does not block. */
HOLDFAST_API holdfast_str holdfast_text_view(const holdfast_text *text);

/** Frees a text. NULL is allowed. */
HOLDFAST_API void holdfast_text_free(holdfast_text *text);

/* ==== Status codes ========================================================================================
 *
 * What nearly every function returns. 0 is success. Codes 1 to 63 are kinds of failure of the pool and the server, the
 * same as in every other binding; from 64 on they are about the call itself. Codes are never given another meaning;
 * later versions may add some, so treat an unknown one as a failure.
 */

/** Success. */
#define HOLDFAST_STATUS_OK 0

/** The configuration cannot be used as it stands. */
#define HOLDFAST_STATUS_CONFIG 1

/** The host name could not be resolved. */
#define HOLDFAST_STATUS_RESOLVE 2

/** Nobody listens at the address, or the listener hung up during connection set-up. */
#define HOLDFAST_STATUS_REFUSED 3

/** There is no route to the host or its network. */
#define HOLDFAST_STATUS_UNREACHABLE 4

/** TLS could not be established as sslmode demands. */
#define HOLDFAST_STATUS_TLS 5

/** The server refused the credentials. */
#define HOLDFAST_STATUS_AUTH 6

/** The server or a pooler has no connection slot left (SQLSTATE 53300 and its like). */
#define HOLDFAST_STATUS_SERVER_FULL 7

/** The server is starting up, shutting down or recovering (57P03). */
#define HOLDFAST_STATUS_SERVER_STARTING 8

/** The connection was not established within its deadline. */
#define HOLDFAST_STATUS_CONNECT_TIMEOUT 9

/** No connection of the pool came free within the deadline. */
#define HOLDFAST_STATUS_POOL_TIMEOUT 10

/** The circuit breaker refuses to open connections at present. */
#define HOLDFAST_STATUS_CIRCUIT_OPEN 11

/** The pool was closed. */
#define HOLDFAST_STATUS_POOL_CLOSED 12

/** An established connection broke. */
#define HOLDFAST_STATUS_CONNECTION_LOST 13

/** A statement ran past its deadline. */
#define HOLDFAST_STATUS_QUERY_TIMEOUT 14

/** A statement was cancelled on request. */
#define HOLDFAST_STATUS_CANCELED 15

/** The connection broke during COMMIT: whether it took effect is unknown. */
#define HOLDFAST_STATUS_COMMIT_UNKNOWN 16

/** The server answered with an error: see holdfast_error_sqlstate. */
#define HOLDFAST_STATUS_DATABASE 17

/** The library was used in a way it does not allow: a handle of another kind, a pool inherited by fork, ... */
#define HOLDFAST_STATUS_MISUSE 18

/** A pointer that must not be NULL is NULL. */
#define HOLDFAST_STATUS_NULL 64

/** A text is not UTF-8, or has a NUL where none can be. */
#define HOLDFAST_STATUS_UTF8 65

/** An argument has a value that is not allowed. */
#define HOLDFAST_STATUS_ARGUMENT 66

/** Another thread is in a call on the same object, which takes one at a time. */
#define HOLDFAST_STATUS_BUSY 67

/** A value cannot be read as the type asked for. */
#define HOLDFAST_STATUS_TYPE 68

/** The value asked for is the NULL of SQL. */
#define HOLDFAST_STATUS_IS_NULL 69

/** A defect in the library was caught. The connection in use was discarded. */
#define HOLDFAST_STATUS_PANIC 70

/** A status code. */
typedef int32_t holdfast_status;

/**
 * The name of a status code in snake case, such as "server_full"; "unknown" for a code that this version does not have.
 * The text is static. Any thread; does not block.
 */
HOLDFAST_API
holdfast_str holdfast_status_name(holdfast_status status);

/* ==== Errors ==============================================================================================
 *
 * What went wrong, told so that a person can act on it and a program can decide on it. A function that fails puts one
 * into *error if error is not NULL; on success it puts NULL there. Errors never change: all of these may be called from
 * any thread, and none blocks. Given NULL they answer as if nothing had gone wrong.
 */

/** Severity: "ERROR", "FATAL" or "PANIC"; of notices "WARNING", "NOTICE", ... All fields have libpq's PG_DIAG_ codes. */
#define HOLDFAST_FIELD_SEVERITY 83

/** The five characters of the SQLSTATE. */
#define HOLDFAST_FIELD_SQLSTATE 67

/** What the server said. */
#define HOLDFAST_FIELD_MESSAGE 77

/** More about it. */
#define HOLDFAST_FIELD_DETAIL 68

/** What to do about it. */
#define HOLDFAST_FIELD_HINT 72

/** Where in the statement, as a decimal number of characters from 1. */
#define HOLDFAST_FIELD_POSITION 80

/** Where in a statement that the server made itself. */
#define HOLDFAST_FIELD_INTERNAL_POSITION 112

/** That statement. */
#define HOLDFAST_FIELD_INTERNAL_QUERY 113

/** What the server was doing: its call stack of functions. */
#define HOLDFAST_FIELD_CONTEXT 87

/** The schema of the object concerned. */
#define HOLDFAST_FIELD_SCHEMA 115

/** The table concerned. */
#define HOLDFAST_FIELD_TABLE 116

/** The column concerned. */
#define HOLDFAST_FIELD_COLUMN 99

/** The data type concerned. */
#define HOLDFAST_FIELD_DATA_TYPE 100

/** The constraint concerned. */
#define HOLDFAST_FIELD_CONSTRAINT 110

/** The file of the server's source in which it was reported. */
#define HOLDFAST_FIELD_FILE 70

/** The line there. */
#define HOLDFAST_FIELD_LINE 76

/** The function there. */
#define HOLDFAST_FIELD_ROUTINE 82

/** One failed try at opening a connection. Set struct_size before the call that fills it. The texts belong to the error. */
typedef struct {
    /** sizeof(holdfast_attempt). */
    uint32_t struct_size;
    /** What kind of failure ended it. */
    holdfast_status status;
    /** The step in which it ended, as holdfast_error_phase. */
    holdfast_str phase;
    /** What the server answered; empty if it did not. */
    holdfast_str sqlstate;
    /** The cause in words. */
    holdfast_str cause;
    /** The server it was made at, as host:port or a socket path. */
    holdfast_str target;
    /** How long it took, in microseconds. */
    uint64_t took_us;
    /** How long was waited before the next one; 0 after the last. */
    uint64_t backoff_us;
    /** How long ago it ended, seen from now. */
    uint64_t age_us;
} holdfast_attempt;

/** How a pool stood when a call failed. Set struct_size before the call that fills it. */
typedef struct {
    /** sizeof(holdfast_snapshot). */
    uint32_t struct_size;
    /** The configured hard cap. */
    uint32_t max_size;
    /** The cap in force: at most max_size. */
    uint32_t limit;
    /** Server connections that count against the cap: idle, in use, opening and closing. */
    uint32_t total;
    /** Connections parked and ready. */
    uint32_t idle;
    /** Connections lent out, or being cleaned after a loan. */
    uint32_t in_use;
    /** Connections being opened. */
    uint32_t opening;
    /** Threads waiting for a connection. */
    uint32_t waiting;
} holdfast_snapshot;

/** The status that the failed call returned. */
HOLDFAST_API holdfast_status holdfast_error_status(const holdfast_error *error);

/** The kind of failure in snake case, such as "server_full": the name of its status. Static. */
HOLDFAST_API holdfast_str holdfast_error_kind(const holdfast_error *error);

/**
 * Everything in one line: what failed and where, what the server said, what was tried, how the pool stood, what to do.
 * Never holds a secret.
 */
HOLDFAST_API
holdfast_str holdfast_error_message(const holdfast_error *error);

/**
 * The step in which it happened: "config", "queue", "resolve", "connect", "tls", "auth", "role", "validate", "query",
 * "commit" or "close"; empty where there is none.
 */
HOLDFAST_API
holdfast_str holdfast_error_phase(const holdfast_error *error);

/** The SQLSTATE that the server answered with; empty if it did not answer. */
HOLDFAST_API holdfast_str holdfast_error_sqlstate(const holdfast_error *error);

/** One field of what the server answered, a HOLDFAST_FIELD_ constant; empty if it did not send it. */
HOLDFAST_API holdfast_str holdfast_error_field(const holdfast_error *error, int32_t field);

/**
 * Whether trying the same again is safe and may succeed: the failed operation provably had no effect, and the cause is
 * one that passes. false says only that the library cannot promise it.
 */
HOLDFAST_API
bool holdfast_error_is_retryable(const holdfast_error *error);

/** How long the failed call took in microseconds, queueing and backoff included; 0 if it was not measured. */
HOLDFAST_API uint64_t holdfast_error_elapsed_us(const holdfast_error *error);

/** The server concerned, as host:port or a socket path; empty if there is none. */
HOLDFAST_API holdfast_str holdfast_error_target(const holdfast_error *error);

/** How many tries at opening a connection failed; 0 if none was made. */
HOLDFAST_API size_t holdfast_error_attempt_count(const holdfast_error *error);

/**
 * Fills *attempt with the failed try of this index, the first being 0. false, and nothing is written, if there is none or
 * struct_size is not set.
 */
HOLDFAST_API
bool holdfast_error_attempt(const holdfast_error *error,
                            size_t index,
                            holdfast_attempt *attempt);

/**
 * Fills *snapshot with how the pool stood when the call failed. false, and nothing is written, if no pool was concerned or
 * struct_size is not set.
 */
HOLDFAST_API
bool holdfast_error_snapshot(const holdfast_error *error,
                             holdfast_snapshot *snapshot);

/** Frees an error. NULL is allowed. */
HOLDFAST_API void holdfast_error_free(holdfast_error *error);

/* ==== Versions ============================================================================================
 *
 * The macros say what a program was compiled against, the functions what it runs with. While the version is 0.y.z, a
 * program runs with libraries of the same 0.y and at least its z; from 1.0.0 on, with any later one of the same major.
 */

/** The version of the library that runs, as text: compare HOLDFAST_VERSION. Static. Any thread; does not block. */
HOLDFAST_API
holdfast_str holdfast_version(void);

/**
 * The version of the library that runs, as major * 1000000 + minor * 1000 + patch: compare HOLDFAST_VERSION_NUMBER. Any
 * thread; does not block.
 */
HOLDFAST_API
uint32_t holdfast_version_number(void);

/**
 * Whether the library that runs serves a program compiled against the given version: give it HOLDFAST_VERSION_NUMBER,
 * once, before anything else. HOLDFAST_STATUS_MISUSE if not, with an error that names both. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_check_version(uint32_t compiled_against,
                                       holdfast_error **error);

/* ==== The options there are ===============================================================================
 *
 * The same table serves connection strings, environment variables and holdfast_config_set.
 */

/** One option. Set struct_size before the call that fills it. The texts are static. */
typedef struct {
    /** sizeof(holdfast_option). */
    uint32_t struct_size;
    /** 1 if its value is never shown, else 0. */
    uint32_t is_secret;
    /** Its name, as holdfast_config_set takes it. */
    holdfast_str key;
    /**
     * "pool" (how the pool behaves), "server" (libpq's options, with libpq's meaning) or "compatibility" (libpq's
     * options that have no effect here).
     */
    holdfast_str group;
    /** "text", "secret", "path", "boolean", "integer", "number", "duration", "choice", "ports" or "compatibility". */
    holdfast_str kind;
    /** The default, in words where it depends on the machine; empty if there is none. */
    holdfast_str default_value;
    /** What may be given, bounds included. */
    holdfast_str allowed;
    /** The environment variables it is read from, the first that is set counting: separated by spaces. */
    holdfast_str environment;
    /** What it does, in one line. */
    holdfast_str doc;
} holdfast_option;

/** How many options there are. Any thread; does not block. */
HOLDFAST_API size_t holdfast_option_count(void);

/**
 * Fills *option with the option of this index, from 0 to holdfast_option_count() - 1, in the order of the reference
 * table. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_option_get(size_t index,
                                    holdfast_option *option,
                                    holdfast_error **error);

/* ==== Configurations ======================================================================================
 *
 * Everything a pool needs to know. The first of these that says something about an option counts: what the program set
 * (the latest of it), the service file, HOLDFAST_ variables, libpq's PG variables, the default.
 */

/**
 * An empty configuration: environment and defaults decide. The defaults are those for production if HOLDFAST_ENV, else
 * NODE_ENV, is "production". Free it with holdfast_config_free. Never NULL. Any thread; does not block.
 */
HOLDFAST_API
holdfast_config *holdfast_config_new(void);

/** Like holdfast_config_new, with the defaults for production (max_size 8) whatever the environment says. */
HOLDFAST_API holdfast_config *holdfast_config_production(void);

/** Like holdfast_config_new, with the defaults for development (max_size 5) whatever the environment says. */
HOLDFAST_API holdfast_config *holdfast_config_development(void);

/**
 * Makes a configuration from a connection string: a postgresql:// URL or key=value pairs, as libpq takes them, in which
 * Holdfast's own options may stand too. Puts it into *config; free it with holdfast_config_free. HOLDFAST_STATUS_CONFIG
 * if the string cannot be used. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_from_url(const char *url,
                                         size_t url_len,
                                         holdfast_config **config,
                                         holdfast_error **error);

/**
 * Makes a configuration from the environment alone: DATABASE_URL, HOLDFAST_ and PG variables. Puts it into *config; free
 * it with holdfast_config_free. HOLDFAST_STATUS_CONFIG if DATABASE_URL cannot be used. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_from_env(holdfast_config **config,
                                         holdfast_error **error);

/**
 * A configuration that says the same and can be changed on its own. Free it with holdfast_config_free. NULL for NULL, or
 * if another thread is using it. Does not block.
 */
HOLDFAST_API
holdfast_config *holdfast_config_clone(const holdfast_config *config);

/**
 * Sets everything that a connection string says; what it does not mention stays. Nothing is set when it fails.
 * HOLDFAST_STATUS_CONFIG as for holdfast_config_from_url. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_set_url(holdfast_config *config,
                                        const char *url,
                                        size_t url_len,
                                        holdfast_error **error);

/**
 * Sets one option from text: durations are written "15s", "500ms", "30min". HOLDFAST_STATUS_CONFIG if the option is
 * unknown (the error names the nearest one) or the value not allowed (the error says what is). Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_set(holdfast_config *config,
                                    const char *key,
                                    size_t key_len,
                                    const char *value,
                                    size_t value_len,
                                    holdfast_error **error);

/**
 * Puts the effective value of an option into *value, wherever it comes from, or NULL if it has none. A secret is shown as
 * "***". Free the text with holdfast_text_free. HOLDFAST_STATUS_CONFIG if the option is unknown, or the configuration has
 * a value that is not allowed. May read password and service files.
 */
HOLDFAST_API
holdfast_status holdfast_config_get(const holdfast_config *config,
                                    const char *key,
                                    size_t key_len,
                                    holdfast_text **value,
                                    holdfast_error **error);

/**
 * Checks the whole: every value, and what must go together. HOLDFAST_STATUS_CONFIG names the first fault found. Does what
 * holdfast_pool_open does before it makes a pool. May read password and service files.
 */
HOLDFAST_API
holdfast_status holdfast_config_validate(const holdfast_config *config,
                                         holdfast_error **error);

/** Frees a configuration. NULL is allowed. Pools made from it are not touched. */
HOLDFAST_API void holdfast_config_free(holdfast_config *config);

/* ==== Pools ===============================================================================================
 *
 * A pool lends connections to one PostgreSQL target. Opening one opens no connection. All of these may be called from any
 * thread at any time. A pool inherited by a forked child gives HOLDFAST_STATUS_MISUSE there.
 */

/** As timeout_ms where a comment allows it: the time that the configuration says. */
#define HOLDFAST_CONFIGURED UINT64_MAX

/** As holdfast_acquire_options.retries: one attempt only. */
#define HOLDFAST_NO_RETRY -1

/** How one call wants its connection. All zero but struct_size means: as configured. */
typedef struct {
    /** sizeof(holdfast_acquire_options). */
    uint32_t struct_size;
    /** How often a failed attempt is repeated; 0 as configured (retry_max), HOLDFAST_NO_RETRY never. */
    int32_t retries;
    /**
     * Limit of the whole call in milliseconds, queueing, opening, retries and the waits between them included; 0 for
     * none but that of each attempt (connection_timeout).
     */
    uint64_t timeout_ms;
} holdfast_acquire_options;

/** What closing a pool took. Set struct_size before the call that fills it. */
typedef struct {
    /** sizeof(holdfast_close_report). */
    uint32_t struct_size;
    /** Idle connections closed at once. */
    uint32_t idle_closed;
    /** Lent connections that came back by themselves in time. */
    uint32_t returned;
    /** Lent connections whose running statement the server was asked to cancel. */
    uint32_t cancelled;
    /** Lent connections that were still out at the deadline and were cut. */
    uint32_t cut;
    /** Always 0. */
    uint32_t reserved;
    /** How long closing took, in microseconds. */
    uint64_t elapsed_us;
} holdfast_close_report;

/**
 * Opens a pool and puts it into *pool. Opens no connection yet, except that min_idle above 0 is filled in the background.
 * The configuration is copied. HOLDFAST_STATUS_CONFIG or _TLS if it cannot work as it stands. Does not wait for the
 * network; may read certificate, password and service files.
 */
HOLDFAST_API
holdfast_status holdfast_pool_open(const holdfast_config *config,
                                   holdfast_pool **pool,
                                   holdfast_error **error);

/** Opens a pool from a connection string: holdfast_config_from_url and holdfast_pool_open in one. */
HOLDFAST_API
holdfast_status holdfast_pool_open_url(const char *url,
                                       size_t url_len,
                                       holdfast_pool **pool,
                                       holdfast_error **error);

/** A further handle of the same pool, for a further owner: each is freed with holdfast_pool_free. NULL for NULL. */
HOLDFAST_API
holdfast_pool *holdfast_pool_clone(const holdfast_pool *pool);

/**
 * Borrows a connection and puts it into *connection; give it back with holdfast_connection_release. options may be NULL.
 * Blocks until one is idle or a new one is open: connection_timeout per attempt, with retries of what failed to open, or
 * as options say. HOLDFAST_STATUS_POOL_TIMEOUT if all stayed busy, HOLDFAST_STATUS_POOL_CLOSED, else what kept the last
 * attempt from opening a connection.
 */
HOLDFAST_API
holdfast_status holdfast_pool_acquire(const holdfast_pool *pool,
                                      const holdfast_acquire_options *options,
                                      holdfast_connection **connection,
                                      holdfast_error **error);

/**
 * Borrows an idle connection if one is free now, else puts NULL into *connection; HOLDFAST_STATUS_OK either way. Opens
 * none and waits for nobody; a connection that must prove itself first takes at most validation_timeout.
 * HOLDFAST_STATUS_POOL_CLOSED if the pool is closed.
 */
HOLDFAST_API
holdfast_status holdfast_pool_try_acquire(const holdfast_pool *pool,
                                          holdfast_connection **connection,
                                          holdfast_error **error);

/**
 * Closes the pool: new acquires fail at once, waiting ones are woken with HOLDFAST_STATUS_POOL_CLOSED, idle connections
 * are closed, lent ones awaited; shortly before the limit the server is asked to cancel what still runs, and at the limit
 * what is still out is cut, so that calls blocked on it return. timeout_ms is the limit, HOLDFAST_CONFIGURED the option
 * close_timeout; blocks for no longer than that and a moment. Fills *report if it is not NULL. Closing twice is harmless.
 * The handle stays valid until it is freed.
 */
HOLDFAST_API
holdfast_status holdfast_pool_close(const holdfast_pool *pool,
                                    uint64_t timeout_ms,
                                    holdfast_close_report *report,
                                    holdfast_error **error);

/** Whether the pool was closed; true for NULL. Does not block. */
HOLDFAST_API bool holdfast_pool_is_closed(const holdfast_pool *pool);

/** The server or servers that the pool leads to, as host:port; no secrets. Belongs to the pool. Does not block. */
HOLDFAST_API
holdfast_str holdfast_pool_target(const holdfast_pool *pool);

/**
 * Frees a handle of a pool. NULL is allowed. When the last is freed, idle connections are closed at once and lent ones as
 * they come back; connections, results and errors of the pool stay valid. Does not block. To wait for lent connections,
 * call holdfast_pool_close before.
 */
HOLDFAST_API
void holdfast_pool_free(holdfast_pool *pool);

/* ==== Figures of a pool ===================================================================================
 */

/** How many entries holdfast_stats.errors has: room for kinds of failure to come. */
#define HOLDFAST_ERROR_KINDS 64

/** How a pool stands and what it has done, all of one moment. Set struct_size before the call that fills it. */
typedef struct {
    /** sizeof(holdfast_stats). */
    uint32_t struct_size;
    /** The configured hard cap. */
    uint32_t max_size;
    /** The cap in force at present: at most max_size. */
    uint32_t limit;
    /** Server connections that count against the cap: idle, in use, opening, and closing ones the server may still see. */
    uint32_t total;
    /** Parked and ready. */
    uint32_t idle;
    /** Lent out, or being cleaned after a loan. */
    uint32_t in_use;
    /** Being opened. */
    uint32_t opening;
    /** Threads that wait for a connection. */
    uint32_t waiting;
    /** Loans made. This and all that follows is counted since the pool was opened. */
    uint64_t gets;
    /** Times a thread had to queue. */
    uint64_t waits;
    /** Calls that ended with HOLDFAST_STATUS_POOL_TIMEOUT. */
    uint64_t timeouts;
    /** Connections opened. */
    uint64_t opens;
    /** Attempts to open a connection that were repeated after a failure. */
    uint64_t retries;
    /** Statements finished on connections that have come back, failed ones included. */
    uint64_t statements;
    /** Connections that came back with an open or failed transaction, which was rolled back. */
    uint64_t rolled_back;
    /** Connections closed after idle_timeout. */
    uint64_t closed_idle_timeout;
    /** Connections closed as older than their share of max_lifetime. */
    uint64_t closed_max_lifetime;
    /** Connections found dead before they were lent. */
    uint64_t closed_validation_failed;
    /** Connections that broke while they were lent. */
    uint64_t closed_broken;
    /** Connections given up because a statement ran past its deadline. */
    uint64_t closed_deadline_passed;
    /** Connections that came back in a state that could not be cleaned in time. */
    uint64_t closed_unclean;
    /** Connections discarded by their borrower. */
    uint64_t closed_discarded;
    /** Connections closed with the pool. */
    uint64_t closed_pool_closed;
    /** Failed attempts to open and failed calls of the pool: errors[status] of each kind, 1 to 63. */
    uint64_t errors[HOLDFAST_ERROR_KINDS];
} holdfast_stats;

/** Fills *stats. Any thread; costs one short lock. HOLDFAST_STATUS_ARGUMENT if struct_size is not set. */
HOLDFAST_API
holdfast_status holdfast_pool_stats(const holdfast_pool *pool,
                                    holdfast_stats *stats,
                                    holdfast_error **error);

/* ==== Connections on loan =================================================================================
 *
 * A connection is used by one thread at a time, any thread; a second one gets HOLDFAST_STATUS_BUSY. What takes a
 * const holdfast_connection may be called at any time. What a borrower leaves behind is cleaned up before the next one
 * gets the connection: an open transaction is rolled back, an unfinished result or COPY drained. Session settings stay.
 */

/**
 * Limits every statement from now until the connection goes back, to limit_ms milliseconds each; 0 lifts the limit. A
 * statement that runs past it fails with HOLDFAST_STATUS_QUERY_TIMEOUT whatever server and network do; the connection is
 * then lost, and the server asked to cancel. The default is the option statement_deadline. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_connection_set_deadline(holdfast_connection *connection,
                                                 uint64_t limit_ms,
                                                 holdfast_error **error);

/** The server's process id for this session, as in pg_stat_activity; 0 if it gave none. Any thread; does not block. */
HOLDFAST_API
uint32_t holdfast_connection_backend_pid(const holdfast_connection *connection);

/** The server it leads to, as host:port or a socket path. Belongs to the connection. Any thread; does not block. */
HOLDFAST_API
holdfast_str holdfast_connection_target(const holdfast_connection *connection);

/**
 * Gives a connection back to its pool. NULL is allowed. Never blocks on the network. The handle is gone; if another thread
 * is still in a call on it, the connection goes back when that call ends.
 */
HOLDFAST_API
void holdfast_connection_release(holdfast_connection *connection);

/**
 * Closes a connection instead of giving it back; the pool opens another when one is needed. Else as
 * holdfast_connection_release.
 */
HOLDFAST_API void holdfast_connection_discard(holdfast_connection *connection);

/* ==== Results =============================================================================================
 *
 * A result is one block of memory that never changes and outlives connection and pool: all of these may be called from any
 * thread, and none blocks. Rows and columns are counted from 0.
 */

/** One column of a result. Set struct_size before the call that fills it. The name belongs to the result. */
typedef struct {
    /** sizeof(holdfast_column). */
    uint32_t struct_size;
    /** Its type, as in pg_type. */
    uint32_t type_oid;
    /** The length of values of this type; negative if it varies. */
    int32_t type_size;
    /** What varchar(n) and the like add to the type, as in pg_attribute.atttypmod; -1 for nothing. */
    int32_t type_modifier;
    /** The table it comes from; 0 if it is no table's. */
    uint32_t table_oid;
    /** Its number in that table, from 1; 0 if it is no table's. */
    int32_t column_number;
    /** HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY: how its values came. */
    int32_t format;
    /** Always 0. */
    uint32_t reserved;
    /** Its name. */
    holdfast_str name;
} holdfast_column;

/** A value as it came. ptr is NULL for the NULL of SQL. A NUL follows, which len does not count. Belongs to the result. */
typedef struct {
    /** The first byte, or NULL. */
    const uint8_t *ptr;
    /** The number of bytes. */
    size_t len;
} holdfast_cell;

/** The number of rows; 0 for NULL. */
HOLDFAST_API size_t holdfast_result_rows(const holdfast_result *result);

/** The number of columns; 0 for NULL and for statements that return no rows. */
HOLDFAST_API size_t holdfast_result_columns(const holdfast_result *result);

/**
 * Fills *column with the description of the column of this index. false, and nothing is written, if there is none or
 * struct_size is not set.
 */
HOLDFAST_API
bool holdfast_result_column(const holdfast_result *result,
                            size_t index,
                            holdfast_column *column);

/** What the server did, in its own words: "SELECT 3", "INSERT 0 1". */
HOLDFAST_API holdfast_str holdfast_result_command_tag(const holdfast_result *result);

/** The number at the end of the command tag: rows changed or returned; 0 for commands that count none. */
HOLDFAST_API uint64_t holdfast_result_rows_affected(const holdfast_result *result);

/** A value as it came, without copying; {NULL, 0} for the NULL of SQL and where there is no such row or column. */
HOLDFAST_API
holdfast_cell holdfast_result_cell(const holdfast_result *result,
                                   size_t row,
                                   size_t column);

/** Whether a value is the NULL of SQL; true where there is no such row or column. */
HOLDFAST_API bool holdfast_result_is_null(const holdfast_result *result, size_t row, size_t column);

/**
 * Puts a value as text into *value; it belongs to the result. Works on columns that came as text and on binary ones of
 * types that are text; else HOLDFAST_STATUS_TYPE. HOLDFAST_STATUS_IS_NULL for NULL, HOLDFAST_STATUS_ARGUMENT beyond the
 * edges; *value is then not touched.
 */
HOLDFAST_API
holdfast_status holdfast_result_text(const holdfast_result *result,
                                     size_t row,
                                     size_t column,
                                     holdfast_str *value,
                                     holdfast_error **error);

/**
 * Puts a value as an integer into *value: of an integer column in either format, or of any text that is one. Fails as
 * holdfast_result_text, also if the number does not fit.
 */
HOLDFAST_API
holdfast_status holdfast_result_i64(const holdfast_result *result,
                                    size_t row,
                                    size_t column,
                                    int64_t *value,
                                    holdfast_error **error);

/**
 * Puts a value as a number into *value: of an integer or float column in either format, or of any text that is one,
 * numeric included (rounded to the nearest). Fails as holdfast_result_text.
 */
HOLDFAST_API
holdfast_status holdfast_result_f64(const holdfast_result *result,
                                    size_t row,
                                    size_t column,
                                    double *value,
                                    holdfast_error **error);

/** Puts a value as a truth value into *value: of a boolean column in either format. Fails as holdfast_result_text. */
HOLDFAST_API
holdfast_status holdfast_result_bool(const holdfast_result *result,
                                     size_t row,
                                     size_t column,
                                     bool *value,
                                     holdfast_error **error);

/** A further handle of the same result, for a further owner: each is freed with holdfast_result_free. NULL for NULL. */
HOLDFAST_API
holdfast_result *holdfast_result_clone(const holdfast_result *result);

/** Frees a result. NULL is allowed. */
HOLDFAST_API void holdfast_result_free(holdfast_result *result);

/** How many results there are: one for each statement of the script. */
HOLDFAST_API size_t holdfast_results_count(const holdfast_results *results);

/**
 * The result of this index; NULL if there is none. It belongs to *results and must not be freed; to keep it for longer, use
 * holdfast_result_clone.
 */
HOLDFAST_API
const holdfast_result *holdfast_results_get(const holdfast_results *results,
                                            size_t index);

/** Frees the results of a script. NULL is allowed. */
HOLDFAST_API void holdfast_results_free(holdfast_results *results);

/* ==== Running statements ==================================================================================
 */

/** Values as the server prints and reads them. */
#define HOLDFAST_FORMAT_TEXT 0

/** Values in the server's binary form. */
#define HOLDFAST_FORMAT_BINARY 1

/**
 * Of results only: binary for booleans, integers, floats, bytea, uuid, dates and timestamps, text for all else. Text for
 * all where statement_cache is 0.
 */
#define HOLDFAST_FORMAT_AUTOMATIC 2

/** One parameter of a statement. This struct does not grow. */
typedef struct {
    /** The value; NULL is the NULL of SQL. */
    const void *value;
    /** Its length in bytes; HOLDFAST_NUL for a text that ends at its NUL. */
    size_t len;
    /** Its type, as in pg_type; 0 lets the server infer it. */
    uint32_t type_oid;
    /** HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY. */
    int32_t format;
} holdfast_param;

/**
 * Runs one statement and puts its result into *result; free it with holdfast_result_free. $1 and so on in the text stand
 * for params, which and whose values are only read during the call; NULL if nparams is 0. result_format is a
 * HOLDFAST_FORMAT_ constant. The statement is prepared at first use and kept with the connection, unless statement_cache
 * is 0. Blocks until the server answered, at most for the deadline of the connection. HOLDFAST_STATUS_DATABASE if the
 * server refuses, HOLDFAST_STATUS_QUERY_TIMEOUT, _CANCELED, _CONNECTION_LOST; HOLDFAST_STATUS_MISUSE if the number of
 * parameters is wrong.
 */
HOLDFAST_API
holdfast_status holdfast_connection_query(holdfast_connection *connection,
                                          const char *sql,
                                          size_t sql_len,
                                          const holdfast_param *params,
                                          size_t nparams,
                                          int32_t result_format,
                                          holdfast_result **result,
                                          holdfast_error **error);

/**
 * Borrows a connection, runs one statement and gives the connection back: holdfast_pool_acquire, which options are for (or
 * NULL), and holdfast_connection_query in one. Any thread. The statement is sent once; what is retried is opening
 * connections.
 */
HOLDFAST_API
holdfast_status holdfast_pool_query(const holdfast_pool *pool,
                                    const holdfast_acquire_options *options,
                                    const char *sql,
                                    size_t sql_len,
                                    const holdfast_param *params,
                                    size_t nparams,
                                    int32_t result_format,
                                    holdfast_result **result,
                                    holdfast_error **error);

/**
 * Runs a text of one or more statements without parameters, and puts a result for each into *results, values as text; free
 * it with holdfast_results_free. The statements form one transaction unless the text says otherwise, and an error ends the
 * whole text. results may be NULL if they are of no interest. Blocks and fails as holdfast_connection_query.
 */
HOLDFAST_API
holdfast_status holdfast_connection_script(holdfast_connection *connection,
                                           const char *sql,
                                           size_t sql_len,
                                           holdfast_results **results,
                                           holdfast_error **error);

/* ==== Notices and notifications ===========================================================================
 */

/**
 * Puts the next notification into *notification, or NULL if none comes within timeout_ms; HOLDFAST_STATUS_OK either way.
 * The session must have run LISTEN before. 0 takes only what is there already. Blocks for at most timeout_ms.
 * HOLDFAST_STATUS_CONNECTION_LOST if the connection breaks meanwhile.
 */
HOLDFAST_API
holdfast_status holdfast_connection_notification(holdfast_connection *connection,
                                                 uint64_t timeout_ms,
                                                 holdfast_notification **notification,
                                                 holdfast_error **error);

/** The channel it was sent to. */
HOLDFAST_API holdfast_str holdfast_notification_channel(const holdfast_notification *notification);

/** What was sent with it; empty if nothing was. */
HOLDFAST_API holdfast_str holdfast_notification_payload(const holdfast_notification *notification);

/** The process id of the session that sent it; 0 for NULL. */
HOLDFAST_API uint32_t holdfast_notification_backend_pid(const holdfast_notification *notification);

/** Frees a notification. NULL is allowed. */
HOLDFAST_API void holdfast_notification_free(holdfast_notification *notification);

/**
 * Puts what the server remarked since the last call into *notices, oldest first, or NULL if there is nothing. Does not
 * block.
 */
HOLDFAST_API
holdfast_status holdfast_connection_notices(holdfast_connection *connection,
                                            holdfast_notices **notices,
                                            holdfast_error **error);

/** How many notices there are; 0 for NULL. */
HOLDFAST_API size_t holdfast_notices_count(const holdfast_notices *notices);

/** One field of the notice of this index, a HOLDFAST_FIELD_ constant; empty if it was not sent. Belongs to the notices. */
HOLDFAST_API
holdfast_str holdfast_notices_field(const holdfast_notices *notices,
                                    size_t index,
                                    int32_t field);

/** Frees notices. NULL is allowed. */
HOLDFAST_API void holdfast_notices_free(holdfast_notices *notices);

/* ==== Cancelling from another thread ======================================================================
 */

/** Puts a cancel handle of the connection into *cancel. Any thread, also while the connection is in use; does not block. */
HOLDFAST_API
holdfast_status holdfast_cancel_new(const holdfast_connection *connection,
                                    holdfast_cancel **cancel,
                                    holdfast_error **error);

/**
 * A further handle, for a further owner: each is freed with holdfast_cancel_free. NULL for NULL. Any thread; does not
 * block.
 */
HOLDFAST_API
holdfast_cancel *holdfast_cancel_clone(const holdfast_cancel *cancel);

/**
 * Asks the server to cancel the statement that the connection runs now, which then fails with HOLDFAST_STATUS_CANCELED.
 * Any thread. Returns when the server has taken the request, which does not tell whether there was anything to cancel.
 * Blocks for at most timeout_ms, HOLDFAST_CONFIGURED being 5 s; HOLDFAST_STATUS_CONNECT_TIMEOUT when that passes, or what
 * else kept the request from being delivered.
 */
HOLDFAST_API
holdfast_status holdfast_cancel_fire(const holdfast_cancel *cancel,
                                     uint64_t timeout_ms,
                                     holdfast_error **error);

/** Frees a cancel handle. NULL is allowed. */
HOLDFAST_API void holdfast_cancel_free(holdfast_cancel *cancel);

#ifdef __cplusplus
}
#endif

#endif /* HOLDFAST_H */
