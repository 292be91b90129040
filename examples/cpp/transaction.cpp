// Two threads move money in opposite directions, in transactions that conflict; every run that loses is run again.
#include <holdfast.hpp>

#include <future>
#include <iostream>

struct not_enough {
    int left;
};

int main(int argc, char **argv)
{
    try {
        holdfast::pool pool(argc > 1 ? argv[1] : "postgresql://localhost/postgres");
        pool.acquire().script("drop table if exists example_account;"
                              "create table example_account (owner text, balance int);"
                              "insert into example_account values ('ada', 100), ('bob', 100)");

        auto move = [&](const char *from, const char *to, int amount) {
            holdfast::transaction_options options;
            options.isolation = holdfast::isolation::serializable;
            // Every transaction meets one of the other thread here. Five, the default, are for conflicts now and then.
            options.reruns = 100;
            // Returns what the body returns, once it is committed. The body must not do what cannot be done twice.
            return pool.transaction(options, [&](holdfast::connection_ref &connection) {
                auto left = connection.query("update example_account set balance = balance - $1 "
                                             "where owner = $2 returning balance", amount, from).one().as<int>();
                if (left < 0) {
                    throw not_enough{left}; // rolls back, and arrives below as it is
                }
                connection.query("update example_account set balance = balance + $1 where owner = $2", amount, to);
                return left;
            });
        };
        auto ten_times = [&](const char *from, const char *to) {
            for (int i = 0; i < 10; i++) {
                move(from, to, 5);
            }
        };
        auto other = std::async(std::launch::async, ten_times, "bob", "ada");
        ten_times("ada", "bob");
        other.get(); // throws what the other thread has thrown
        try {
            move("ada", "bob", 1000);
        } catch (const not_enough &missing) {
            std::cout << "ada is short of " << -missing.left << '\n';
        }

        for (auto row : pool.query("select owner, balance from example_account order by owner")) {
            auto [owner, balance] = row.as<std::string_view, int>();
            std::cout << owner << " has " << balance << '\n';
        }
        pool.query("drop table example_account");
    } catch (const holdfast::error &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
