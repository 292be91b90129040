/* A thread that cancels what a connection does. */
#ifndef CANCELLER_H
#define CANCELLER_H

#include "check.h"

#include <pthread.h>

typedef struct {
    holdfast_cancel *cancel;
    pthread_t thread;
    int is_over;
} Canceller;

/* Again and again: what has not begun yet is not cancelled. */
static inline void *cancel_until_over(void *canceller)
{
    Canceller *const self = canceller;
    holdfast_error *error;
    do {
        pause_ms(50);
        OK(holdfast_cancel_fire(self->cancel, 5000, &error));
    } while (!__atomic_load_n(&self->is_over, __ATOMIC_SEQ_CST));
    return NULL;
}

static inline void begin_cancelling(Canceller *canceller, holdfast_connection *connection)
{
    holdfast_error *error;
    canceller->is_over = 0;
    OK(holdfast_cancel_new(connection, &canceller->cancel, &error));
    CHECK(pthread_create(&canceller->thread, NULL, cancel_until_over, canceller) == 0);
}

static inline void end_cancelling(Canceller *canceller)
{
    __atomic_store_n(&canceller->is_over, 1, __ATOMIC_SEQ_CST);
    CHECK(pthread_join(canceller->thread, NULL) == 0);
    holdfast_cancel_free(canceller->cancel);
}

#endif
