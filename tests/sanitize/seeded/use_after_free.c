/* Wrong on purpose: an error is asked after it was freed. The library reads the memory, not this file. */
#include "check.h"

int main(void)
{
    holdfast_error *error;
    CHECK(holdfast_check_version(0, &error) == HOLDFAST_STATUS_MISUSE);
    holdfast_error_free(error);
    return (int)holdfast_error_status(error);
}
