// The wrapper compiles and links as it is installed.
#include <holdfast/library/version.hpp>

#include <holdfast.hpp>

#include <cstdio>

int main()
{
    std::printf("version %u\n", static_cast<unsigned>(holdfast_version_number()));
    return holdfast_version_number() == HOLDFAST_VERSION_NUMBER ? 0 : 1;
}
