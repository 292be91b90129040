// Requests that run at the same time on the pool's threads, while this one does something else.
#include <holdfast.hpp>

#include <iostream>

int main(int argc, char **argv)
{
    try {
        holdfast::pool pool(argc > 1 ? argv[1] : "postgresql://localhost/postgres");
        holdfast::queue queue; // futures become ready by themselves

        auto slow = pool.submit(queue, "select pg_sleep(0.2), 'slow'");
        auto fast = pool.submit(queue, "select $1 || ' ' || $2", "fast", "too");
        auto wrong = pool.submit(queue, "select 1 / $1::int", 0);

        std::cout << fast.get().one().as<std::string>() << '\n';
        try {
            wrong.get();
        } catch (const holdfast::error &error) {
            std::cout << "wrong: " << error.message() << '\n';
        }
        std::cout << slow.get().one()[1].as<std::string>() << '\n';

        // An event loop waits for the queue's descriptor beside its others, and gets calls on its own thread.
        holdfast::queue_options options;
        options.pumped = true;
        holdfast::queue loop(options);
        int left = 3;
        for (int n = 1; n <= 3; n++) {
            pool.submit(loop.then([&left, n](holdfast::completion<holdfast::result> done) {
                std::cout << n << " squared is " << done.get().one().as<int>() << '\n';
                left--;
            }), "select $1::int * $1::int", n);
        }
        while (left > 0) {
            loop.wait(std::chrono::seconds(1)); // here: poll or epoll with loop.fd()
            loop.pump();
        }
    } catch (const holdfast::error &error) {
        std::cerr << error.what() << '\n';
        return 1;
    }
}
