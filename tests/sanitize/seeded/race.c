/* Wrong on purpose: a thread frees an error while another asks it. Both touch the memory in the library, not here, and
 * nothing says which comes first. */
#include "check.h"

#include <pthread.h>
#include <time.h>

static void *ask(void *error)
{
    return holdfast_error_status(error) == HOLDFAST_STATUS_MISUSE ? error : NULL;
}

int main(void)
{
    struct timespec pause = {0, 300000000};
    holdfast_error *error;
    pthread_t thread;

    CHECK(holdfast_check_version(0, &error) == HOLDFAST_STATUS_MISUSE);
    CHECK(pthread_create(&thread, NULL, ask, error) == 0);
    nanosleep(&pause, NULL); /* long after, and yet not ordered */
    holdfast_error_free(error);
    CHECK(pthread_join(thread, NULL) == 0);
    return 0;
}
