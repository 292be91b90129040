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
 * - The library starts threads of its own when a pool is opened and when requests are submitted, and installs no signal
 *   handler. No function but holdfast_cancel_raise may be called in a signal handler. System calls that a signal
 *   interrupts are repeated. A thread that calls the library needs a stack of at least 64 KiB.
 * - A handle given as const T * may be used by any number of threads at once. One given as T * is for one thread at a time;
 *   a second one gets HOLDFAST_STATUS_BUSY. Freeing is the end of a handle for all threads: using it afterwards is as
 *   wrong as with free(), although it is often noticed (HOLDFAST_STATUS_MISUSE).
 * - Calls do not block unless their comment says for how long.
 * - NULL for a handle is HOLDFAST_STATUS_NULL; functions that return no status then return nothing much: 0, false, NULL or
 *   an empty text, as after any other failure.
 * - Structs that begin with struct_size may grow at their end. Set struct_size to sizeof the struct and all else to zero:
 *       C:    holdfast_stats stats = {.struct_size = sizeof stats};
 *       C++:  holdfast_stats stats{}; stats.struct_size = sizeof stats;
 * - There is nothing to initialize, no state outside of handles, and no logger but the callbacks of configurations.
 * - Callbacks get their user_data first, and a function that releases it is called once. They must not be left by longjmp
 *   or by an exception; they may end their thread (pthread_exit), also one of the library's: nothing is lost by that. Inside
 *   those that the library calls on its own account (log records), calls that would block return HOLDFAST_STATUS_REENTRANT.
 * - Threads of the library (named holdfast-...) block all signals but those of a thread's own faults, such as SIGSEGV, so
 *   that signals reach the program's threads only. No call is failed by a signal, and no socket raises SIGPIPE.
 * - pthread_cancel takes effect when the call has returned, or while a callback runs.
 * - After fork the child must not use what its parent opened (HOLDFAST_STATUS_MISUSE); it may free it, and open pools of its
 *   own, whatever its parent has or had.
 * - dlclose does not unload the shared library: its threads may still run. Close or free pools before.
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
/** As an index: there is none. */
#define HOLDFAST_NOWHERE SIZE_MAX

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

/** The error of a call that failed. Free it with holdfast_error_free. */
typedef struct holdfast_error holdfast_error;

/**
 * A configuration. Any number of threads may read it at once; while one changes it, others get HOLDFAST_STATUS_BUSY.
 * Free it with holdfast_config_free.
 */
typedef struct holdfast_config holdfast_config;

/** The place for the answer of a password callback. Valid until the callback returns; it is not freed. */
typedef struct holdfast_password holdfast_password;

/** A pool. Free it with holdfast_pool_free. */
typedef struct holdfast_pool holdfast_pool;

/** A pool that is served over HTTP. Free it with holdfast_server_free. */
typedef struct holdfast_server holdfast_server;

/** A connection checked out of a pool. Give it back with holdfast_connection_release. */
typedef struct holdfast_connection holdfast_connection;

/** The rows of one statement. Free it with holdfast_result_free. */
typedef struct holdfast_result holdfast_result;

/** The results of the statements of a script. Free it with holdfast_results_free. */
typedef struct holdfast_results holdfast_results;

/** A result in one buffer. Free it with holdfast_pack_free. */
typedef struct holdfast_pack holdfast_pack;

/** Parameters of a statement, which can be used any number of times. Free them with holdfast_params_free. */
typedef struct holdfast_params holdfast_params;

/** A prepared statement. Free it with holdfast_statement_free. */
typedef struct holdfast_statement holdfast_statement;

/** A result that is read in portions. Free it with holdfast_stream_free. */
typedef struct holdfast_stream holdfast_stream;

/**
 * Data of a COPY TO STDOUT that was read by holdfast_submit_copy_out_read. It never changes. Free it with
 * holdfast_chunk_free.
 */
typedef struct holdfast_chunk holdfast_chunk;

/** A COPY FROM STDIN. Free it with holdfast_copy_in_free. */
typedef struct holdfast_copy_in holdfast_copy_in;

/** A COPY TO STDOUT. Free it with holdfast_copy_out_free. */
typedef struct holdfast_copy_out holdfast_copy_out;

/** The outcomes of the statements of a pipeline. They never change. Free them with holdfast_outcomes_free. */
typedef struct holdfast_outcomes holdfast_outcomes;

/** The notices of the server: WARNING, NOTICE and the like. They never change. Free them with holdfast_notices_free. */
typedef struct holdfast_notices holdfast_notices;

/** A notification that NOTIFY sent. It never changes. Free it with holdfast_notification_free. */
typedef struct holdfast_notification holdfast_notification;

/**
 * A token with which any thread can cancel the running statement of one connection. It belongs to one checkout: once
 * the connection has gone back, it does nothing, and a request that is on its way then is awaited before the next
 * checkout of the connection. Free it with holdfast_cancel_free.
 */
typedef struct holdfast_cancel holdfast_cancel;

/** A queue of completions. Free it with holdfast_queue_free. */
typedef struct holdfast_queue holdfast_queue;

/* ==== Texts ===============================================================================================
 *
 * Texts go in as pointer and length in bytes; the length HOLDFAST_NUL says that the text ends at its NUL. They must be
 * UTF-8 without a NUL inside, else the call fails with HOLDFAST_STATUS_UTF8. NULL with length 0 is the empty text.
 * Texts come out as holdfast_str.
 */

/**
 * A text owned by the object it was asked of, unless a comment says otherwise, and valid until that object is freed.
 * UTF-8, followed by a NUL that len does not count. ptr is never NULL; what is absent is the empty text. A runtime that cannot
 * take a struct back (Ruby's Fiddle, Bun's FFI, jnr) may declare a function that returns this as returning const char *: on x86-64
 * and 64-bit ARM under Linux, FreeBSD and macOS ptr comes back where a pointer does.
 */
typedef struct holdfast_str {
    /** The first byte. */
    const char *ptr;
    /** The number of bytes before the NUL. */
    size_t len;
} holdfast_str;

/** The content of a text object, valid until that is freed; empty for NULL. Any thread; does not block. */
HOLDFAST_API holdfast_str holdfast_text_view(const holdfast_text *text);

/** Frees a text. NULL is allowed. */
HOLDFAST_API void holdfast_text_free(holdfast_text *text);

/* ==== Status codes ========================================================================================
 *
 * The result of nearly every function. 0 is success. Codes 1 to 63 are kinds of failure of the pool and the server,
 * the same as in every other binding; from 64 on they are about the call itself. Codes are never given another
 * meaning; later versions may add some, so treat an unknown one as a failure.
 */

/** Success. */
#define HOLDFAST_STATUS_OK 0

/** The configuration cannot be used as it stands. Never retryable. */
#define HOLDFAST_STATUS_CONFIG 1

/** The host name could not be resolved. */
#define HOLDFAST_STATUS_RESOLVE 2

/** No process listens at the address, or the listener hung up during connection set-up. */
#define HOLDFAST_STATUS_REFUSED 3

/** There is no route to the host or its network. */
#define HOLDFAST_STATUS_UNREACHABLE 4

/** TLS could not be established as sslmode demands. Never retryable. */
#define HOLDFAST_STATUS_TLS 5

/**
 * The server refused the credentials (SQLSTATE class 28), or the program's password callback gave none. Retryable
 * in the second case only.
 */
#define HOLDFAST_STATUS_AUTH 6

/** No connection slot is left: SQLSTATE 53300 in all its texts, or a pooler's own refusal. */
#define HOLDFAST_STATUS_SERVER_FULL 7

/**
 * The server cannot begin a session at present: it is starting up, shutting down or recovering (57P03), or is out
 * of memory, disk or another resource (class 53 but for connections); or a pooler cannot reach it.
 */
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

/** The connection broke while COMMIT was under way: whether it took effect is unknown. */
#define HOLDFAST_STATUS_COMMIT_UNKNOWN 16

/** The server answered with an error; see holdfast_error_sqlstate. */
#define HOLDFAST_STATUS_DATABASE 17

/**
 * The caller used the library in a way it does not allow: with a handle of another kind, in a child of the process
 * that opened the pool, ...
 */
#define HOLDFAST_STATUS_MISUSE 18

/**
 * The pool did not let the caller into its queue: as many callers wait as max_waiting allows, or the queue moves
 * so slowly that the caller's deadline would pass long before its turn. Nothing was done. Retryable, but not at
 * once: the pool is overloaded.
 */
#define HOLDFAST_STATUS_OVERLOADED 19

/**
 * This process, or its machine, lacks what the call needs: descriptors, memory, threads, local ports. The server
 * was not asked, and is not taken to be out of reach. Retryable where a connection was to be opened.
 */
#define HOLDFAST_STATUS_LOCAL_LIMIT 20

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

/**
 * The transaction was rolled back although its COMMIT was asked for, since a statement in it had failed. A body of
 * holdfast_pool_transaction that wants its transaction rolled back returns this too. Of a statement in a pipeline: it was
 * undone or not run, because another one failed.
 */
#define HOLDFAST_STATUS_ROLLED_BACK 71

/** A queue has taken on as many requests as it may, or no thread could be started for them: drain it, and submit again. */
#define HOLDFAST_STATUS_QUEUE_FULL 72

/** The call would block, which is not possible inside a callback that the library made on its own account. */
#define HOLDFAST_STATUS_REENTRANT 73

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
 * Errors, written so that a person can act on them and a program can decide on them. A function that fails puts one
 * into *error if error is not NULL; on success it puts NULL there. Errors never change: all of these may be called
 * from any thread, and none blocks. Given NULL they answer as for success.
 */

/** Severity: "ERROR", "FATAL" or "PANIC"; of notices "WARNING", "NOTICE", ... All fields have libpq's PG_DIAG_ codes. */
#define HOLDFAST_FIELD_SEVERITY 83

/** The five characters of the SQLSTATE. */
#define HOLDFAST_FIELD_SQLSTATE 67

/** The server's message. */
#define HOLDFAST_FIELD_MESSAGE 77

/** More about it. */
#define HOLDFAST_FIELD_DETAIL 68

/** The server's advice. */
#define HOLDFAST_FIELD_HINT 72

/** The place in the statement, as a decimal number of characters from 1. */
#define HOLDFAST_FIELD_POSITION 80

/** The place in a statement that the server generated. */
#define HOLDFAST_FIELD_INTERNAL_POSITION 112

/** That statement. */
#define HOLDFAST_FIELD_INTERNAL_QUERY 113

/** The server's context: its call stack of functions. */
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

/** A value of limited_by: nothing keeps limit below max_size. */
#define HOLDFAST_LIMITED_BY_NOTHING 0

/** The server's max_connections, which all its clients share. */
#define HOLDFAST_LIMITED_BY_SERVER 1

/** The same, where what is left is reserved: for superusers, or for roles with pg_use_reserved_connections. */
#define HOLDFAST_LIMITED_BY_RESERVED 2

/** The role's own CONNECTION LIMIT, which all its sessions share; other roles may have slots free. */
#define HOLDFAST_LIMITED_BY_ROLE 3

/** The database's own CONNECTION LIMIT. */
#define HOLDFAST_LIMITED_BY_DATABASE 4

/** A pooler in between. */
#define HOLDFAST_LIMITED_BY_POOLER 5

/** The pool itself, which holds itself to its share of the slots among other pools (the option fleet_share). */
#define HOLDFAST_LIMITED_BY_FLEET 6

/**
 * A failed attempt at opening a connection. Set struct_size before the call that fills it. The texts belong to the
 * error.
 */
typedef struct holdfast_attempt {
    /** sizeof(holdfast_attempt). */
    uint32_t struct_size;
    /** The kind of the failure that ended it. */
    holdfast_status status;
    /** The step in which it ended, as holdfast_error_phase. */
    holdfast_str phase;
    /** The SQLSTATE the server answered with; empty if it did not. */
    holdfast_str sqlstate;
    /** The cause in words. */
    holdfast_str cause;
    /** The server it was made at, as host:port or a socket path. */
    holdfast_str target;
    /** The time it took, in microseconds. */
    uint64_t took_us;
    /** The wait before the next one, in microseconds; 0 after the last. */
    uint64_t backoff_us;
    /** The time since it ended, in microseconds, as of this call. */
    uint64_t age_us;
} holdfast_attempt;

/** The state of a pool when a call failed. Set struct_size before the call that fills it. */
typedef struct holdfast_snapshot {
    /** sizeof(holdfast_snapshot). */
    uint32_t struct_size;
    /** The configured hard cap. */
    uint32_t max_size;
    /** The cap in force: at most max_size, and less where the server was found to be full. */
    uint32_t limit;
    /** Server connections that count against the cap: idle, in use, opening and closing. */
    uint32_t total;
    /** Connections parked and ready. */
    uint32_t idle;
    /** Connections checked out, or being cleaned after their return. */
    uint32_t in_use;
    /** Connections being opened. */
    uint32_t opening;
    /** Threads and submitted requests that wait for a connection. */
    uint32_t waiting;
    /** The limit that keeps limit below max_size: a HOLDFAST_LIMITED_BY_ constant. */
    int32_t limited_by;
    /** The connections that fleet coordination allows this pool; 0 before its first census. */
    uint32_t fleet_share;
    /** The number of pools of the fleet that hold connections, this one included; 0 as for fleet_share. */
    uint32_t fleet_peers;
} holdfast_snapshot;

/** The status that the failed call returned. */
HOLDFAST_API holdfast_status holdfast_error_status(const holdfast_error *error);

/** The kind of failure in snake case, such as "server_full": the name of its status. Static. */
HOLDFAST_API holdfast_str holdfast_error_kind(const holdfast_error *error);

/**
 * The whole error in one line: the failure and its place, the server's message, the attempts, the pool's state, the
 * remedy. Never holds a secret.
 */
HOLDFAST_API
holdfast_str holdfast_error_message(const holdfast_error *error);

/**
 * The step in which it happened: "config", "queue", "resolve", "connect", "tls", "auth", "role", "setup", "validate",
 * "query", "commit" or "close"; empty where there is none.
 */
HOLDFAST_API
holdfast_str holdfast_error_phase(const holdfast_error *error);

/** The SQLSTATE that the server answered with; empty if it did not answer. */
HOLDFAST_API holdfast_str holdfast_error_sqlstate(const holdfast_error *error);

/** A field of the server's message, named by a HOLDFAST_FIELD_ constant; empty if the server did not send it. */
HOLDFAST_API holdfast_str holdfast_error_field(const holdfast_error *error, int32_t field);

/**
 * Returns whether trying the same again is safe and may succeed: the failed operation provably had no effect, and the
 * cause is one that passes. false means only that the library cannot promise it.
 */
HOLDFAST_API
bool holdfast_error_is_retryable(const holdfast_error *error);

/** The time the failed call took in microseconds, queueing and backoff included; 0 if it was not measured. */
HOLDFAST_API uint64_t holdfast_error_elapsed_us(const holdfast_error *error);

/** The server concerned, as host:port or a socket path; empty if there is none. */
HOLDFAST_API holdfast_str holdfast_error_target(const holdfast_error *error);

/**
 * The remedy, for a person: the server's hint if it sent one, else the library's advice; empty if there is none.
 * holdfast_error_message ends with it too.
 */
HOLDFAST_API
holdfast_str holdfast_error_remedy(const holdfast_error *error);

/**
 * Returns whether a statement was given more or fewer parameters than it has, which is HOLDFAST_STATUS_MISUSE: then
 * *wanted is the number it has, and *given the number given. Else nothing is written. Both may be NULL.
 */
HOLDFAST_API
bool holdfast_error_parameter_count(const holdfast_error *error,
                                    size_t *wanted,
                                    size_t *given);

/**
 * The number of the operating system's error (errno), where one is the cause, such as EMFILE of HOLDFAST_STATUS_LOCAL_LIMIT and
 * ECONNREFUSED of HOLDFAST_STATUS_REFUSED; 0 if there is none.
 */
HOLDFAST_API
int32_t holdfast_error_os_error(const holdfast_error *error);

/** The number of failed attempts at opening a connection; 0 if none was made. */
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

/**
 * A further handle of the same error, for a further owner: each is freed with holdfast_error_free. NULL for NULL. How an event's
 * callback keeps what went wrong.
 */
HOLDFAST_API
holdfast_error *holdfast_error_clone(const holdfast_error *error);

/** Frees an error. NULL is allowed. */
HOLDFAST_API void holdfast_error_free(holdfast_error *error);

/* ==== Quoting =============================================================================================
 *
 * For statements that take no parameters: LISTEN, COPY, SET, DDL. Values of other statements belong into parameters.
 */

/**
 * Puts a text into *quoted as a literal of SQL, in quotes, whatever standard_conforming_strings is. Free it with
 * holdfast_text_free. HOLDFAST_STATUS_UTF8 if it cannot be one. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_quote_literal(const char *value,
                                       size_t value_len,
                                       holdfast_text **quoted,
                                       holdfast_error **error);

/**
 * Puts a name of a table, a column, a channel and so on into *quoted, in quotes, so that it is taken as it is written. A name
 * with a schema is two names, quoted one by one. Else as holdfast_quote_literal.
 */
HOLDFAST_API
holdfast_status holdfast_quote_identifier(const char *name,
                                          size_t name_len,
                                          holdfast_text **quoted,
                                          holdfast_error **error);

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
 * Checks that the library that runs serves a program compiled against the given version: give it
 * HOLDFAST_VERSION_NUMBER, once, before anything else. HOLDFAST_STATUS_MISUSE if not, with an error that names both.
 * Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_check_version(uint32_t compiled_against,
                                       holdfast_error **error);

/* ==== The options there are ===============================================================================
 *
 * The same table serves connection strings, environment variables and holdfast_config_set.
 */

/** An option. Set struct_size before the call that fills it. The texts are static. */
typedef struct holdfast_option {
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
    /** The values allowed, bounds included. */
    holdfast_str allowed;
    /** The environment variables it is read from, the first that is set counting: separated by spaces. */
    holdfast_str environment;
    /** The effect, in one line. */
    holdfast_str doc;
} holdfast_option;

/** The number of options. Any thread; does not block. */
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

/** Like holdfast_config_new, with the defaults for production (max_size 8) in any environment. */
HOLDFAST_API holdfast_config *holdfast_config_production(void);

/** Like holdfast_config_new, with the defaults for development (max_size 5) in any environment. */
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
 * if another thread is changing it. Does not block.
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

/* ==== Log records =========================================================================================
 *
 * Log records of a pool's decisions: retries, connections found dead, transactions left open, ... There is no logger
 * of the library's own; each configuration can have its callback, which the pools made from it share.
 */

/** As a level: no records. */
#define HOLDFAST_LOG_OFF 0

/** A failure that is final. */
#define HOLDFAST_LOG_ERROR 1

/** A failure that is tried again, or was put right. */
#define HOLDFAST_LOG_WARN 2

/** An event out of the ordinary. */
#define HOLDFAST_LOG_INFO 3

/** The events of single connections. */
#define HOLDFAST_LOG_DEBUG 4

/** Everything. */
#define HOLDFAST_LOG_TRACE 5

/**
 * A log record. It and its texts are valid during the callback only. It may grow at its end: struct_size is the part
 * of it that the library filled.
 */
typedef struct holdfast_log_record {
    /** As large as the library knows the struct. */
    uint32_t struct_size;
    /** The level: HOLDFAST_LOG_ERROR to HOLDFAST_LOG_TRACE. */
    int32_t level;
    /** The message, in one line. Never holds a secret. */
    holdfast_str message;
    /** The pool's name and target. */
    holdfast_str pool;
    /** When it was made, in microseconds since 1970-01-01 00:00 UTC. */
    uint64_t unix_us;
} holdfast_log_record;

/**
 * Takes a log record. Called on the thread that reports, threads of the library included, by several at once, and
 * never while a lock is held. It must return soon, since connections wait for it. It may call functions that do not
 * block by their comment: functions of errors, texts, results and options, holdfast_pool_stats,
 * holdfast_connection_release. Calls that would block return HOLDFAST_STATUS_REENTRANT. Records that the callback
 * causes itself are not passed to it. It must not leave by longjmp or by an exception.
 */
typedef void (*holdfast_log_callback)(void *user_data, const holdfast_log_record *record);

/** Releases what user_data points to. Called once, when it is not needed any more, on whatever thread that happens. */
typedef void (*holdfast_destroy)(void *user_data);

/**
 * Sends the log records of the pools made from this configuration to the callback: those of this level, a
 * HOLDFAST_LOG_ constant, and above. HOLDFAST_LOG_OFF, or a second call, ends what an earlier call began, for pools
 * yet to be made. destroy, which may be NULL, is called once with user_data after the last use: when this
 * configuration, its clones, and the pools made from them are freed and the last work of those pools is done; at once
 * with HOLDFAST_LOG_OFF. If this call fails, user_data stays with the caller, and destroy is not called. Records about
 * reading a configuration are not sent. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_set_log(holdfast_config *config,
                                        int32_t level,
                                        holdfast_log_callback callback,
                                        void *user_data,
                                        holdfast_destroy destroy,
                                        holdfast_error **error);

/* ==== Events ==============================================================================================
 *
 * Events of a pool, reported as they happen: connections opened, checked out and closed, waits, retries, changes of
 * the limit and the circuit, alerts. Each configuration can have its callback, which the pools made from it share.
 */

/** A connection was opened, in took_us. */
#define HOLDFAST_EVENT_OPENED 1

/** A connection could not be opened; error is the failure. */
#define HOLDFAST_EVENT_OPEN_FAILED 2

/**
 * A connection is closed: reason names the reason for it. If the server ended it with a message, sqlstate is that
 * of the message.
 */
#define HOLDFAST_EVENT_CLOSED 3

/** A connection was checked out, after took_us of waiting. */
#define HOLDFAST_EVENT_ACQUIRED 4

/** A connection was returned, after took_us of use. */
#define HOLDFAST_EVENT_RELEASED 5

/** A caller had to wait for took_us before it got a connection. */
#define HOLDFAST_EVENT_WAITED 6

/** A call failed to open a connection and will try again after took_us; error is the failure. */
#define HOLDFAST_EVENT_RETRIED 7

/** A call got no connection in time, or was not let into the queue; error is what it failed with. */
#define HOLDFAST_EVENT_TIMED_OUT 8

/** The limit moved: it was from and is to. If it fell, reason names the limit that caused it. */
#define HOLDFAST_EVENT_LIMIT_MOVED 9

/** The circuit moved: reason is the name of the state it is in now. */
#define HOLDFAST_EVENT_CIRCUIT_MOVED 10

/**
 * A connection has been checked out for longer than leak_detection_threshold: took_us so far, at place. Sent once
 * for each checkout.
 */
#define HOLDFAST_EVENT_LEAK_SUSPECTED 11

/** The server sent a message that concerns more than one statement, such as its shutdown. message has it. */
#define HOLDFAST_EVENT_SERVER_MESSAGE 12

/** A connection was returned with an open transaction, which was rolled back. */
#define HOLDFAST_EVENT_ROLLED_BACK 13

/** An alert was raised: reason is its name, message has cause and remedy. */
#define HOLDFAST_EVENT_ALERT_RAISED 14

/** An alert was cleared after took_us: reason is its name. */
#define HOLDFAST_EVENT_ALERT_CLEARED 15

/** The pool examined which clients hold all connections: message is the finding. */
#define HOLDFAST_EVENT_EXHAUSTION_EXPLAINED 16

/**
 * A connection came back with a notice of the server (WARNING, NOTICE and the like) that nobody had fetched, such
 * as one of a statement run by the pool: message is its text, reason its severity in small letters, sqlstate its
 * code.
 */
#define HOLDFAST_EVENT_NOTICE 17

/** In took_us: the event has no duration. */
#define HOLDFAST_NO_DURATION UINT64_MAX

/**
 * An event of a pool. It and its texts are valid during the callback only; texts that a kind does not have are empty,
 * numbers 0. It may grow at its end: struct_size is the part of it that the library filled.
 */
typedef struct holdfast_event {
    /** As large as the library knows the struct. */
    uint32_t struct_size;
    /** The kind of event: a HOLDFAST_EVENT_ constant. New ones may come. */
    int32_t kind;
    /** When, in microseconds since 1970-01-01 00:00 UTC. */
    uint64_t unix_us;
    /** The pool's name and target. */
    holdfast_str pool;
    /** Number of the connection within the pool, from 1; 0 where no connection is concerned. */
    uint64_t connection;
    /** A duration in microseconds, or HOLDFAST_NO_DURATION. */
    uint64_t took_us;
    /** The server's process id for the connection. */
    uint32_t backend_pid;
    /** The failure, as the status that a call returns for it; HOLDFAST_STATUS_OK if there was none. */
    holdfast_status status;
    /** A number before. */
    uint32_t from;
    /** A number now. */
    uint32_t to;
    /** A stable name in snake case. */
    holdfast_str reason;
    /** The event in words. Never holds a secret. Empty for HOLDFAST_EVENT_ACQUIRED, _RELEASED and _WAITED. */
    holdfast_str message;
    /** The place in the program, as file:line, if the program is one in Rust. */
    holdfast_str place;
    /**
     * The failure, with all that a failed call reports of it, or NULL if there was none. Not to be freed; to keep it
     * for longer than the callback, use holdfast_error_clone.
     */
    const holdfast_error *error;
    /**
     * The SQLSTATE that the server gave, whatever its language: of the message with which it ended the connection
     * (HOLDFAST_EVENT_CLOSED, _SERVER_MESSAGE), or of the failure.
     */
    holdfast_str sqlstate;
} holdfast_event;

/**
 * Takes an event. Called as a holdfast_log_callback is, and with the same rules: on any thread, by several at once,
 * never while a lock is held; it must return soon; calls that would block return HOLDFAST_STATUS_REENTRANT; it is not
 * notified of events that it causes itself. It must not leave by longjmp or by an exception.
 */
typedef void (*holdfast_event_callback)(void *user_data, const holdfast_event *event);

/**
 * Returns the name of a HOLDFAST_EVENT_ constant in snake case, such as "opened"; "unknown" for a kind that this version does
 * not have. The text is static. Any thread; does not block.
 */
HOLDFAST_API
holdfast_str holdfast_event_name(int32_t kind);

/**
 * Reports every event of the pools made from this configuration to the callback as it happens. NULL as callback, or a
 * second call, ends what an earlier call began, for pools yet to be made. Without a callback, checkouts cost nothing
 * more. destroy and user_data are as for holdfast_config_set_log. If this call fails, user_data stays with the caller,
 * and destroy is not called. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_set_event(holdfast_config *config,
                                          holdfast_event_callback callback,
                                          void *user_data,
                                          holdfast_destroy destroy,
                                          holdfast_error **error);

/* ==== Passwords ===========================================================================================
 *
 * A configuration can have a callback that is asked for the password at each opening of a session: for vaults, and for
 * tokens that expire.
 */

/**
 * The session that a password is asked for. It and its texts are valid during the callback only. It may grow at its end:
 * struct_size is the part of it that the library filled.
 */
typedef struct holdfast_password_request {
    /** As large as the library knows the struct. */
    uint32_t struct_size;
    /**
     * 1 if the server has refused the password that the callback gave for this session a moment ago, else 0: one that is
     * kept in a cache must not be given again.
     */
    int32_t was_refused;
    /** The host as it was configured: a name, an address, or the directory of a Unix-domain socket. */
    holdfast_str host;
    /** The role that the session is for. */
    holdfast_str user;
    /** The database. */
    holdfast_str dbname;
    /** The rest of the attempt's time, in milliseconds. A password that comes later is not used, and the attempt fails. */
    uint64_t timeout_ms;
    /** The port. */
    uint32_t port;
    /** Always 0. */
    uint32_t reserved;
} holdfast_password_request;

/**
 * Gives a password by holdfast_password_give, or says by holdfast_password_fail why there is none. Called once the server
 * is reached, on the thread that opens the session (a caller's or the library's), by several at once, and never while a
 * lock is held. It may block for as long as the request says. It may call functions that do not block by their comment;
 * calls that would block return HOLDFAST_STATUS_REENTRANT. It must not leave by longjmp or by an exception; it may end its
 * thread (pthread_exit), which gives the session up.
 */
typedef void (*holdfast_password_callback)(void *user_data,
                                           const holdfast_password_request *request,
                                           holdfast_password *password);

/**
 * Has the callback asked for the password at each opening of a session, by pools made from this configuration. While it is
 * set, the option password is ignored wherever it is given, and no password file is read. NULL as callback, or a second
 * call, ends what an earlier call began, for pools yet to be made.
 *
 * A failure of the callback is that of the attempt: HOLDFAST_STATUS_AUTH, retryable. What it gives is dropped when the
 * session is open or the attempt has failed, and never shows in an error, a log record or an event. When the server refuses
 * the password, the callback is asked again at once, up to twice, since it may have changed between asking and sending: another
 * one is tried, the same one is not sent again. A pool that was refused asks again when the next caller wants a connection,
 * then at most every 0.1 s to 1 s, and tries the server as soon as the callback gives another password. destroy and
 * user_data are as for holdfast_config_set_log. If this call fails, user_data stays with the caller, and destroy is not
 * called. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_set_password(holdfast_config *config,
                                             holdfast_password_callback callback,
                                             void *user_data,
                                             holdfast_destroy destroy,
                                             holdfast_error **error);

/**
 * Gives the password, which is copied. A second call replaces the first. Only inside the callback that got the place; does
 * not block.
 */
HOLDFAST_API
holdfast_status holdfast_password_give(holdfast_password *password,
                                       const char *value,
                                       size_t value_len,
                                       holdfast_error **error);

/**
 * Says why there is no password: the message is copied into the error of the attempt, so it must hold no secret. Replaces a
 * password that was given. Only inside the callback that got the place; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_password_fail(holdfast_password *password,
                                       const char *message,
                                       size_t message_len,
                                       holdfast_error **error);

/* ==== Pools ===============================================================================================
 *
 * A pool of connections to one PostgreSQL target. Opening one opens no connection. All of these may be called from any
 * thread at any time. A pool inherited by a forked child gives HOLDFAST_STATUS_MISUSE there.
 */

/** A value of timeout_ms where a comment allows it: the configured time. */
#define HOLDFAST_CONFIGURED UINT64_MAX

/** As holdfast_acquire_options.retries: one attempt only. */
#define HOLDFAST_NO_RETRY -1

/** The options of one call that gets a connection. All zero but struct_size means: as configured. */
typedef struct holdfast_acquire_options {
    /** sizeof(holdfast_acquire_options). */
    uint32_t struct_size;
    /** The most retries of a failed attempt; 0 as configured (retry_max), HOLDFAST_NO_RETRY never. */
    int32_t retries;
    /**
     * Limit of the whole call in milliseconds, queueing, opening, retries and the waits between them included; 0 for
     * none but that of each attempt (connection_timeout).
     */
    uint64_t timeout_ms;
    /**
     * 1 if the statement may be repeated, since running it several times is the same as running it once: when its connection
     * is lost under it, it is run again on another, at once and then as often as a failed attempt is repeated, within the
     * limit of the whole call. Else 0, and nothing is repeated that may have reached the server. For holdfast_pool_query and
     * holdfast_pool_execute only.
     */
    int32_t idempotent;
    /** Always 0. */
    uint32_t reserved;
} holdfast_acquire_options;

/** The report of closing a pool. Set struct_size before the call that fills it. */
typedef struct holdfast_close_report {
    /** sizeof(holdfast_close_report). */
    uint32_t struct_size;
    /** Idle connections closed at once. */
    uint32_t idle_closed;
    /** Connections in use that came back by themselves in time. */
    uint32_t returned;
    /** Connections in use on which the server was asked to cancel the running statement. */
    uint32_t cancelled;
    /** Connections still in use at the deadline, which were cut. */
    uint32_t cut;
    /** Always 0. */
    uint32_t reserved;
    /** The time that closing took, in microseconds. */
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
 * Checks out a connection and puts it into *connection; give it back with holdfast_connection_release. options may be
 * NULL. Blocks until one is idle or a new one is open: connection_timeout per attempt, with retries of what failed to
 * open, or as options say. HOLDFAST_STATUS_POOL_TIMEOUT if all stayed busy, HOLDFAST_STATUS_OVERLOADED if waiting is
 * of no use, HOLDFAST_STATUS_POOL_CLOSED, else what kept the last attempt from opening a connection.
 */
HOLDFAST_API
holdfast_status holdfast_pool_acquire(const holdfast_pool *pool,
                                      const holdfast_acquire_options *options,
                                      holdfast_connection **connection,
                                      holdfast_error **error);

/**
 * Checks out an idle connection if one is free now, else puts NULL into *connection; HOLDFAST_STATUS_OK either way.
 * Opens none and does not wait for one to come back; a connection that must be validated first takes at most
 * validation_timeout. HOLDFAST_STATUS_POOL_CLOSED if the pool is closed.
 */
HOLDFAST_API
holdfast_status holdfast_pool_try_acquire(const holdfast_pool *pool,
                                          holdfast_connection **connection,
                                          holdfast_error **error);

/**
 * Blocks until the pool has so many open connections, idle or checked out, and opens what is missing one after another: for a
 * program that is about to report that it is ready. They are idle afterwards; those beyond min_idle are closed after
 * idle_timeout. Blocks for at most timeout_ms milliseconds. HOLDFAST_STATUS_MISUSE for more than max_size; else as
 * holdfast_pool_acquire, and the connections that were opened until then stay. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_pool_wait_until_warm(const holdfast_pool *pool,
                                              uint32_t connections,
                                              uint64_t timeout_ms,
                                              holdfast_error **error);

/**
 * Sets the largest number of connections, in place of the option max_size. A larger pool lets waiters open at once. A smaller
 * one closes surplus idle connections at once and others as they come back; until those are closed nothing is opened. What the
 * server allows less than that stays in force, and so does the fleet's share. Blocks at most for the moment in which room for
 * more connections is made. HOLDFAST_STATUS_MISUSE for 0 and more than 10,000; HOLDFAST_STATUS_REENTRANT inside a callback;
 * HOLDFAST_STATUS_POOL_CLOSED. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_pool_set_max_size(const holdfast_pool *pool,
                                           uint32_t max_size,
                                           holdfast_error **error);

/**
 * Acquires a connection, waits for the server's answer to an empty statement, and releases the connection: whether the
 * database can be used now, where holdfast_pool_health tells what is known already. Blocks for at most timeout_ms
 * milliseconds. Fails as holdfast_pool_acquire and holdfast_connection_ping. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_pool_ping(const holdfast_pool *pool,
                                   uint64_t timeout_ms,
                                   holdfast_error **error);

/**
 * Closes every idle connection now, min_idle or not, and puts how many those were into *released, which may be NULL. For a
 * process that is about to be frozen: its timers will stand still, and what it holds would keep its slots on the server.
 * Connections in use are left alone, and so are those that come back or are opened meanwhile. The pool stays open: the first
 * connection that is opened afterwards has min_idle filled again. Blocks until the server has let go of them, for at most
 * settle_timeout.
 */
HOLDFAST_API
holdfast_status holdfast_pool_release_idle(const holdfast_pool *pool,
                                           size_t *released,
                                           holdfast_error **error);

/**
 * Closes the pool: new acquires fail at once, waiting ones are woken with HOLDFAST_STATUS_POOL_CLOSED, idle
 * connections are closed, connections in use awaited; shortly before the limit the server is asked to cancel what
 * still runs, and at the limit connections still in use are cut, so that calls blocked on it return. timeout_ms is the
 * limit, HOLDFAST_CONFIGURED the option close_timeout; blocks for no longer than that and a moment. Fills *report if
 * it is not NULL. Closing twice is harmless. The handle stays valid until it is freed.
 */
HOLDFAST_API
holdfast_status holdfast_pool_close(const holdfast_pool *pool,
                                    uint64_t timeout_ms,
                                    holdfast_close_report *report,
                                    holdfast_error **error);

/** Returns whether the pool was closed; true for NULL. Does not block. */
HOLDFAST_API bool holdfast_pool_is_closed(const holdfast_pool *pool);

/** The server or servers that the pool leads to, as host:port; no secrets. Belongs to the pool. Does not block. */
HOLDFAST_API
holdfast_str holdfast_pool_target(const holdfast_pool *pool);

/**
 * Frees a handle of a pool. NULL is allowed. When the last is freed, idle connections are closed at once, connections
 * in use when they come back; connections, results and errors of the pool stay valid. Does not block. To wait for
 * connections in use, call holdfast_pool_close before.
 */
HOLDFAST_API
void holdfast_pool_free(holdfast_pool *pool);

/* ==== Echo pools ==========================================================================================
 *
 * A pool that needs no server, for tests of programs and of bindings: its connections lead to a stand-in within this
 * process, which answers statements with themselves. All else is as with any pool: queueing, deadlines, cancelling,
 * closing, fork. What the stand-in answers:
 *
 * - A statement with parameters ($1 and so on in its text, or given with the call): one row of them, in columns p1, p2 and
 *   so on. Their types are those given in holdfast_param, else text (25). They come back as they were given; where another
 *   format is asked for they are translated, if the type is a text type or one that HOLDFAST_FORMAT_AUTOMATIC has in
 *   binary, and otherwise refused (0A000).
 * - Any other statement: one row with its text, in a column sql of type text.
 * - BEGIN, START TRANSACTION, COMMIT, END, ROLLBACK, ABORT, SAVEPOINT, RELEASE, ROLLBACK TO: as a server, with its warnings
 *   and errors. After an error in a transaction all else is refused until its end (25P02). What a transaction did is not
 *   undone, since nothing is done.
 * - echo:rows N: N rows of a number n (int4, from 1 on) and a text word ("row 1").
 * - echo:error SQLSTATE text: that error.
 * - echo:sleep MS: its own text, after so many milliseconds. Can be cancelled (57014).
 * - echo:notice text: a notice, and then its own text.
 * - echo:notify channel payload: a notification to this very connection, and then its own text.
 * - echo:drop: the connection breaks.
 * - A script: the answers to its statements, which ; divides where it is not quoted. The first error ends it.
 *
 * No other statement is understood: SET, COPY and LISTEN are texts like any other.
 */

/**
 * Opens a pool that needs no server and puts it into *pool; free it with holdfast_pool_free. config may be NULL: then
 * environment and defaults decide, as for holdfast_config_new. Options about the pool hold (max_size, idle_timeout,
 * statement_cache, statement_deadline, ...), those about reaching a server are not looked at (host, port, user, sslmode,
 * target_session_attrs, ...). The pool's target is "echo". Each of its connections has a thread of its own, which ends with
 * the connection. HOLDFAST_STATUS_CONFIG if the configuration cannot work. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_pool_open_echo(const holdfast_config *config,
                                        holdfast_pool **pool,
                                        holdfast_error **error);

/* ==== Statistics ==========================================================================================
 */

/** The number of entries of holdfast_stats.errors, 64: room for kinds of failure to come. */
#define HOLDFAST_ERROR_KINDS 64

/** Connections are opened as they are needed. */
#define HOLDFAST_CIRCUIT_CLOSED 0

/**
 * The server is out of reach. One prober tries for the whole process; calls wait for it, as long as their retries
 * allow.
 */
#define HOLDFAST_CIRCUIT_PROBING 1

/**
 * The server has been out of reach for longer than the option breaker_after: the prober goes on, calls that find
 * no connection fail at once.
 */
#define HOLDFAST_CIRCUIT_OPEN 2

/**
 * A permanent failure (credentials, database, TLS): calls that find no connection fail at once with the server's
 * error, and the server is asked again only rarely.
 */
#define HOLDFAST_CIRCUIT_REFUSED 3

/** The metrics of a pool: its state and its counters, all of one moment. Set struct_size before the call that fills it. */
typedef struct holdfast_stats {
    /** sizeof(holdfast_stats). */
    uint32_t struct_size;
    /** The configured hard cap. */
    uint32_t max_size;
    /**
     * The cap in force at present: at most max_size, and less where the server was found to be full. It rises again as
     * callers need connections and the server has room.
     */
    uint32_t limit;
    /** Server connections that count against the cap: idle, in use, opening, and closing ones the server may still see. */
    uint32_t total;
    /** Parked and ready. */
    uint32_t idle;
    /** Checked out, or being cleaned after their return. */
    uint32_t in_use;
    /** Being opened. */
    uint32_t opening;
    /** Threads and submitted requests that wait for a connection. */
    uint32_t waiting;
    /** Connections checked out. This and all that follows is counted since the pool was opened. */
    uint64_t gets;
    /** Calls that had to wait for a connection. */
    uint64_t waits;
    /** Calls that ended with HOLDFAST_STATUS_POOL_TIMEOUT. */
    uint64_t timeouts;
    /** Connections opened. */
    uint64_t opens;
    /** Attempts to open a connection that were repeated after a failure. */
    uint64_t retries;
    /** Statements of the pool's users that the server has finished, failed ones included. */
    uint64_t statements;
    /** Connections that came back with an open or failed transaction, which was rolled back. */
    uint64_t rolled_back;
    /** Connections closed after idle_timeout. */
    uint64_t closed_idle_timeout;
    /** Connections closed as older than their share of max_lifetime. */
    uint64_t closed_max_lifetime;
    /** Connections found dead before they were checked out. */
    uint64_t closed_validation_failed;
    /** Connections that broke while they were checked out. */
    uint64_t closed_broken;
    /** Connections given up because a statement ran past its deadline. */
    uint64_t closed_deadline_passed;
    /** Connections that came back in a state that could not be cleaned in time. */
    uint64_t closed_unclean;
    /** Connections discarded by their caller. */
    uint64_t closed_discarded;
    /** Connections closed with the pool. */
    uint64_t closed_pool_closed;
    /** Failed attempts to open and failed calls of the pool: errors[status] of each kind, 1 to 63. */
    uint64_t errors[64];
    /** The limit that keeps limit below max_size: a HOLDFAST_LIMITED_BY_ constant. */
    int32_t limited_by;
    /** The state of the circuit, which decides whether connections are opened: a HOLDFAST_CIRCUIT_ constant. */
    int32_t circuit;
    /**
     * The time for which the server has been out of reach, or refused this pool, in milliseconds; 0 while neither is
     * so.
     */
    uint64_t circuit_ms;
    /** Connections attempted by the prober, to find out whether a server is back that was out of reach or refused. */
    uint64_t probes;
    /** Calls that were not let into the queue (HOLDFAST_STATUS_OVERLOADED). */
    uint64_t shed;
    /** Connections closed by holdfast_pool_release_idle. */
    uint64_t closed_released;
    /** Connections closed because their server's role is not that of target_session_attrs any more. */
    uint64_t closed_wrong_role;
    /** Connections given back to the server for other pools (the option fleet_share). */
    uint64_t closed_shared;
    /** The connections that fleet coordination allows this pool at present; 0 before its first census. */
    uint32_t fleet_share;
    /**
     * The number of pools of the fleet that hold connections, this one included, as of the last census; 0 as for
     * fleet_share.
     */
    uint32_t fleet_peers;
    /** Validations of a connection that succeeded, before a checkout or in the background. */
    uint64_t validations;
    /** Connections closed because they exceeded a lowered holdfast_pool_set_max_size. */
    uint64_t closed_surplus;
} holdfast_stats;

/**
 * Returns the name of a HOLDFAST_CIRCUIT_ constant in snake case, such as "probing"; "unknown" for a state that this version
 * does not have. The text is static. Any thread; does not block.
 */
HOLDFAST_API
holdfast_str holdfast_circuit_name(int32_t state);

/**
 * Returns the name of a HOLDFAST_LIMITED_BY_ constant in snake case, such as "server"; "unknown" for a limit that this version
 * does not have. The text is static. Any thread; does not block.
 */
HOLDFAST_API
holdfast_str holdfast_limited_by_name(int32_t limit);

/** Fills *stats. Any thread; costs one short lock. HOLDFAST_STATUS_ARGUMENT if struct_size is not set. */
HOLDFAST_API
holdfast_status holdfast_pool_stats(const holdfast_pool *pool,
                                    holdfast_stats *stats,
                                    holdfast_error **error);

/* ==== The observation of a pool: metrics, health, history and exhaustion ==================================
 *
 * Metrics, health, and who holds the connections, as numbers and as texts.
 */

/** Prometheus' text format, version 0.0.4. */
#define HOLDFAST_METRICS_PROMETHEUS 1

/** OpenMetrics 1.0. */
#define HOLDFAST_METRICS_OPENMETRICS 2

/** A JSON document. */
#define HOLDFAST_METRICS_JSON 3

/** Words for people. */
#define HOLDFAST_METRICS_WORDS 4

/** No problem is known. An unused pool is healthy: it opens no connection to find out. */
#define HOLDFAST_HEALTH_HEALTHY 0

/**
 * The pool serves calls, but an alert is raised, the server is full, or the server is out of reach and being
 * probed.
 */
#define HOLDFAST_HEALTH_DEGRADED 1

/** Callers get an error: the circuit is open, the server fails the pool permanently, or the pool was closed. */
#define HOLDFAST_HEALTH_DOWN 2

/** As a time: it was never. */
#define HOLDFAST_NEVER UINT64_MAX

/** The health of a pool. Set struct_size before the call that fills it. */
typedef struct holdfast_health {
    /** sizeof(holdfast_health). */
    uint32_t struct_size;
    /** A HOLDFAST_HEALTH_ constant. */
    int32_t status;
    /** 1 if the process should go on living: the pool was not closed. A server that is away is no reason to restart. */
    uint32_t live;
    /** 1 if requests that need the database should be sent here. */
    uint32_t ready;
    /** The number of alerts raised. */
    uint32_t alerts;
    /** The number of reasons for not being healthy. */
    uint32_t reasons;
    /** The time since the server last answered, in microseconds, or HOLDFAST_NEVER. */
    uint64_t last_success_us;
    /** The time since opening a connection last failed, in microseconds, or HOLDFAST_NEVER. */
    uint64_t last_error_us;
    /** The time that the last validation of a connection took, in microseconds, or HOLDFAST_NEVER. */
    uint64_t last_probe_us;
} holdfast_health;

/**
 * Returns the name of a HOLDFAST_HEALTH_ constant in snake case, such as "degraded"; "unknown" for a status that this version
 * does not have. The text is static. Any thread; does not block.
 */
HOLDFAST_API
holdfast_str holdfast_health_name(int32_t status);

/** Fills a struct with how the pool judges its own state, by what is known: the server is not asked. Any thread; does not block. */
HOLDFAST_API
holdfast_status holdfast_pool_health(const holdfast_pool *pool,
                                     holdfast_health *health,
                                     holdfast_error **error);

/**
 * Makes a text of everything that the pool has measured: as HOLDFAST_METRICS_PROMETHEUS or HOLDFAST_METRICS_OPENMETRICS what an
 * HTTP server answers to a scrape, as HOLDFAST_METRICS_JSON all there is to show, health, alerts and the last ten minutes
 * included (docs/stats.schema.json), as HOLDFAST_METRICS_WORDS its health with reasons. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_pool_metrics(const holdfast_pool *pool,
                                      int32_t format,
                                      holdfast_text **text,
                                      holdfast_error **error);

/**
 * Makes a report of the holders of connections, joined with the server's own list of its slots, as
 * HOLDFAST_METRICS_WORDS or HOLDFAST_METRICS_JSON. The server is asked over a connection of the pool. Any thread;
 * blocks for at most 2 s.
 */
HOLDFAST_API
holdfast_status holdfast_pool_explain_exhaustion(const holdfast_pool *pool,
                                                 int32_t format,
                                                 holdfast_text **text,
                                                 holdfast_error **error);

/* ==== A pool over HTTP ====================================================================================
 */

/** As a flag: other machines may reach the address. */
#define HOLDFAST_SERVE_BEYOND_LOOPBACK 1

/**
 * Serves metrics, health and a dashboard at address, such as "127.0.0.1:9464" (port 0 takes a free one), until the
 * server is freed or the pool is gone: / is the dashboard, /metrics, /stats.json, /healthz, /readyz, /alerts.yml and
 * /grafana.json are for programs. Only loopback addresses are allowed without HOLDFAST_SERVE_BEYOND_LOOPBACK among
 * flags, which are else 0. With a token, metrics are only given to requests that have it (Authorization: Bearer); the
 * empty text is none. One thread is started. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_pool_serve(const holdfast_pool *pool,
                                    const char *address,
                                    size_t address_len,
                                    const char *token,
                                    size_t token_len,
                                    uint32_t flags,
                                    holdfast_server **server,
                                    holdfast_error **error);

/** The URL of the dashboard. Belongs to the server. Any thread; does not block. */
HOLDFAST_API holdfast_str holdfast_server_url(const holdfast_server *server);

/** Ends the serving. NULL is allowed. Blocks until the thread has ended, which is a moment. */
HOLDFAST_API void holdfast_server_free(holdfast_server *server);

/* ==== Silence =============================================================================================
 *
 * For a host that is about to end, or to unload the code of its callbacks: an interpreter's finalization, atexit, dlclose.
 */

/**
 * Ends all calls of the program's functions by a pool: those for log records, events, passwords and new sessions
 * (holdfast_config_set_log, _set_event, _set_password, _set_connect), and bodies submitted by holdfast_submit_transaction.
 * From this call on, no further one begins. When it returns HOLDFAST_STATUS_OK, none is under way, on any thread, and none
 * will come until the process ends; what the pool held of user_data is given up: destroy was called, on this thread at the
 * latest, unless the configuration, a clone of it, or another pool made from it has it still. HOLDFAST_STATUS_BUSY if one is
 * under way for longer than timeout_ms, as one that waits for a lock of this thread is: it is the last, and the call may be
 * repeated.
 *
 * The pool goes on without them, for all its handles, and nothing undoes it: what was submitted stays, records and events are
 * lost, sessions that need a password or a set-up from the program are not opened any more (HOLDFAST_STATUS_AUTH,
 * _CONFIG), and bodies that did not begin end with HOLDFAST_STATUS_POOL_CLOSED; their destroy is not
 * called. Other pools, also those made from the same
 * configuration, are not touched; the callback of a queue is ended by holdfast_queue_silence. Body functions of
 * holdfast_pool_transaction run on the threads of their callers, and are left alone. Any thread; blocks for at most timeout_ms.
 * HOLDFAST_STATUS_REENTRANT inside a callback.
 */
HOLDFAST_API
holdfast_status holdfast_pool_silence(const holdfast_pool *pool,
                                      uint64_t timeout_ms,
                                      holdfast_error **error);

/* ==== Connections checked out of a pool ===================================================================
 *
 * A connection is used by one thread at a time, any thread; a second one gets HOLDFAST_STATUS_BUSY. What takes a
 * const holdfast_connection may be called at any time. What a caller leaves behind is cleaned up before the next one
 * gets the connection: an open transaction is rolled back, an unfinished result or COPY drained. Session settings stay.
 *
 * While a stream or a COPY is open on a connection, other calls on it give HOLDFAST_STATUS_MISUSE. The next call ends
 * one that was freed before its end, within the deadline of that call: the server is asked to cancel it, by which an
 * open transaction fails, or receives the end of the data; the rest of its answer is skipped.
 */

/**
 * Limits every statement from now until the connection goes back, to limit_ms milliseconds each; 0 lifts the limit. A
 * statement that runs past it fails with HOLDFAST_STATUS_QUERY_TIMEOUT whatever server and network do; the connection is
 * then lost, and the server asked to cancel. The calls on a stream or a COPY are limited one by one: the time between two
 * of them does not count. The default is the option statement_deadline. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_connection_set_deadline(holdfast_connection *connection,
                                                 uint64_t limit_ms,
                                                 holdfast_error **error);

/**
 * Asks the server whether it answers, by an empty statement. Blocks as holdfast_connection_query; in a transaction that has
 * failed it succeeds too. HOLDFAST_STATUS_CONNECTION_LOST or _QUERY_TIMEOUT if it does not answer.
 */
HOLDFAST_API
holdfast_status holdfast_connection_ping(holdfast_connection *connection,
                                         holdfast_error **error);

/** The server's process id for this session, as in pg_stat_activity; 0 if it gave none. Any thread; does not block. */
HOLDFAST_API
uint32_t holdfast_connection_backend_pid(const holdfast_connection *connection);

/**
 * The connection's socket, to be waited for by poll, epoll or an event loop while nothing runs on the connection and
 * nothing is submitted to it: once it is readable, holdfast_connection_notification with a limit of 0 returns what has
 * come, or reports that the connection is lost. Call that until it has nothing more before the next wait, since some
 * may have been received already. The socket is for waiting only: reading, writing or closing it breaks the
 * connection. It belongs to the connection until that is given back. -1 for NULL. Any thread; does not block.
 */
HOLDFAST_API
int holdfast_connection_socket(const holdfast_connection *connection);

/** The server it leads to, as host:port or a socket path. Belongs to the connection. Any thread; does not block. */
HOLDFAST_API
holdfast_str holdfast_connection_target(const holdfast_connection *connection);

/**
 * Gives a connection back to its pool. NULL is allowed. Never blocks on the network. The handle is gone; if another thread
 * is still in a call on it, the connection goes back when that call ends; requests submitted to it are done before, all of
 * them. A stream or a COPY that is open on it ends with that: later calls on it give HOLDFAST_STATUS_MISUSE.
 */
HOLDFAST_API
void holdfast_connection_release(holdfast_connection *connection);

/**
 * Closes a connection instead of giving it back; the pool opens another when one is needed. Requests submitted to it that
 * do not run yet end with HOLDFAST_STATUS_CANCELED. Else as holdfast_connection_release.
 */
HOLDFAST_API
void holdfast_connection_discard(holdfast_connection *connection);

/* ==== Setting up sessions =================================================================================
 *
 * A configuration can have a function that sets up every new session of its pools before a connection is given out: a role,
 * a time zone, search_path, prepared statements.
 */

/**
 * Sets up a new session. Returns HOLDFAST_STATUS_OK to have its connection used. Any other status closes it and fails its
 * opening: mostly the one of a call that failed and put its error into *error, or HOLDFAST_STATUS_CONFIG. *error is NULL at
 * first; what the function leaves there belongs to the library.
 *
 * Called on the thread that opens the connection, which may be the caller's or one of the library's, by several at once,
 * never while a lock is held. The connection belongs to the library: the function must not release it, discard it, keep it,
 * or leave a transaction, a result or a request on it open. All that blocks is allowed, but for acquiring a connection of the
 * same pool, which is HOLDFAST_STATUS_MISUSE. It must not leave by longjmp or by an exception.
 */
typedef holdfast_status (*holdfast_connect_callback)(void *user_data,
                                                     holdfast_connection *connection,
                                                     holdfast_error **error);

/**
 * Has the callback set up every new session of the pools made from this configuration, before its connection is given out.
 * That is part of opening it: statements count against the deadline of the attempt (connection_timeout), closing the pool
 * ends them, and a failure is that of the opening, with the phase "setup" (holdfast_error_phase) and the callback's status if
 * it is HOLDFAST_STATUS_DATABASE, _CONNECTION_LOST, _QUERY_TIMEOUT, _CANCELED or _MISUSE, else HOLDFAST_STATUS_CONFIG;
 * HOLDFAST_STATUS_CONNECT_TIMEOUT if it did not end in time. It runs once per session, and again after each reset of the
 * session if the option session_reset is on. NULL as callback, or a second call, ends what an earlier call began, for pools
 * yet to be made. destroy and user_data are as for holdfast_config_set_log. If this call fails, user_data stays with the
 * caller, and destroy is not called. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_config_set_connect(holdfast_config *config,
                                            holdfast_connect_callback callback,
                                            void *user_data,
                                            holdfast_destroy destroy,
                                            holdfast_error **error);

/* ==== What is known of a connection =======================================================================
 *
 * By what the server said when the session began, and since: it is not asked. None of these blocks.
 */

/** The role that the session was opened as. */
#define HOLDFAST_INFO_USER 1

/** The database that it was opened in. */
#define HOLDFAST_INFO_DBNAME 2

/** The version of TLS, such as "TLSv1.3"; none on a plain connection. */
#define HOLDFAST_INFO_TLS_VERSION 3

/** The cipher of TLS, in OpenSSL's words; none on a plain connection. */
#define HOLDFAST_INFO_TLS_CIPHER 4

/**
 * Puts what a HOLDFAST_INFO_ constant names into *value, or NULL if there is no such thing; free it with holdfast_text_free.
 * The server's address is holdfast_connection_target, its process holdfast_connection_backend_pid.
 */
HOLDFAST_API
holdfast_status holdfast_connection_info(const holdfast_connection *connection,
                                         int32_t what,
                                         holdfast_text **value,
                                         holdfast_error **error);

/**
 * Puts a setting of the session into *value as the server reported it last (server_version, TimeZone, in_hot_standby and what
 * else servers report by themselves), or NULL for one that it does not report, and for a value of more than some 100 bytes that a
 * statement has set; free it with holdfast_text_free. Names are case-sensitive.
 */
HOLDFAST_API
holdfast_status holdfast_connection_parameter(const holdfast_connection *connection,
                                              const char *name,
                                              size_t name_len,
                                              holdfast_text **value,
                                              holdfast_error **error);

/* ==== Results =============================================================================================
 *
 * A result is one block of memory that never changes and outlives connection and pool: all of these may be called from any
 * thread, and none blocks. Rows and columns are counted from 0.
 */

/**
 * A column of a result, statement or stream. Set struct_size before the call that fills it. The name belongs to the
 * object that was asked.
 */
typedef struct holdfast_column {
    /** sizeof(holdfast_column). */
    uint32_t struct_size;
    /** Its type, as in pg_type. */
    uint32_t type_oid;
    /** The length of values of this type; negative if it varies. */
    int32_t type_size;
    /** The type's modifier, of varchar(n) for instance, as in pg_attribute.atttypmod; -1 for none. */
    int32_t type_modifier;
    /** The table it comes from; 0 if it is no table's. */
    uint32_t table_oid;
    /** Its number in that table, from 1; 0 if it is no table's. */
    int32_t column_number;
    /** HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY: how its values came. Of a statement always the former. */
    int32_t format;
    /** Always 0. */
    uint32_t reserved;
    /** Its name. */
    holdfast_str name;
} holdfast_column;

/**
 * A value as it came. ptr is NULL for the NULL of SQL. A NUL follows, which len does not count. Belongs to the result,
 * unless a comment says otherwise.
 */
typedef struct holdfast_cell {
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

/** The index of the first column of this name; HOLDFAST_NOWHERE if there is none. Any thread; does not block. */
HOLDFAST_API
size_t holdfast_result_find_column(const holdfast_result *result,
                                   const char *name,
                                   size_t name_len);

/** The server's command tag: "SELECT 3", "INSERT 0 1". */
HOLDFAST_API holdfast_str holdfast_result_command_tag(const holdfast_result *result);

/** The number at the end of the command tag: rows changed or returned; 0 for commands that count none. */
HOLDFAST_API uint64_t holdfast_result_rows_affected(const holdfast_result *result);

/** A value as it came, without copying; {NULL, 0} for the NULL of SQL and where there is no such row or column. */
HOLDFAST_API
holdfast_cell holdfast_result_cell(const holdfast_result *result,
                                   size_t row,
                                   size_t column);

/** Returns whether a value is the NULL of SQL; true where there is no such row or column. */
HOLDFAST_API bool holdfast_result_is_null(const holdfast_result *result, size_t row, size_t column);

/**
 * Puts a value as text into *value, exactly as the server prints it; it belongs to the result. Works on columns that came
 * as text, and on binary ones of bool, the integers, oid, floats, numeric, bytea, uuid, date, time, timetz, timestamp,
 * timestamptz, interval, inet, cidr, macaddr, bit, varbit, json, jsonb, xml and the text types. Text of binary values is
 * made at the first call and kept, so a further call for the same value costs no memory.
 *
 * HOLDFAST_STATUS_TYPE for binary values of other types, for what is not UTF-8, as a database in SQL_ASCII may have it
 * (holdfast_result_cell gives the bytes), and where the server's text depends on a setting of the session that was not as
 * usual: dates and timestamps unless DateStyle was ISO, timestamptz unless TimeZone was UTC, intervals unless
 * IntervalStyle was postgres, floats from servers before PostgreSQL 12. HOLDFAST_FORMAT_AUTOMATIC asks for text where
 * that would be so. Taken as given, since servers do not report them: bytea_output hex, extra_float_digits 1 or more.
 * HOLDFAST_STATUS_IS_NULL for NULL, HOLDFAST_STATUS_ARGUMENT beyond the edges; *value is then not touched.
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
 * numeric included (rounded to the nearest); a float4 is the number that the server prints, 1.1 and not
 * 1.10000002384185791. Fails as holdfast_result_text.
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

/** The number of results: one for each statement of the script. */
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

/* ==== Packs ===============================================================================================
 *
 * A pack is a whole result in one buffer, column by column, for runtimes that decode it themselves without a call for each
 * value. It has no pointers: it may be moved, copied into another process or a file, and read without this library.
 * Numbers are in the byte order of the machine that made it. All of these may be called from any thread; none blocks.
 *
 * The buffer begins with a holdfast_pack_header. At columns_at begin the descriptions of the columns, column_size bytes
 * apart: a holdfast_pack_column each. A later version of the library may make either longer, with version still 1; what is
 * laid out otherwise will have another version. All places (..._at) are counted from the beginning of the buffer. Texts
 * (names, tag) are UTF-8 with a NUL behind, which their length does not count.
 *
 * The kind of a column says how its values lie at values_at, a multiple of 8; row r from 0:
 *
 * - HOLDFAST_PACK_BOOL: uint8_t, 0 or 1.
 * - HOLDFAST_PACK_I32: int32_t; int2 and int4.
 * - HOLDFAST_PACK_I64: int64_t; int8.
 * - HOLDFAST_PACK_U32: uint32_t; oid.
 * - HOLDFAST_PACK_F64: double; float8, and float4 as the number that the server prints (1.1, not 1.10000002384185791).
 * - HOLDFAST_PACK_DAYS: int32_t, days since 2000-01-01; date. INT32_MAX is infinity, INT32_MIN -infinity.
 * - HOLDFAST_PACK_MICROS: int64_t, microseconds since 2000-01-01 00:00:00, in UTC for timestamptz and in no zone for
 *   timestamp. INT64_MAX is infinity, INT64_MIN -infinity. 946684800 seconds or 10957 days lie between 1970 and 2000.
 * - HOLDFAST_PACK_TEXT: uint32_t places of rows + 1 values, counted from arena_at: value r lies from place r up to place
 *   r + 1, without a NUL. The text is what holdfast_result_text gives: as the server prints it. If flags has
 *   HOLDFAST_PACK_ASCII, all of it is ASCII.
 * - HOLDFAST_PACK_BYTES: laid out as HOLDFAST_PACK_TEXT; bytea, the binary form of types of which no other kind is
 *   made, and text that is not UTF-8, as a database in SQL_ASCII may have it.
 *
 * The kinds from BOOL to MICROS are made of columns that came in binary; a column that came as text is TEXT, or BYTES
 * if it is not UTF-8. So a result in HOLDFAST_FORMAT_AUTOMATIC gives numbers, and one in HOLDFAST_FORMAT_TEXT text
 * alone. Binary columns of further types that holdfast_result_text can print, uuid and numeric among them, are TEXT.
 *
 * If flags has HOLDFAST_PACK_HAS_NULLS, there are bits at nulls_at: value r is NULL if bit r % 8, counted from the lowest,
 * of byte r / 8 is 1. What lies at values_at for a NULL is 0 or an empty value.
 */

/**
 * holdfast_pack_header.magic: the bytes "HFPK" on a machine that puts the lowest byte first. Another number is of a machine
 * of another byte order, or no pack.
 */
#define HOLDFAST_PACK_MAGIC 1263552072

/** holdfast_pack_header.version. */
#define HOLDFAST_PACK_VERSION 1

/** uint8_t: 0 or 1. */
#define HOLDFAST_PACK_BOOL 1

/** int32_t. */
#define HOLDFAST_PACK_I32 2

/** int64_t. */
#define HOLDFAST_PACK_I64 3

/** uint32_t. */
#define HOLDFAST_PACK_U32 4

/** double. */
#define HOLDFAST_PACK_F64 5

/** int32_t: days since 2000-01-01. */
#define HOLDFAST_PACK_DAYS 6

/** int64_t: microseconds since 2000-01-01 00:00:00. */
#define HOLDFAST_PACK_MICROS 7

/** Text in an arena. */
#define HOLDFAST_PACK_TEXT 8

/** Bytes in an arena. */
#define HOLDFAST_PACK_BYTES 9

/** In holdfast_pack_column.flags: some values are NULL, and nulls_at says which. */
#define HOLDFAST_PACK_HAS_NULLS 1

/** In holdfast_pack_column.flags: all text of the column is ASCII. */
#define HOLDFAST_PACK_ASCII 2

/** The head of a pack: 48 bytes. */
typedef struct holdfast_pack_header {
    /** HOLDFAST_PACK_MAGIC. */
    uint32_t magic;
    /** HOLDFAST_PACK_VERSION. */
    uint32_t version;
    /** The size of the whole in bytes, a multiple of 8. */
    uint32_t size;
    /** The number of rows. */
    uint32_t rows;
    /** The number of columns. */
    uint32_t columns;
    /** The offset of the description of the first column. */
    uint32_t columns_at;
    /** From one description to the next, in bytes. */
    uint32_t column_size;
    /** The command tag: "SELECT 3". */
    uint32_t tag_at;
    /** Its length in bytes. */
    uint32_t tag_len;
    /** Always 0. */
    uint32_t reserved[3];
} holdfast_pack_header;

/** The description of one column in a pack: 64 bytes. */
typedef struct holdfast_pack_column {
    /** Its type, as in pg_type. */
    uint32_t type_oid;
    /** A HOLDFAST_PACK_ constant: how the values are laid out. */
    uint32_t kind;
    /** HOLDFAST_PACK_HAS_NULLS and HOLDFAST_PACK_ASCII, or 0. */
    uint32_t flags;
    /** HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY: how the values came from the server. */
    uint32_t format;
    /** Its name. */
    uint32_t name_at;
    /** The length of the name in bytes. */
    uint32_t name_len;
    /** The table it comes from; 0 if it is no table's. */
    uint32_t table_oid;
    /** Its number in that table, from 1; 0 if it is no table's. */
    int32_t column_number;
    /** The length of values of this type on the server; negative if it varies. */
    int32_t type_size;
    /** The type's modifier, of varchar(n) for instance, as in pg_attribute.atttypmod; -1 for none. */
    int32_t type_modifier;
    /** The offset of the bits of NULLs; 0 if there is no NULL. */
    uint32_t nulls_at;
    /** The offset of the values, or of the places of values that vary in length. */
    uint32_t values_at;
    /** How many bytes are there. */
    uint32_t values_len;
    /** The offset of the bytes of values that vary in length; 0 for other kinds. */
    uint32_t arena_at;
    /** How many bytes are there. */
    uint32_t arena_len;
    /** Always 0. */
    uint32_t reserved;
} holdfast_pack_column;

/**
 * Packs a result and puts the pack into *pack; free it with holdfast_pack_free. The result stays as it is, and either may
 * be freed first. Works for as long as it takes to copy the result once. HOLDFAST_STATUS_MISUSE if the pack would be larger
 * than 4 GiB.
 */
HOLDFAST_API
holdfast_status holdfast_result_pack(const holdfast_result *result,
                                     holdfast_pack **pack,
                                     holdfast_error **error);

/**
 * The buffer of a pack: where it begins, a multiple of 8, and its size. It belongs to the pack, never changes, and no NUL
 * follows. {NULL, 0} for NULL.
 */
HOLDFAST_API
holdfast_cell holdfast_pack_data(const holdfast_pack *pack);

/** Frees a pack. NULL is allowed. */
HOLDFAST_API void holdfast_pack_free(holdfast_pack *pack);

/* ==== Running statements ==================================================================================
 */

/** Values as the server prints and reads them. */
#define HOLDFAST_FORMAT_TEXT 0

/** Values in the server's binary form. */
#define HOLDFAST_FORMAT_BINARY 1

/**
 * For results only: binary for booleans, integers, floats, bytea, uuid, dates and timestamps, text for all else; but
 * text also where holdfast_result_text could not print as the server does; its comment has the cases. Text for all
 * where statement_cache is 0. The choice is in holdfast_column.format, and may change with the session's settings.
 */
#define HOLDFAST_FORMAT_AUTOMATIC 2

/** A parameter of a statement. This struct does not grow. */
typedef struct holdfast_param {
    /** The value; NULL is the NULL of SQL. */
    const void *value;
    /** Its length in bytes; HOLDFAST_NUL for a text that ends at its NUL. */
    size_t len;
    /** Its type, as in pg_type; 0 lets the server infer it, and is the statement's own type of a prepared statement. */
    uint32_t type_oid;
    /** HOLDFAST_FORMAT_TEXT or HOLDFAST_FORMAT_BINARY. */
    int32_t format;
} holdfast_param;

/**
 * Runs one statement and puts its result into *result; free it with holdfast_result_free. $1 and so on in the text
 * stand for params, which are read during the call only, with their values; NULL if nparams is 0. result_format is a
 * HOLDFAST_FORMAT_ constant. The statement is prepared at first use and kept with the connection, unless
 * statement_cache is 0. Blocks until the server answered, at most for the deadline of the connection.
 * HOLDFAST_STATUS_DATABASE if the server refuses, HOLDFAST_STATUS_QUERY_TIMEOUT, _CANCELED, _CONNECTION_LOST;
 * HOLDFAST_STATUS_MISUSE if the number of parameters is wrong.
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
 * Checks out a connection, runs one statement and gives the connection back: holdfast_pool_acquire, which options are for (or
 * NULL), and holdfast_connection_query in one. Any thread. The statement is sent once, unless options say that it is
 * idempotent; what is retried is opening connections.
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

/* ==== Parameters that the library keeps ===================================================================
 *
 * For callers that cannot lay out an array of holdfast_param, or whose memory must not be pointed at: values are added one by
 * one and copied. Where a function takes params and nparams, holdfast_params_data and holdfast_params_count are what to pass. One
 * thread at a time may use such an object, and none of these blocks.
 */

/** Makes an object without parameters and puts it into *params. Free it with holdfast_params_free. */
HOLDFAST_API holdfast_status holdfast_params_new(holdfast_params **params, holdfast_error **error);

/** Adds a NULL. type_oid is as in holdfast_param. */
HOLDFAST_API
holdfast_status holdfast_params_add_null(holdfast_params *params,
                                         uint32_t type_oid,
                                         holdfast_error **error);

/** Adds a boolean: false for 0, else true. */
HOLDFAST_API
holdfast_status holdfast_params_add_bool(holdfast_params *params,
                                         int32_t value,
                                         holdfast_error **error);

/** Adds an integer, for whatever type of number the server infers: smallint to numeric. */
HOLDFAST_API
holdfast_status holdfast_params_add_i64(holdfast_params *params,
                                        int64_t value,
                                        holdfast_error **error);

/** Adds a floating-point number, exactly: no digit of it is lost. Infinities and NaN are as in SQL. */
HOLDFAST_API
holdfast_status holdfast_params_add_f64(holdfast_params *params,
                                        double value,
                                        holdfast_error **error);

/**
 * Adds a text, for whatever type the server infers: dates, arrays, JSON and enums are written like that too.
 * HOLDFAST_STATUS_UTF8 if it is not UTF-8 or has a NUL.
 */
HOLDFAST_API
holdfast_status holdfast_params_add_text(holdfast_params *params,
                                         const char *value,
                                         size_t value_len,
                                         holdfast_error **error);

/** Adds bytes, as bytea. */
HOLDFAST_API
holdfast_status holdfast_params_add_bytes(holdfast_params *params,
                                          const void *value,
                                          size_t len,
                                          holdfast_error **error);

/** Adds a value with a type and a format, as a holdfast_param has them. */
HOLDFAST_API
holdfast_status holdfast_params_add(holdfast_params *params,
                                    const void *value,
                                    size_t len,
                                    uint32_t type_oid,
                                    int32_t format,
                                    holdfast_error **error);

/** Removes all, for the values of another call. */
HOLDFAST_API void holdfast_params_clear(holdfast_params *params);

/**
 * The parameters, to be passed as params; NULL if there are none. Valid until one is added, all are removed, or the object is
 * freed.
 */
HOLDFAST_API
const holdfast_param *holdfast_params_data(const holdfast_params *params);

/** Their number, to be passed as nparams; 0 for NULL. */
HOLDFAST_API size_t holdfast_params_count(const holdfast_params *params);

/** Frees parameters. NULL is allowed. */
HOLDFAST_API void holdfast_params_free(holdfast_params *params);

/* ==== Prepared statements =================================================================================
 *
 * A statement is a text with its description. It never changes and belongs to no connection and no pool: all but
 * holdfast_connection_prepare and the functions that run it may be called from any thread, and none of those blocks. Each
 * connection prepares it for itself when it is first used there, keeps it among its statement_cache statements, and
 * prepares it again after a reconnect or when a table has changed. With statement_cache=0 it is sent unnamed each time.
 */

/**
 * Sends a text of one statement to the server to parse and describe, and puts a statement into *statement. types are
 * those of the parameters $1 and so on, as in pg_type; what is 0 or beyond ntypes is inferred, and the types found
 * hold wherever the statement runs. NULL if ntypes is 0. Blocks until the server answered, at most for the deadline of
 * the connection. HOLDFAST_STATUS_DATABASE if the server refuses the text.
 */
HOLDFAST_API
holdfast_status holdfast_connection_prepare(holdfast_connection *connection,
                                            const char *sql,
                                            size_t sql_len,
                                            const uint32_t *types,
                                            size_t ntypes,
                                            holdfast_statement **statement,
                                            holdfast_error **error);

/** The number of its parameters; 0 for NULL. */
HOLDFAST_API size_t holdfast_statement_parameters(const holdfast_statement *statement);

/** The type of the parameter of this index, 0 being $1, as in pg_type; 0 if there is none. */
HOLDFAST_API uint32_t holdfast_statement_parameter_type(const holdfast_statement *statement, size_t index);

/** The number of columns of its result; 0 for NULL and for statements that return no rows. */
HOLDFAST_API size_t holdfast_statement_columns(const holdfast_statement *statement);

/**
 * Fills *column with the description of the column of this index, as it was when the statement was prepared; results have
 * their own, which differs once a table has changed. false, and nothing is written, if there is none or struct_size is not
 * set.
 */
HOLDFAST_API
bool holdfast_statement_column(const holdfast_statement *statement,
                               size_t index,
                               holdfast_column *column);

/** Its text; belongs to the statement. */
HOLDFAST_API holdfast_str holdfast_statement_text(const holdfast_statement *statement);

/** A further handle of the same statement, for a further owner: each is freed with holdfast_statement_free. NULL for NULL. */
HOLDFAST_API
holdfast_statement *holdfast_statement_clone(const holdfast_statement *statement);

/** Frees a statement. NULL is allowed. */
HOLDFAST_API void holdfast_statement_free(holdfast_statement *statement);

/**
 * Runs a statement and puts its result into *result: holdfast_connection_query, but for the text. type_oid of a parameter is
 * 0 or the type that the statement has there, else HOLDFAST_STATUS_ARGUMENT.
 */
HOLDFAST_API
holdfast_status holdfast_connection_execute(holdfast_connection *connection,
                                            const holdfast_statement *statement,
                                            const holdfast_param *params,
                                            size_t nparams,
                                            int32_t result_format,
                                            holdfast_result **result,
                                            holdfast_error **error);

/**
 * Checks out a connection, runs a statement and gives the connection back: holdfast_pool_acquire, which options are for (or
 * NULL), and holdfast_connection_execute in one. Any thread. The statement may have been prepared on another pool.
 */
HOLDFAST_API
holdfast_status holdfast_pool_execute(const holdfast_pool *pool,
                                      const holdfast_acquire_options *options,
                                      const holdfast_statement *statement,
                                      const holdfast_param *params,
                                      size_t nparams,
                                      int32_t result_format,
                                      holdfast_result **result,
                                      holdfast_error **error);

/* ==== Rows in portions ====================================================================================
 *
 * For results larger than memory. The server is held back while the program asks for no more. A stream goes with the
 * connection it was opened on, which takes no other calls until the stream has ended (HOLDFAST_STATUS_MISUSE), but
 * does not keep it checked out: once the connection was released or discarded, the stream has ended, and calls on it
 * give HOLDFAST_STATUS_MISUSE. The portions are results of their own.
 */

/**
 * Runs one statement and puts a stream into *stream, from which its rows are read with holdfast_stream_next. The arguments
 * are those of holdfast_connection_query. Blocks until the server has accepted the statement, at most for the deadline of
 * the connection, and fails like that; what goes wrong after that comes from holdfast_stream_next.
 */
HOLDFAST_API
holdfast_status holdfast_connection_stream(holdfast_connection *connection,
                                           const char *sql,
                                           size_t sql_len,
                                           const holdfast_param *params,
                                           size_t nparams,
                                           int32_t result_format,
                                           holdfast_stream **stream,
                                           holdfast_error **error);

/**
 * Puts the next rows into *result, at least one and at most max_rows, which is not 0; free it with holdfast_result_free.
 * NULL at the end, and HOLDFAST_STATUS_OK. There are fewer rows when the end comes, and when they are large: 16 MiB end a
 * portion. Blocks until the rows have come, at most for the deadline of the connection, which holds for each call by
 * itself. HOLDFAST_STATUS_DATABASE and others if the statement fails on its way: the stream has then ended.
 * HOLDFAST_STATUS_MISUSE after that, and when the connection was given back.
 */
HOLDFAST_API
holdfast_status holdfast_stream_next(holdfast_stream *stream,
                                     size_t max_rows,
                                     holdfast_result **result,
                                     holdfast_error **error);

/** The number of columns; 0 for NULL and for statements that return no rows. Any thread; does not block. */
HOLDFAST_API size_t holdfast_stream_columns(const holdfast_stream *stream);

/**
 * Fills *column with the description of the column of this index. false, and nothing is written, if there is none or
 * struct_size is not set. Any thread; does not block.
 */
HOLDFAST_API
bool holdfast_stream_column(const holdfast_stream *stream,
                            size_t index,
                            holdfast_column *column);

/**
 * The server's command tag, once the end was read: "SELECT 1000000"; empty before. Belongs to the stream. Any thread;
 * does not block.
 */
HOLDFAST_API
holdfast_str holdfast_stream_command_tag(const holdfast_stream *stream);

/**
 * Frees a stream. NULL is allowed. Before its end, it gives the rest up: that is cancelled and skipped before the next
 * statement of the connection, or when the connection goes back. Does not block.
 */
HOLDFAST_API
void holdfast_stream_free(holdfast_stream *stream);

/* ==== COPY ================================================================================================
 *
 * Data into a table and out of it, in the format that the statement names. A copy goes with the connection it was
 * begun on, which takes no other calls until the copy is over (HOLDFAST_STATUS_MISUSE), but does not keep it checked
 * out: once the connection was released or discarded, the copy is over, nothing of one into a table stays, and calls
 * on it give HOLDFAST_STATUS_MISUSE. The deadline of the connection holds for each call by itself; the time between
 * two calls does not count.
 */

/**
 * Begins a COPY ... FROM STDIN and puts it into *copy. Blocks until the server is ready for data, at most for the deadline of
 * the connection. HOLDFAST_STATUS_DATABASE if the server refuses, HOLDFAST_STATUS_MISUSE if the statement is something else.
 */
HOLDFAST_API
holdfast_status holdfast_connection_copy_in(holdfast_connection *connection,
                                            const char *sql,
                                            size_t sql_len,
                                            holdfast_copy_in **copy,
                                            holdfast_error **error);

/**
 * Sends len bytes of data, which may be cut anywhere, also inside a row; small pieces are gathered. Blocks while the server
 * cannot keep up, at most for the deadline of the connection. HOLDFAST_STATUS_DATABASE if the server has refused the data so
 * far, which may also show later or at the end: the copy is then over.
 */
HOLDFAST_API
holdfast_status holdfast_copy_in_write(holdfast_copy_in *copy,
                                       const void *data,
                                       size_t len,
                                       holdfast_error **error);

/**
 * Ends the data, and puts the number of rows copied into *rows if it is not NULL. The copy is over, whatever comes of it;
 * the handle stays valid until it is freed. Blocks until the server has taken it all in, at most for the deadline of the
 * connection. HOLDFAST_STATUS_DATABASE if the server refuses the data: nothing of it stays.
 */
HOLDFAST_API
holdfast_status holdfast_copy_in_finish(holdfast_copy_in *copy,
                                        uint64_t *rows,
                                        holdfast_error **error);

/**
 * Gives the copy up: nothing of it stays. The reason appears in the server's log. The copy is over; the handle stays valid
 * until it is freed. HOLDFAST_STATUS_OK if the server has given it up too, which may take the deadline of the connection.
 */
HOLDFAST_API
holdfast_status holdfast_copy_in_abort(holdfast_copy_in *copy,
                                       const char *reason,
                                       size_t reason_len,
                                       holdfast_error **error);

/**
 * Frees a COPY FROM STDIN. NULL is allowed. One that was not finished is given up: nothing of it stays; the server is
 * notified before the next statement of the connection, or when the connection goes back. Does not block.
 */
HOLDFAST_API
void holdfast_copy_in_free(holdfast_copy_in *copy);

/**
 * Begins a COPY ... TO STDOUT and puts it into *copy. Blocks until the server has accepted it, at most for the deadline of the
 * connection. HOLDFAST_STATUS_DATABASE if the server refuses, HOLDFAST_STATUS_MISUSE if the statement is something else.
 */
HOLDFAST_API
holdfast_status holdfast_connection_copy_out(holdfast_connection *connection,
                                             const char *sql,
                                             size_t sql_len,
                                             holdfast_copy_out **copy,
                                             holdfast_error **error);

/**
 * Puts the next piece of data into *data: one row, its newline included, in text and CSV format. {NULL, 0} at the end, and
 * HOLDFAST_STATUS_OK. It belongs to the copy, and is valid until the next call on it or until it is freed. Blocks until data
 * has come, at most for the deadline of the connection. HOLDFAST_STATUS_DATABASE and others if the statement fails on its
 * way: the copy is then over. HOLDFAST_STATUS_MISUSE after that, and when the connection was given back.
 */
HOLDFAST_API
holdfast_status holdfast_copy_out_read(holdfast_copy_out *copy,
                                       holdfast_cell *data,
                                       holdfast_error **error);

/** The number of rows copied, once the end was read; 0 before. Any thread; does not block. */
HOLDFAST_API uint64_t holdfast_copy_out_rows(const holdfast_copy_out *copy);

/**
 * Frees a COPY TO STDOUT. NULL is allowed. Before its end, it gives the rest up: that is cancelled and skipped before the
 * next statement of the connection, or when the connection goes back. Does not block.
 */
HOLDFAST_API
void holdfast_copy_out_free(holdfast_copy_out *copy);

/** The data of a chunk. It belongs to the chunk. {NULL, 0} for NULL. Any thread; does not block. */
HOLDFAST_API holdfast_cell holdfast_chunk_data(const holdfast_chunk *chunk);

/** Frees a chunk. NULL is allowed. */
HOLDFAST_API void holdfast_chunk_free(holdfast_chunk *chunk);

/* ==== Pipelines ===========================================================================================
 *
 * Many statements in one call: all are sent at once, and their replies read in order, so that they cost one round trip
 * instead of one each.
 */

/** Each statement stands alone: outside a transaction it commits by itself, and a failure does not touch the others. */
#define HOLDFAST_PIPELINE_SEPARATE 0

/**
 * All or nothing: if one fails, those before it are undone and those behind it not run. Outside a transaction they make
 * one, which is committed at the end; inside one, it has failed. The statements must not begin or end transactions.
 */
#define HOLDFAST_PIPELINE_TOGETHER 1

/** A statement of a pipeline. This struct does not grow. */
typedef struct holdfast_request {
    /** The text of one statement. The same pointer and length as in the request before is the cheapest. */
    const char *sql;
    /** Its length in bytes, or HOLDFAST_NUL. */
    size_t sql_len;
    /** A prepared statement, which runs instead of sql; or NULL. */
    const holdfast_statement *statement;
    /** The parameters; NULL if there are none. */
    const holdfast_param *params;
    /** How many. */
    size_t nparams;
    /**
     * A HOLDFAST_FORMAT_ constant. HOLDFAST_FORMAT_AUTOMATIC costs a round trip for each statement that the connection has
     * not prepared yet.
     */
    int32_t result_format;
    /** Always 0. */
    uint32_t reserved;
} holdfast_request;

/**
 * Sends count statements at once, reads their replies, and puts what became of them into *outcomes, in the same order.
 * requests are only read during the call. mode is a HOLDFAST_PIPELINE_ constant. Statements that the connection has not
 * prepared yet are prepared on the way. HOLDFAST_STATUS_OK also if statements failed: see holdfast_outcomes_error. What the
 * call itself returns is about the connection (what became of the statements is then unknown), or about requests that
 * cannot be sent, and then none was: wrong parameters, or COPY FROM STDIN (HOLDFAST_STATUS_MISUSE). Blocks until all have
 * been answered; the deadline of the connection holds for them as a whole.
 */
HOLDFAST_API
holdfast_status holdfast_connection_pipeline(holdfast_connection *connection,
                                             const holdfast_request *requests,
                                             size_t count,
                                             int32_t mode,
                                             holdfast_outcomes **outcomes,
                                             holdfast_error **error);

/** The number of statements; 0 for NULL. */
HOLDFAST_API size_t holdfast_outcomes_count(const holdfast_outcomes *outcomes);

/**
 * The result of the statement of this index; NULL if it failed, or if there is none. It belongs to *outcomes and must not be
 * freed; to keep it for longer, use holdfast_result_clone.
 */
HOLDFAST_API
const holdfast_result *holdfast_outcomes_result(const holdfast_outcomes *outcomes,
                                                size_t index);

/**
 * Why the statement of this index failed; NULL if it did not, or if there is none. It belongs to *outcomes and must not be
 * freed. HOLDFAST_STATUS_ROLLED_BACK is the status of those that were undone or not run because another one failed.
 */
HOLDFAST_API
const holdfast_error *holdfast_outcomes_error(const holdfast_outcomes *outcomes,
                                              size_t index);

/** Frees the outcomes of a pipeline. NULL is allowed. */
HOLDFAST_API void holdfast_outcomes_free(holdfast_outcomes *outcomes);

/* ==== Transactions ========================================================================================
 *
 * holdfast_pool_transaction runs a callback in a transaction, and runs it again when the transaction conflicted with others.
 * The functions of connections begin and end one by hand; what is still open when the connection goes back is rolled back.
 */

/** Isolation: as the server's default_transaction_isolation. */
#define HOLDFAST_ISOLATION_DEFAULT 0

/** Each statement sees what was committed before it began. */
#define HOLDFAST_ISOLATION_READ_COMMITTED 1

/** All statements see what was committed before the first of them. */
#define HOLDFAST_ISOLATION_REPEATABLE_READ 2

/** As if transactions ran one after another; those that cannot are refused with SQLSTATE 40001. */
#define HOLDFAST_ISOLATION_SERIALIZABLE 3

/** Access: as the server's default_transaction_read_only. */
#define HOLDFAST_ACCESS_DEFAULT 0

/** Statements may write. */
#define HOLDFAST_ACCESS_READ_WRITE 1

/** The server refuses statements that write. */
#define HOLDFAST_ACCESS_READ_ONLY 2

/** Deferrable: as the server's default_transaction_deferrable. */
#define HOLDFAST_DEFERRABLE_DEFAULT 0

/** A serializable read-only transaction waits at its beginning until it cannot fail with 40001 any more. */
#define HOLDFAST_DEFERRABLE_YES 1

/** It does not. */
#define HOLDFAST_DEFERRABLE_NO 2

/** No transaction is open. */
#define HOLDFAST_TRANSACTION_IDLE 0

/** A transaction is open. */
#define HOLDFAST_TRANSACTION_ACTIVE 1

/** A transaction is open in which a statement failed: it can only be rolled back, as a whole or to a savepoint. */
#define HOLDFAST_TRANSACTION_FAILED 2

/** The state is unknown: the connection is lost, or a reply is still to come. */
#define HOLDFAST_TRANSACTION_UNKNOWN 3

/** The options of a transaction. All zero but struct_size means: as the server has it, and no limit of time. */
typedef struct holdfast_transaction_options {
    /** sizeof(holdfast_transaction_options). */
    uint32_t struct_size;
    /** A HOLDFAST_ISOLATION_ constant. */
    int32_t isolation;
    /** A HOLDFAST_ACCESS_ constant. */
    int32_t access;
    /** A HOLDFAST_DEFERRABLE_ constant. */
    int32_t deferrable;
    /**
     * The most further runs after one that had to be undone; 0 means five, HOLDFAST_NO_RETRY none.
     * holdfast_pool_transaction and holdfast_submit_transaction only.
     */
    int32_t reruns;
    /**
     * 1 to find out, on another connection, whether a commit took effect when its answer was lost; else 0. Costs a
     * round trip before each COMMIT, another before the first such transaction of a connection, and a transaction id
     * even for what writes nothing. HOLDFAST_STATUS_COMMIT_UNKNOWN remains where the server crashed or was replaced by
     * a standby. holdfast_pool_transaction and holdfast_submit_transaction only.
     */
    int32_t resolve_commit;
    /**
     * Limit of the whole in milliseconds, getting connections, reruns and waits included, and deadline of its statements,
     * besides that of the connection; 0 for none.
     */
    uint64_t timeout_ms;
} holdfast_transaction_options;

/**
 * The work of a transaction. Returns HOLDFAST_STATUS_OK to have it committed. Any other status has it rolled back, and
 * holdfast_pool_transaction returns that status: mostly the one of a call that failed and put its error into *error,
 * or HOLDFAST_STATUS_ROLLED_BACK. *error is NULL at first; what the body leaves there belongs to the library.
 */
typedef holdfast_status (*holdfast_transaction_body)(void *user_data,
                                                     holdfast_connection *connection,
                                                     holdfast_error **error);

/**
 * Begins a transaction on the connection; options may be NULL. Their timeout_ms is the deadline of all that is done up to the
 * transaction's end. Blocks until the server answered. HOLDFAST_STATUS_MISUSE if one is open already; else as
 * holdfast_connection_query.
 */
HOLDFAST_API
holdfast_status holdfast_connection_begin(holdfast_connection *connection,
                                          const holdfast_transaction_options *options,
                                          holdfast_error **error);

/**
 * Commits the open transaction. Blocks until the server answered. HOLDFAST_STATUS_ROLLED_BACK if a statement had failed, so
 * that it was rolled back instead; HOLDFAST_STATUS_COMMIT_UNKNOWN if the connection was lost after COMMIT was sent and before
 * its answer came. After any other failure nothing was committed: HOLDFAST_STATUS_DATABASE if the server refused (a
 * deferred constraint, a conflict), HOLDFAST_STATUS_MISUSE if no transaction is open or a result was not read to its end.
 */
HOLDFAST_API
holdfast_status holdfast_connection_commit(holdfast_connection *connection,
                                           holdfast_error **error);

/**
 * Rolls the open transaction back; does nothing if none is open. Blocks until the server answered. Whatever it returns, the
 * transaction has come to nothing.
 */
HOLDFAST_API
holdfast_status holdfast_connection_rollback(holdfast_connection *connection,
                                             holdfast_error **error);

/**
 * Sets a savepoint in the open transaction. Any text without a NUL will do as its name, which the library quotes; the
 * server distinguishes names by their first 63 bytes. Blocks and fails as holdfast_connection_query.
 */
HOLDFAST_API
holdfast_status holdfast_connection_savepoint(holdfast_connection *connection,
                                              const char *name,
                                              size_t name_len,
                                              holdfast_error **error);

/**
 * Undoes what was done since a savepoint, which stays; a failed transaction can go on from there. Blocks and fails as
 * holdfast_connection_query.
 */
HOLDFAST_API
holdfast_status holdfast_connection_rollback_to(holdfast_connection *connection,
                                                const char *name,
                                                size_t name_len,
                                                holdfast_error **error);

/**
 * Forgets a savepoint; what was done since then stays part of the transaction. Blocks and fails as
 * holdfast_connection_query.
 */
HOLDFAST_API
holdfast_status holdfast_connection_release_savepoint(holdfast_connection *connection,
                                                      const char *name,
                                                      size_t name_len,
                                                      holdfast_error **error);

/**
 * The transaction status of the connection: a HOLDFAST_TRANSACTION_ constant, as of the server's last answer;
 * HOLDFAST_TRANSACTION_UNKNOWN for NULL. Any thread, also while the connection is in use; does not block.
 */
HOLDFAST_API int32_t holdfast_connection_transaction_status(const holdfast_connection *connection);

/**
 * Checks out a connection, calls body with it in a transaction, on the calling thread, and commits if that returns
 * HOLDFAST_STATUS_OK. acquire_options and options may be NULL.
 *
 * The body is called again, up to five times or as options say, after growing random waits (up to 10 ms, 20 ms and so on to
 * 1 s), when the transaction came to nothing for a reason that passes: the server says that it conflicted with others
 * (SQLSTATE 40001, 40P01), in a statement or at COMMIT, whatever the body made of that failure; or the connection was lost
 * before COMMIT was sent. So the body must not do what cannot be done twice.
 *
 * The connection belongs to the library: the body must not release it, discard it, keep it, begin, commit or roll back, which
 * is refused or found out (HOLDFAST_STATUS_MISUSE). Savepoints are fine. A further connection of the same pool may be long in
 * coming if all are used by bodies that want another.
 *
 * Unless it returns HOLDFAST_STATUS_OK or HOLDFAST_STATUS_COMMIT_UNKNOWN, nothing was committed. It returns what the body
 * returned, with the error that the body gave; HOLDFAST_STATUS_ROLLED_BACK also if the body returned HOLDFAST_STATUS_OK
 * although a statement had failed the transaction; HOLDFAST_STATUS_COMMIT_UNKNOWN if the connection was lost after COMMIT was
 * sent and before its answer came, which is never run again; HOLDFAST_STATUS_QUERY_TIMEOUT if the time was over before
 * COMMIT was sent; else as holdfast_pool_acquire and holdfast_connection_commit. Any thread. Blocks for as long as all this
 * takes, at most for timeout_ms of options and what the body does by itself.
 */
HOLDFAST_API
holdfast_status holdfast_pool_transaction(const holdfast_pool *pool,
                                          const holdfast_acquire_options *acquire_options,
                                          const holdfast_transaction_options *options,
                                          holdfast_transaction_body body,
                                          void *user_data,
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

/** The payload; empty if none was sent. */
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

/**
 * Puts the number of notifications and notices of this checkout into *count that were dropped because they were not
 * taken: of each kind the last 10,000 are kept, and at most half a megabyte. Does not block.
 */
HOLDFAST_API
holdfast_status holdfast_connection_dropped_messages(holdfast_connection *connection,
                                                     uint64_t *count,
                                                     holdfast_error **error);

/** The number of notices; 0 for NULL. */
HOLDFAST_API size_t holdfast_notices_count(const holdfast_notices *notices);

/**
 * A field of the notice of this index, named by a HOLDFAST_FIELD_ constant; empty if it was not sent. Belongs to the
 * notices.
 */
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
 * Asks the server to cancel the statement that the connection runs now, which then fails with
 * HOLDFAST_STATUS_CANCELED. Any thread. Returns when the server has taken the request, which does not mean that there
 * was anything to cancel. Blocks for at most timeout_ms, HOLDFAST_CONFIGURED being 5 s;
 * HOLDFAST_STATUS_CONNECT_TIMEOUT when that passes, or what else kept the request from being delivered. Not to be called
 * in a signal handler, since it connects to the server: holdfast_cancel_raise is for that.
 */
HOLDFAST_API
holdfast_status holdfast_cancel_fire(const holdfast_cancel *cancel,
                                     uint64_t timeout_ms,
                                     holdfast_error **error);

/**
 * Makes a cancel handle, and the further handles of it, fit for holdfast_cancel_raise. That takes a thread and a pair of sockets
 * of the library, shared by all armed handles of the process, until the last of them is freed. To be called before the signal
 * handler can run, not in it; calling it again does nothing. Any thread; does not block. HOLDFAST_STATUS_LOCAL_LIMIT if the
 * process has no thread or descriptors left.
 */
HOLDFAST_API
holdfast_status holdfast_cancel_arm(const holdfast_cancel *cancel,
                                    holdfast_error **error);

/**
 * Asks for what holdfast_cancel_fire does, from a signal handler: a thread of the library sends the request, within moments, for
 * at most 5 s, and one after the other if several are asked for at the same time. Whether it could be sent is not reported;
 * asking again is harmless. Async-signal-safe: it locks, allocates and waits for nothing, and leaves errno as it was. The handle
 * was armed by holdfast_cancel_arm before, and must not be freed while the handler can run. true if the request was passed
 * on; false for NULL, for a handle that was not armed, and in a forked child. Any thread.
 */
HOLDFAST_API
bool holdfast_cancel_raise(const holdfast_cancel *cancel);

/** Frees a cancel handle. NULL is allowed. */
HOLDFAST_API void holdfast_cancel_free(holdfast_cancel *cancel);

/* ==== Completions =========================================================================================
 *
 * A completion says what became of one request, or of a part of it. Which handles it has depends on the request; the others
 * are NULL.
 */

/** As holdfast_completion.kind: which function the request was submitted with. */
#define HOLDFAST_SUBMIT_QUERY 1

/** holdfast_submit_execute. */
#define HOLDFAST_SUBMIT_EXECUTE 2

/** holdfast_submit_acquire. */
#define HOLDFAST_SUBMIT_ACQUIRE 3

/** holdfast_submit_transaction. */
#define HOLDFAST_SUBMIT_TRANSACTION 4

/** holdfast_submit_connection_query. */
#define HOLDFAST_SUBMIT_CONNECTION_QUERY 5

/** holdfast_submit_connection_script. */
#define HOLDFAST_SUBMIT_CONNECTION_SCRIPT 6

/** holdfast_submit_pipeline. */
#define HOLDFAST_SUBMIT_PIPELINE 7

/** holdfast_submit_connection_execute. */
#define HOLDFAST_SUBMIT_CONNECTION_EXECUTE 8

/** holdfast_submit_connection_pipeline. */
#define HOLDFAST_SUBMIT_CONNECTION_PIPELINE 9

/** holdfast_submit_connection_begin. */
#define HOLDFAST_SUBMIT_CONNECTION_BEGIN 10

/** holdfast_submit_connection_commit. */
#define HOLDFAST_SUBMIT_CONNECTION_COMMIT 11

/** holdfast_submit_connection_rollback. */
#define HOLDFAST_SUBMIT_CONNECTION_ROLLBACK 12

/** holdfast_submit_script. */
#define HOLDFAST_SUBMIT_SCRIPT 13

/** holdfast_submit_connection_stream. */
#define HOLDFAST_SUBMIT_CONNECTION_STREAM 14

/** holdfast_submit_stream_next. */
#define HOLDFAST_SUBMIT_STREAM_NEXT 15

/** holdfast_submit_connection_copy_in. */
#define HOLDFAST_SUBMIT_CONNECTION_COPY_IN 16

/** holdfast_submit_copy_in_write. */
#define HOLDFAST_SUBMIT_COPY_IN_WRITE 17

/** holdfast_submit_copy_in_finish. */
#define HOLDFAST_SUBMIT_COPY_IN_FINISH 18

/** holdfast_submit_copy_in_abort. */
#define HOLDFAST_SUBMIT_COPY_IN_ABORT 19

/** holdfast_submit_connection_copy_out. */
#define HOLDFAST_SUBMIT_CONNECTION_COPY_OUT 20

/** holdfast_submit_copy_out_read. */
#define HOLDFAST_SUBMIT_COPY_OUT_READ 21

/** holdfast_submit_connection_prepare. */
#define HOLDFAST_SUBMIT_CONNECTION_PREPARE 22

/** holdfast_submit_connection_savepoint. */
#define HOLDFAST_SUBMIT_CONNECTION_SAVEPOINT 23

/** holdfast_submit_connection_rollback_to. */
#define HOLDFAST_SUBMIT_CONNECTION_ROLLBACK_TO 24

/** holdfast_submit_connection_release_savepoint. */
#define HOLDFAST_SUBMIT_CONNECTION_RELEASE_SAVEPOINT 25

/** holdfast_submit_close. */
#define HOLDFAST_SUBMIT_CLOSE 26

/**
 * The completion of a request. On success the handles that the request was for are set, else error is; the receiver
 * frees them.
 */
typedef struct holdfast_completion {
    /** The user_data given with the request. */
    uint64_t tag;
    /** The request's number. */
    uint64_t request;
    /** As the blocking call would have returned it. */
    holdfast_status status;
    /** A HOLDFAST_SUBMIT_ constant. */
    int32_t kind;
    /** The rows of a single statement. Free it with holdfast_result_free. */
    holdfast_result *result;
    /** The results of a script, one for each statement. Free it with holdfast_results_free. */
    holdfast_results *results;
    /** The outcomes of a pipeline, one for each statement. Free it with holdfast_outcomes_free. */
    holdfast_outcomes *outcomes;
    /** The pack of a single statement with a packed result. Free it with holdfast_pack_free. */
    holdfast_pack *pack;
    /** The connection of holdfast_submit_acquire: give it back with holdfast_connection_release. */
    holdfast_connection *connection;
    /** The error, or NULL. Free it with holdfast_error_free. */
    holdfast_error *error;
    /** The time it waited until it ran, in microseconds: for its turn, and for a connection. */
    uint64_t queued_us;
    /** The time it ran, in microseconds. */
    uint64_t running_us;
    /** The stream of holdfast_submit_connection_stream. Free it with holdfast_stream_free. */
    holdfast_stream *stream;
    /** The copy of holdfast_submit_connection_copy_in. Free it with holdfast_copy_in_free. */
    holdfast_copy_in *copy_in;
    /** The copy of holdfast_submit_connection_copy_out. Free it with holdfast_copy_out_free. */
    holdfast_copy_out *copy_out;
    /** Data of holdfast_submit_copy_out_read, or NULL at the end. Free it with holdfast_chunk_free. */
    holdfast_chunk *chunk;
    /** The statement of holdfast_submit_connection_prepare. Free it with holdfast_statement_free. */
    holdfast_statement *statement;
    /** The number of rows that a COPY has copied, at its end; else 0. */
    uint64_t rows;
    /** With more=1 the number of the statement of a pipeline that this is the outcome of, from 0; else 0. */
    uint64_t index;
    /** 1 if further completions of the same request follow, as of a pipeline in parts; else 0. */
    int32_t more;
    /** Always 0. */
    uint32_t reserved;
    /** Of holdfast_submit_close the fields of this name in holdfast_close_report, else 0: running_us is the time that it took. */
    uint32_t idle_closed;
    /** See idle_closed. */
    uint32_t returned;
    /** See idle_closed. */
    uint32_t cancelled;
    /** See idle_closed. */
    uint32_t cut;
    /**
     * What the server remarked while the request ran, if its options have notices=1, else NULL; NULL if there was nothing. With
     * the last completion of a request in parts. On a connection in hand with what holdfast_connection_notices would have had
     * before. Free it with holdfast_notices_free.
     */
    holdfast_notices *notices;
} holdfast_completion;

/* ==== Queues of completions ===============================================================================
 *
 * For threads that must not wait, those of event loops above all. holdfast_submit_... hands a request over and returns at
 * once. Workers of the pool do it as threads of the program would do it with the blocking calls, and put a completion into
 * the queue: one for each request accepted, whatever happens, also if the pool is closed or its last handle freed. The
 * program learns that completions wait from a descriptor (holdfast_queue_fd), from a callback (holdfast_queue_on_ready) or
 * by waiting (holdfast_queue_wait), and takes many at once (holdfast_queue_drain). One queue may serve any number of pools.
 *
 * A pool starts at most max_size workers for requests that need a connection from it, when they are needed, and further
 * ones for connections in hand and for cancel requests; each ends after some seconds without work.
 */

/** The options of a queue. Set struct_size to sizeof(holdfast_queue_options) and all else to zero for the defaults. */
typedef struct holdfast_queue_options {
    /** sizeof(holdfast_queue_options). */
    uint32_t struct_size;
    /** The most requests that may be accepted and not yet drained; 0 for 1024. */
    uint32_t capacity;
} holdfast_queue_options;

/** The function a queue calls when completions wait. */
typedef void (*holdfast_ready_callback)(void *user_data);

/** Makes a queue and puts it into *queue. options may be NULL for the defaults. Does not block. */
HOLDFAST_API
holdfast_status holdfast_queue_new(const holdfast_queue_options *options,
                                   holdfast_queue **queue,
                                   holdfast_error **error);

/**
 * A descriptor that is readable while completions wait, for poll, epoll and the like; -1 if the system has none left. It may
 * be readable for a moment when nothing waits. It belongs to the queue: only wait on it; holdfast_queue_drain makes it
 * unreadable when it has taken everything. It is made by the first call (an eventfd). Any thread; does not block.
 */
HOLDFAST_API
int holdfast_queue_fd(const holdfast_queue *queue);

/**
 * Calls callback whenever the queue was empty and is not any more. That is once for any number of completions until
 * holdfast_queue_drain has taken everything: drain until it returns less than asked for. It is called on threads of
 * the library, with no lock held, perhaps on several at the same time; it may drain and submit, but should only wake
 * the thread that does, since a worker waits for it. Calls in it that would block return HOLDFAST_STATUS_REENTRANT.
 * A second call replaces it. NULL ends it: when that returns, no call of it is under way or will come, and destroy was
 * called; inside a callback it returns at once. destroy, which may be NULL, is called once with user_data after the
 * last use. If this call fails, user_data stays with the caller. Completions that wait at this moment are not
 * announced: drain once after this call. Any thread; NULL blocks until the calls under way have returned, so a lock
 * that these wait for must not be held; all else does not block.
 */
HOLDFAST_API
holdfast_status holdfast_queue_on_ready(const holdfast_queue *queue,
                                        holdfast_ready_callback callback,
                                        void *user_data,
                                        holdfast_destroy destroy,
                                        holdfast_error **error);

/**
 * Ends all calls of the callback of holdfast_queue_on_ready, as NULL as callback does, but for a limit: when it returns
 * HOLDFAST_STATUS_OK, no call of it is under way on any thread, none will come, and destroy was called.
 * HOLDFAST_STATUS_BUSY if one is under way for longer than timeout_ms, as one that waits for a lock of this thread is: it is
 * the last, and destroy is called when it returns. The queue goes on; its descriptor and holdfast_queue_wait still work, and a
 * later holdfast_queue_on_ready sets a callback anew. holdfast_pool_silence does the same for a pool. Any thread; blocks for at
 * most timeout_ms. HOLDFAST_STATUS_REENTRANT inside a callback.
 */
HOLDFAST_API
holdfast_status holdfast_queue_silence(const holdfast_queue *queue,
                                       uint64_t timeout_ms,
                                       holdfast_error **error);

/**
 * Takes up to most completions into the array out, those done first first, and returns how many. completion_size is
 * sizeof(holdfast_completion), of the header that the caller was compiled with: what a later version has beyond it is freed.
 * The handles in them belong to the caller. Any thread; never blocks.
 */
HOLDFAST_API
size_t holdfast_queue_drain(const holdfast_queue *queue,
                            holdfast_completion *out,
                            size_t most,
                            size_t completion_size);

/**
 * Waits until a completion waits: true; false if none does within timeout_ms. Blocks for at most that, and inside a
 * callback of the library not at all. Any thread.
 */
HOLDFAST_API
bool holdfast_queue_wait(const holdfast_queue *queue,
                         uint64_t timeout_ms);

/**
 * The number of requests accepted and not yet drained, where one in parts counts as often as it may have completions; 0 for
 * NULL. Any thread; does not block.
 */
HOLDFAST_API
size_t holdfast_queue_pending(const holdfast_queue *queue);

/**
 * Cancels the request of this number. One that still waits ends with HOLDFAST_STATUS_CANCELED at once; one that waits
 * for a connection to be opened does, too, and the connection goes to the next request. For one that runs the server
 * is asked to cancel it: it may still end well. Either way it has exactly one completion. One that is over is left
 * alone. HOLDFAST_STATUS_ARGUMENT if the queue never gave out this number. Any thread; does not block.
 */
HOLDFAST_API
holdfast_status holdfast_request_cancel(const holdfast_queue *queue,
                                        uint64_t request,
                                        holdfast_error **error);

/**
 * Frees a queue. NULL is allowed. Completions that wait are freed with what they hold, requests that do not run yet are
 * dropped, and the results of those that run will be. Does not block.
 */
HOLDFAST_API
void holdfast_queue_free(holdfast_queue *queue);

/* ==== Submitting ==========================================================================================
 *
 * All of these return at once, never wait, and copy what they are given. If they succeed, exactly one completion with the
 * tag will be in the queue (and others before it of a pipeline in parts); if they fail, none. HOLDFAST_STATUS_QUEUE_FULL if
 * the queue has as many requests as it takes, HOLDFAST_STATUS_POOL_CLOSED if the pool is closed. Where options may be NULL,
 * that means the defaults. The number of the request, which holdfast_request_cancel takes, is put into *request if request
 * is not NULL.
 */

/** The options of a request. Set struct_size and all else to zero for the defaults. */
typedef struct holdfast_submit_options {
    /** sizeof(holdfast_submit_options). */
    uint32_t struct_size;
    /** The most retries of a failed attempt to open a connection; 0 as configured (retry_max), HOLDFAST_NO_RETRY never. */
    int32_t retries;
    /**
     * Limit in milliseconds for getting a connection, counted from the submission: waiting for a turn, queueing, opening,
     * retries and the waits between them; 0 for none but that of each attempt (connection_timeout). Connections in hand
     * have no such limit.
     */
    uint64_t timeout_ms;
    /**
     * Limit in milliseconds for the statement, from when it runs or as deadline_covers_wait says; 0 for the connection's own
     * (statement_deadline).
     */
    uint64_t deadline_ms;
    /** A HOLDFAST_FORMAT_ constant. Of a pipeline each request says that for itself. */
    int32_t result_format;
    /**
     * 1 to have the result of a single statement packed by the thread that ran it, so that completion.pack is set instead of
     * completion.result; else 0.
     */
    int32_t pack;
    /**
     * 1 if the statement may be repeated, as holdfast_acquire_options.idempotent says; else 0. For a single statement that is
     * submitted to a pool.
     */
    int32_t idempotent;
    /**
     * 1 to count deadline_ms from the submission, so that it is the limit of the whole: waiting for a turn, getting a connection,
     * for which it is the limit if timeout_ms is none or longer, and the statement with what is left; else 0.
     */
    int32_t deadline_covers_wait;
    /**
     * 1 to have the outcome of each statement of a pipeline in a completion of its own as it comes, before the last completion of
     * the request; else 0. See holdfast_submit_pipeline.
     */
    int32_t in_parts;
    /**
     * 1 to have what the server remarks while the request runs (WARNING, NOTICE and the like) in completion.notices; else 0. Such
     * a request is never sent together with others. Not for connections and transactions.
     */
    int32_t notices;
} holdfast_submit_options;

/** Submits one statement for any connection of the pool, as holdfast_pool_query does it; completion.result. Any thread. */
HOLDFAST_API
holdfast_status holdfast_submit_query(const holdfast_pool *pool,
                                      const holdfast_queue *queue,
                                      uint64_t tag,
                                      const holdfast_submit_options *options,
                                      const char *sql,
                                      size_t sql_len,
                                      const holdfast_param *params,
                                      size_t nparams,
                                      uint64_t *request,
                                      holdfast_error **error);

/**
 * Submits a prepared statement for any connection of the pool, as holdfast_pool_execute does it; completion.result. Any
 * thread.
 */
HOLDFAST_API
holdfast_status holdfast_submit_execute(const holdfast_pool *pool,
                                        const holdfast_queue *queue,
                                        uint64_t tag,
                                        const holdfast_submit_options *options,
                                        const holdfast_statement *statement,
                                        const holdfast_param *params,
                                        size_t nparams,
                                        uint64_t *request,
                                        holdfast_error **error);

/**
 * Submits a text of one or more statements for any connection of the pool, as holdfast_connection_script does it;
 * completion.results. Session settings that it makes stay with that connection. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_submit_script(const holdfast_pool *pool,
                                       const holdfast_queue *queue,
                                       uint64_t tag,
                                       const holdfast_submit_options *options,
                                       const char *sql,
                                       size_t sql_len,
                                       uint64_t *request,
                                       holdfast_error **error);

/**
 * Submits count statements to be sent at once on any connection of the pool, as holdfast_connection_pipeline does it;
 * completion.outcomes. With HOLDFAST_PIPELINE_TOGETHER they are a transaction. Any thread.
 *
 * With in_parts=1 of the options the outcomes come one by one instead, in order, each in a completion with more=1, the number of
 * its statement as index, and result, or error and status: with HOLDFAST_PIPELINE_SEPARATE as soon as the server's reply has
 * come, with HOLDFAST_PIPELINE_TOGETHER when the transaction was committed or has failed, since nothing is certain before. A
 * last completion with more=0 ends the request; its status is what holdfast_connection_pipeline returns. If that is a failure,
 * of a lost connection for example, what came before it stands, and what became of the other statements is unknown. A request
 * in parts takes as much of the queue's capacity as it may have completions: one more than statements.
 * HOLDFAST_STATUS_QUEUE_FULL if there is no room for them.
 */
HOLDFAST_API
holdfast_status holdfast_submit_pipeline(const holdfast_pool *pool,
                                         const holdfast_queue *queue,
                                         uint64_t tag,
                                         const holdfast_submit_options *options,
                                         const holdfast_request *requests,
                                         size_t count,
                                         int32_t mode,
                                         uint64_t *request,
                                         holdfast_error **error);

/**
 * Asks for a connection, as holdfast_pool_acquire does; completion.connection. It counts as checked out while its
 * completion waits. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_submit_acquire(const holdfast_pool *pool,
                                        const holdfast_queue *queue,
                                        uint64_t tag,
                                        const holdfast_submit_options *options,
                                        uint64_t *request,
                                        holdfast_error **error);

/**
 * Submits a transaction, which a thread of the library runs as holdfast_pool_transaction does: body is called there, perhaps
 * several times, and may block in calls that use its connection. completion.status is what holdfast_pool_transaction would
 * have returned, completion.error its error; there is nothing else, so body leaves its results at user_data. options are
 * about getting connections: their deadline_ms must be 0, since timeout_ms of transaction_options is the limit of the whole,
 * from when it runs first. destroy, which may be NULL, is called once with user_data after the last use, perhaps after the
 * completion was drained; if this call fails, user_data stays with the caller, and destroy is not called. Cancelling it has
 * the server cancel what its body runs, or keeps it from being run again, but does nothing once COMMIT was sent. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_submit_transaction(const holdfast_pool *pool,
                                            const holdfast_queue *queue,
                                            uint64_t tag,
                                            const holdfast_submit_options *options,
                                            const holdfast_transaction_options *transaction_options,
                                            holdfast_transaction_body body,
                                            void *user_data,
                                            holdfast_destroy destroy,
                                            uint64_t *request,
                                            holdfast_error **error);

/* ==== Submitting the end of a pool ========================================================================
 */

/**
 * Has a thread of the library close the pool, as holdfast_pool_close does it, so that an event loop need not wait for that:
 * timeout_ms is the limit, HOLDFAST_CONFIGURED the option close_timeout. completion.idle_closed, .returned, .cancelled and .cut
 * are the report. Requests that wait for a connection then end with HOLDFAST_STATUS_POOL_CLOSED; those that run are awaited, and
 * their completions come before this one or soon after it. Submitting it twice is harmless, also for a pool that is closed.
 * The handle of the pool may be freed right after this call: the request keeps the pool. Cancelling the request keeps the pool
 * from being closed if that has not begun, and does nothing after. Any thread.
 */
HOLDFAST_API
holdfast_status holdfast_submit_close(const holdfast_pool *pool,
                                      const holdfast_queue *queue,
                                      uint64_t tag,
                                      uint64_t timeout_ms,
                                      uint64_t *request,
                                      holdfast_error **error);

/* ==== Submitting to a connection in hand ==================================================================
 *
 * Requests submitted to a connection run in that order, one after the other, however many connections other requests
 * wait for. Until all of them are done, calls that use the connection return HOLDFAST_STATUS_BUSY, and so do these
 * while such a call is under way. Else they are like those above. An event loop runs a transaction of statements that
 * depend on each other so: holdfast_submit_acquire, then holdfast_submit_connection_begin, statements, and
 * holdfast_submit_connection_commit.
 */

/** Submits one statement for a connection in hand, as holdfast_connection_query does it; completion.result. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_query(holdfast_connection *connection,
                                                 const holdfast_queue *queue,
                                                 uint64_t tag,
                                                 const holdfast_submit_options *options,
                                                 const char *sql,
                                                 size_t sql_len,
                                                 const holdfast_param *params,
                                                 size_t nparams,
                                                 uint64_t *request,
                                                 holdfast_error **error);

/** Submits a prepared statement for a connection in hand, as holdfast_connection_execute does it; completion.result. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_execute(holdfast_connection *connection,
                                                   const holdfast_queue *queue,
                                                   uint64_t tag,
                                                   const holdfast_submit_options *options,
                                                   const holdfast_statement *statement,
                                                   const holdfast_param *params,
                                                   size_t nparams,
                                                   uint64_t *request,
                                                   holdfast_error **error);

/**
 * Submits a text of one or more statements for a connection in hand, as holdfast_connection_script does it;
 * completion.results.
 */
HOLDFAST_API
holdfast_status holdfast_submit_connection_script(holdfast_connection *connection,
                                                  const holdfast_queue *queue,
                                                  uint64_t tag,
                                                  const holdfast_submit_options *options,
                                                  const char *sql,
                                                  size_t sql_len,
                                                  uint64_t *request,
                                                  holdfast_error **error);

/**
 * Submits count statements to be sent at once on a connection in hand, as holdfast_connection_pipeline does it;
 * completion.outcomes; or in parts, as holdfast_submit_pipeline says.
 */
HOLDFAST_API
holdfast_status holdfast_submit_connection_pipeline(holdfast_connection *connection,
                                                    const holdfast_queue *queue,
                                                    uint64_t tag,
                                                    const holdfast_submit_options *options,
                                                    const holdfast_request *requests,
                                                    size_t count,
                                                    int32_t mode,
                                                    uint64_t *request,
                                                    holdfast_error **error);

/** Submits the beginning of a transaction on a connection in hand, as holdfast_connection_begin does it. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_begin(holdfast_connection *connection,
                                                 const holdfast_queue *queue,
                                                 uint64_t tag,
                                                 const holdfast_submit_options *options,
                                                 const holdfast_transaction_options *transaction_options,
                                                 uint64_t *request,
                                                 holdfast_error **error);

/** Submits the commit of the transaction that is open on a connection in hand, as holdfast_connection_commit does it. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_commit(holdfast_connection *connection,
                                                  const holdfast_queue *queue,
                                                  uint64_t tag,
                                                  const holdfast_submit_options *options,
                                                  uint64_t *request,
                                                  holdfast_error **error);

/** Submits the rollback of the transaction that is open on a connection in hand, as holdfast_connection_rollback does it. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_rollback(holdfast_connection *connection,
                                                    const holdfast_queue *queue,
                                                    uint64_t tag,
                                                    const holdfast_submit_options *options,
                                                    uint64_t *request,
                                                    holdfast_error **error);

/**
 * Submits the preparation of a statement on a connection in hand, as holdfast_connection_prepare does it;
 * completion.statement, which may be run on any connection.
 */
HOLDFAST_API
holdfast_status holdfast_submit_connection_prepare(holdfast_connection *connection,
                                                   const holdfast_queue *queue,
                                                   uint64_t tag,
                                                   const holdfast_submit_options *options,
                                                   const char *sql,
                                                   size_t sql_len,
                                                   const uint32_t *types,
                                                   size_t ntypes,
                                                   uint64_t *request,
                                                   holdfast_error **error);

/** Submits a savepoint on a connection in hand, as holdfast_connection_savepoint sets it. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_savepoint(holdfast_connection *connection,
                                                     const holdfast_queue *queue,
                                                     uint64_t tag,
                                                     const holdfast_submit_options *options,
                                                     const char *name,
                                                     size_t name_len,
                                                     uint64_t *request,
                                                     holdfast_error **error);

/** Submits the undoing of what was done since a savepoint, as holdfast_connection_rollback_to does it. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_rollback_to(holdfast_connection *connection,
                                                       const holdfast_queue *queue,
                                                       uint64_t tag,
                                                       const holdfast_submit_options *options,
                                                       const char *name,
                                                       size_t name_len,
                                                       uint64_t *request,
                                                       holdfast_error **error);

/** Submits the release of a savepoint, as holdfast_connection_release_savepoint does it. */
HOLDFAST_API
holdfast_status holdfast_submit_connection_release_savepoint(holdfast_connection *connection,
                                                             const holdfast_queue *queue,
                                                             uint64_t tag,
                                                             const holdfast_submit_options *options,
                                                             const char *name,
                                                             size_t name_len,
                                                             uint64_t *request,
                                                             holdfast_error **error);

/* ==== Submitting for rows in portions =====================================================================
 *
 * For results larger than memory, in threads that must not wait: a stream is opened on a connection in hand, and each
 * portion is a request of its own. The next rows are read from the server only when a portion is submitted for, so the
 * program sets the pace, and the server is held back meanwhile. Two or more portions submitted for at a time have the
 * next one read while the program works on the last.
 *
 * These requests run in order with all others of the connection (see above), which it must be while a stream is open on it:
 * other statements end with HOLDFAST_STATUS_MISUSE until the stream has ended or was freed. Cancelling a portion has the
 * server cancel the statement, and so ends the stream.
 */

/**
 * Submits a statement whose rows are read in portions, for a connection in hand, as holdfast_connection_stream does it;
 * completion.stream, whose columns are known. deadline_ms of the options is for the beginning of the statement only. If the
 * queue is freed before the completion was drained, the stream ends as by holdfast_stream_free.
 */
HOLDFAST_API
holdfast_status holdfast_submit_connection_stream(holdfast_connection *connection,
                                                  const holdfast_queue *queue,
                                                  uint64_t tag,
                                                  const holdfast_submit_options *options,
                                                  const char *sql,
                                                  size_t sql_len,
                                                  const holdfast_param *params,
                                                  size_t nparams,
                                                  uint64_t *request,
                                                  holdfast_error **error);

/**
 * Submits for the next rows of a stream, as holdfast_stream_next reads them: at least one and at most max_rows, which is not
 * 0; completion.result, or completion.pack with pack=1 of the options. Both are NULL at the end, with HOLDFAST_STATUS_OK, also
 * for what was submitted beyond it. After a failure, further ones fail too. deadline_ms of the options is for these rows; the
 * connection is lost when it passes. The stream may have been opened by holdfast_connection_stream as well, and may be freed
 * while requests of it wait: they run first. HOLDFAST_STATUS_BUSY if another thread is in a call on the connection,
 * HOLDFAST_STATUS_MISUSE if the connection was given back.
 */
HOLDFAST_API
holdfast_status holdfast_submit_stream_next(holdfast_stream *stream,
                                            const holdfast_queue *queue,
                                            uint64_t tag,
                                            const holdfast_submit_options *options,
                                            size_t max_rows,
                                            uint64_t *request,
                                            holdfast_error **error);

/* ==== Submitting for COPY =================================================================================
 *
 * A COPY is begun on a connection in hand, and each piece of its data is a request of its own: of data for a table the
 * completion says that the library took it, so that a program which keeps few of them under way is held back with the server;
 * data out of a table is read only when it is submitted for. These requests run in order with all others of the connection (see
 * above), on which other statements end with HOLDFAST_STATUS_MISUSE until the copy is over. Cancelling one that runs has the
 * server cancel the statement, and so ends the copy.
 */

/**
 * Submits the beginning of a COPY ... FROM STDIN on a connection in hand, as holdfast_connection_copy_in does it;
 * completion.copy_in. If the queue is freed before the completion was drained, the copy ends as by holdfast_copy_in_free.
 */
HOLDFAST_API
holdfast_status holdfast_submit_connection_copy_in(holdfast_connection *connection,
                                                   const holdfast_queue *queue,
                                                   uint64_t tag,
                                                   const holdfast_submit_options *options,
                                                   const char *sql,
                                                   size_t sql_len,
                                                   uint64_t *request,
                                                   holdfast_error **error);

/**
 * Submits len bytes of data, which are copied, as holdfast_copy_in_write sends them. Its completion comes when the library has
 * taken them in: gathered or sent, which waits for a server that cannot keep up. Submit the next piece when that comes, or have
 * a few under way: what is submitted is in memory until then. An error of the server may come with a later piece, or at the
 * end; the copy is then over, and what is submitted of it still ends with HOLDFAST_STATUS_MISUSE. If a piece is cancelled, or its
 * queue freed, before it was sent, the copy cannot go on: pieces and the end then give HOLDFAST_STATUS_MISUSE, so that no data
 * with a gap is committed.
 */
HOLDFAST_API
holdfast_status holdfast_submit_copy_in_write(holdfast_copy_in *copy,
                                              const holdfast_queue *queue,
                                              uint64_t tag,
                                              const holdfast_submit_options *options,
                                              const void *data,
                                              size_t len,
                                              uint64_t *request,
                                              holdfast_error **error);

/**
 * Submits the end of the data, as holdfast_copy_in_finish does it; completion.rows. It runs after all pieces submitted before,
 * also after one that failed: then it ends with HOLDFAST_STATUS_MISUSE, and nothing of the copy stays.
 */
HOLDFAST_API
holdfast_status holdfast_submit_copy_in_finish(holdfast_copy_in *copy,
                                               const holdfast_queue *queue,
                                               uint64_t tag,
                                               const holdfast_submit_options *options,
                                               uint64_t *request,
                                               holdfast_error **error);

/** Submits the giving up of a copy into a table, as holdfast_copy_in_abort does it: nothing of it stays. */
HOLDFAST_API
holdfast_status holdfast_submit_copy_in_abort(holdfast_copy_in *copy,
                                              const holdfast_queue *queue,
                                              uint64_t tag,
                                              const holdfast_submit_options *options,
                                              const char *reason,
                                              size_t reason_len,
                                              uint64_t *request,
                                              holdfast_error **error);

/**
 * Submits the beginning of a COPY ... TO STDOUT on a connection in hand, as holdfast_connection_copy_out does it;
 * completion.copy_out. If the queue is freed before the completion was drained, the copy ends as by holdfast_copy_out_free.
 */
HOLDFAST_API
holdfast_status holdfast_submit_connection_copy_out(holdfast_connection *connection,
                                                    const holdfast_queue *queue,
                                                    uint64_t tag,
                                                    const holdfast_submit_options *options,
                                                    const char *sql,
                                                    size_t sql_len,
                                                    uint64_t *request,
                                                    holdfast_error **error);

/**
 * Submits for the next data of a copy: whole rows in text and CSV format, gathered until they are min_bytes (1 for one row; 65536
 * suits most) or the end has come; completion.chunk. That is NULL at the end, with HOLDFAST_STATUS_OK and completion.rows.
 * min_bytes is not 0. deadline_ms of the options is for this data; the connection is lost when it passes.
 */
HOLDFAST_API
holdfast_status holdfast_submit_copy_out_read(holdfast_copy_out *copy,
                                              const holdfast_queue *queue,
                                              uint64_t tag,
                                              const holdfast_submit_options *options,
                                              size_t min_bytes,
                                              uint64_t *request,
                                              holdfast_error **error);

#ifdef __cplusplus
}
#endif

#endif /* HOLDFAST_H */
