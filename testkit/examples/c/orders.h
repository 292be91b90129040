/* A part of a service in C: orders are written down, on a pool of the whole process. */
#ifndef ORDERS_H
#define ORDERS_H

#include <holdfast.h>

/* Opens the pool. Returns NULL, or the error, which is the caller's to free. */
holdfast_error *orders_open(const char *url, holdfast_pool **pool);

/* Writes so many orders down. Returns NULL, or the error of the first that failed. */
holdfast_error *orders_take(const holdfast_pool *pool, int count);

#endif
