// A first program: c++ -std=c++17 quick_start.cpp $(pkg-config --cflags --libs holdfast)
#include <holdfast.hpp>

#include <chrono>
#include <iostream>

int main(int argc, char **argv)
{
    using namespace std::chrono_literals;
    try {
        holdfast::pool pool(argc > 1 ? argv[1] : "postgresql://localhost/postgres"); // opens no connection yet

        // Check out, query, give back: one call.
        for (auto row : pool.query("select n, n * n, nullif(n, 2) from generate_series(1, $1) n", 3)) {
            auto [n, square, odd] = row.as<int, int, std::optional<int>>();
            std::cout << n << " squared is " << square << (odd ? "\n" : " (even)\n");
        }

        // Or keep a connection for a while; it goes back at the end of its block. Statements get two seconds each.
        auto connection = pool.acquire();
        connection.set_deadline(2s);
        auto result = connection.query("select $1 as who, $2::float8 as size", "ada", 1.6);
        std::cout << result[0]["who"].as<std::string_view>() << " is " << result[0]["size"].as<double>() << " m tall\n";

        connection.script("create temp table guest (name text constraint once unique)");
        try {
            for (auto name : {"bob", "bob"}) {
                connection.query("insert into guest values ($1)", name);
            }
        } catch (const holdfast::error &error) {
            std::cout << "refused: " << error.sqlstate() << ", constraint " << error.constraint() << '\n';
        }
    } catch (const holdfast::error &error) {
        // One line that says what failed, where, how often it was tried, how the pool stood, and what to do.
        std::cerr << error.what() << '\n';
        return 1;
    }
}
