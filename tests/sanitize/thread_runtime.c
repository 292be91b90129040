/* What stands between code that rustc instrumented for ThreadSanitizer and the runtime that comes with gcc.
 *
 * Linked with --wrap for both __tsan_atomic*_fetch_sub. */
#include <stdint.h>
#include <string.h>

/* The compiler of Rust names these of its own; the runtime watches the functions of the C library instead. */
void *__tsan_memcpy(void *to, const void *from, size_t size)
{
    return memcpy(to, from, size);
}

void *__tsan_memmove(void *to, const void *from, size_t size)
{
    return memmove(to, from, size);
}

void *__tsan_memset(void *to, int byte, size_t size)
{
    return memset(to, byte, size);
}

/* Counts of owners go down with release, and whoever brings one to zero follows with an acquire fence before it frees.
 * ThreadSanitizer does not know fences. The standard library would use none if it had been built for it, which the one
 * that comes with the compiler was not. So counting down is acquire here as well: what an Arc orders is seen as ordered,
 * and a race is missed only where somebody counts down with release and forgets the fence. */
enum { RELEASE = 3, ACQUIRE_AND_RELEASE = 4 };

#define COUNTING_DOWN(bits)                                                                                          \
    uint##bits##_t __real___tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t *at, uint##bits##_t by, int order); \
    uint##bits##_t __wrap___tsan_atomic##bits##_fetch_sub(volatile uint##bits##_t *at, uint##bits##_t by, int order)  \
    {                                                                                                                \
        order = order == RELEASE ? ACQUIRE_AND_RELEASE : order;                                                      \
        return __real___tsan_atomic##bits##_fetch_sub(at, by, order);                                                \
    }

COUNTING_DOWN(32)
COUNTING_DOWN(64)
