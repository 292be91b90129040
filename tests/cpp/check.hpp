// What the C++ tests share. A test program gets the server's URL as its first argument and returns 0 if all went well.
#ifndef CHECK_HPP
#define CHECK_HPP

#include <holdfast.hpp>

#include <cstdio>
#include <cstdlib>
#include <string>

/* Ends the program if a condition does not hold. */
#define CHECK(...) ((__VA_ARGS__) ? void() : check_failed(__FILE__, __LINE__, #__VA_ARGS__))

/* Ends the program unless an expression throws a holdfast::error with this status. */
#define FAILS(wanted, ...) check_failure(__FILE__, __LINE__, #wanted, wanted, [&] { (void)(__VA_ARGS__); })

// Functions, and not templates, where that can be: they are compiled over and over.
[[noreturn]] inline void check_failed(const char *file, int line, const char *condition)
{
    std::fprintf(stderr, "%s:%d: this should hold: %s\n", file, line, condition);
    std::exit(1);
}

inline holdfast::error check_failure_of(const char *file, int line, const char *name, holdfast::status wanted,
                                        void (*function)(void *), void *data)
{
    try {
        function(data);
    } catch (const holdfast::error &error) {
        if (error.status() == wanted && error.what()[0] != '\0') {
            return error;
        }
        std::fprintf(stderr, "%s:%d: %d instead of %s: %s\n", file, line, static_cast<int>(error.status()), name,
                     error.what());
        std::exit(1);
    }
    std::fprintf(stderr, "%s:%d: no failure instead of %s\n", file, line, name);
    std::exit(1);
}

template <class Function>
holdfast::error check_failure(const char *file, int line, const char *name, holdfast::status wanted, Function function)
{
    return check_failure_of(file, line, name, wanted, [](void *data) { (*static_cast<Function *>(data))(); }, &function);
}

/* A temporary table would be another session's; so each program has a schema of its own, made anew. */
inline std::string own_schema(const std::string &url, const std::string &name)
{
    holdfast::pool pool(url);
    pool.acquire().script("drop schema if exists " + name + " cascade; create schema " + name);
    return url + (url.find('?') == std::string::npos ? "?" : "&") + "options=-csearch_path%3D" + name;
}

/* Runs a test program, and says what went wrong if it did. */
template <class Function>
int run(int argc, char **argv, Function tests)
{
    if (argc < 2) {
        std::fprintf(stderr, "which server?\n");
        return 2;
    }
    try {
        tests(std::string(argv[1]));
    } catch (const std::exception &error) {
        std::fprintf(stderr, "%s\n", error.what());
        return 1;
    }
    return 0;
}

#endif
