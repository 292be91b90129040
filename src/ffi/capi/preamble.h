/* Holdfast @VERSION@: a PostgreSQL connection pool that does not let go.
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

#define HOLDFAST_VERSION "@VERSION@"
#define HOLDFAST_VERSION_MAJOR @MAJOR@
#define HOLDFAST_VERSION_MINOR @MINOR@
#define HOLDFAST_VERSION_PATCH @PATCH@
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
