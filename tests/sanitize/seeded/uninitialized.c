/* Wrong on purpose: the text given to the library was never written. The library decides by it, not this file. */
#include "check.h"

int main(void)
{
    holdfast_config *config = holdfast_config_new();
    char *key = malloc(8);

    CHECK(config != NULL && key != NULL);
    holdfast_config_set(config, key, 8, "1", HOLDFAST_NUL, NULL);
    free(key);
    holdfast_config_free(config);
    return 0;
}
