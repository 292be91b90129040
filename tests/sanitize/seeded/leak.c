/* Wrong on purpose: what the library allocated is never freed, and nothing points to it at the end. */
#include "check.h"

int main(void)
{
    for (int i = 0; i < 100; i++)
        CHECK(holdfast_config_new() != NULL);
    return 0;
}
