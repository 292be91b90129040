// Part of holdfast.hpp: configurations.
#ifndef HOLDFAST_POOLS_CONFIG_HPP
#define HOLDFAST_POOLS_CONFIG_HPP

#include <holdfast.h>

#include "../connections/connection.hpp"
#include "../detail/call.hpp"
#include "../detail/digits.hpp"
#include "../detail/handle.hpp"
#include "../detail/native.hpp"
#include "../detail/text.hpp"
#include "../detail/traits.hpp"
#include "../library/error.hpp"
#include "event.hpp"
#include "log_record.hpp"
#include "password_request.hpp"

#include <chrono>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>

namespace holdfast {

/// Everything a pool needs to know. One thread at a time.
class config {
public:
    /// Environment and defaults decide.
    config() : it_(holdfast_config_new()) {}
    /// Takes the handle over.
    explicit config(holdfast_config *it) noexcept : it_(it) {}

    /// With the defaults for production, whatever the environment says.
    static config production() { return config(holdfast_config_production()); }
    /// With the defaults for development, whatever the environment says.
    static config development() { return config(holdfast_config_development()); }
    /// From a connection string: a postgresql:// URL or key=value pairs, as libpq takes them.
    static config from_url(std::string_view url)
    {
        return config(detail::made<holdfast_config>([&](holdfast_config **made, holdfast_error **about) {
            return holdfast_config_from_url(url.data(), url.size(), made, about);
        }));
    }
    /// From DATABASE_URL and the other variables of the environment.
    static config from_env()
    {
        return config(detail::made<holdfast_config>(
            [&](holdfast_config **made, holdfast_error **about) { return holdfast_config_from_env(made, about); }));
    }

    /// Sets one option: from text ("15s"), a number, a bool, or a duration (15s). Unknown options and values that are not
    /// allowed throw status::config.
    ///
    ///     config.set("max_size", 8).set("idle_timeout", 15s).set("sslmode", "require");
    template <class T>
    config &set(std::string_view key, const T &value)
    {
        if constexpr (std::is_same_v<T, bool>) {
            set_text(key, value ? "true" : "false");
        } else if constexpr (detail::is_number<T>) {
            set_text(key, detail::digits(value));
        } else if constexpr (detail::is_duration<T>) {
            const auto count = std::chrono::duration_cast<std::chrono::microseconds>(value).count();
            const bool whole = count % 1000 == 0;
            set_text(key, std::to_string(whole ? count / 1000 : count) + (whole ? "ms" : "us"));
        } else {
            set_text(key, value);
        }
        return *this;
    }
    /// Sets everything that a connection string says; what it does not mention stays.
    config &set_url(std::string_view url)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_url(it_.get(), url.data(), url.size(), about);
        });
        return *this;
    }
    /// The effective value of an option, wherever it comes from; a secret is shown as "***". Copies.
    std::optional<std::string> get(std::string_view key) const
    {
        return detail::text([&](holdfast_text **made, holdfast_error **about) {
            return holdfast_config_get(it_.get(), key.data(), key.size(), made, about);
        });
    }
    /// Checks the whole; status::config names the first fault found.
    void validate() const
    {
        detail::call([&](holdfast_error **about) { return holdfast_config_validate(it_.get(), about); });
    }

    /// Sends the log records of this level and above, of pools made from this configuration, to `function`. It is
    /// called by several threads at once, must return soon, and must not make calls that block (status::reentrant). An
    /// exception it throws is dropped. It lives until configuration and pools are done with it.
    config &on_log(log_level level, std::function<void(const log_record &)> function)
    {
        auto kept = std::make_unique<told_function<log_record>>(std::move(function));
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_log(it_.get(), static_cast<std::int32_t>(level), tell_record, kept.get(),
                                           forget<told_function<log_record>>, about);
        });
        kept.release();
        return *this;
    }
    /// Reports every event of pools made from this configuration to `function` as it happens, with the same rules. An
    /// empty function ends what an earlier call began, for pools yet to be made.
    ///
    ///     config.on_event([](const holdfast::event &event) {
    ///         if (event.kind == holdfast::event_kind::alert_raised) {
    ///             page_somebody(event.message);
    ///         }
    ///     });
    config &on_event(std::function<void(const event &)> function)
    {
        if (!function) {
            // NULL, not an empty callback: without a callback, checkouts cost nothing more.
            detail::call([&](holdfast_error **about) {
                return holdfast_config_set_event(it_.get(), nullptr, nullptr, nullptr, about);
            });
            return *this;
        }
        auto kept = std::make_unique<told_function<event>>(std::move(function));
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_event(it_.get(), tell_event, kept.get(), forget<told_function<event>>, about);
        });
        kept.release();
        return *this;
    }

    /// Has `function` set up every new session of pools made from this configuration, before its connection is given out: a
    /// role, a time zone, search_path. That is part of opening it: statements count against connection_timeout, and an
    /// exception closes the session and is the opening's failure, with phase() "setup". A holdfast::error of the library
    /// keeps its text and SQLSTATE; of another exception only status::config is left. It is called by several threads at once,
    /// and must not acquire a connection of the same pool (status::misuse). An empty function ends what an earlier call began.
    ///
    ///     config.on_connect([](holdfast::connection_ref connection) { connection.query("set time zone 'UTC'"); });
    config &on_connect(std::function<void(connection_ref)> function)
    {
        auto kept = function ? std::make_unique<set_up_function>(std::move(function)) : nullptr;
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_connect(it_.get(), kept ? set_up : nullptr, kept.get(),
                                               kept ? forget<set_up_function> : nullptr, about);
        });
        kept.release();
        return *this;
    }

    /// Asks `function` for the password at each opening of a session by pools made from this configuration, in place of the
    /// option and the password file. It is called by several threads at once, may block for the request's timeout, and must not
    /// make calls of this library that block. An exception it throws is the cause of the failed attempt (status::auth,
    /// retryable), with the text of its what(). An empty function ends what an earlier call began, for pools yet to be made.
    ///
    ///     config.password_with([&](const holdfast::password_request &session) {
    ///         return vault.token_for(session.user, session.was_refused);
    ///     });
    config &password_with(std::function<std::string(const password_request &)> function)
    {
        if (!function) {
            detail::call([&](holdfast_error **about) {
                return holdfast_config_set_password(it_.get(), nullptr, nullptr, nullptr, about);
            });
            return *this;
        }
        auto kept = std::make_unique<password_function>(std::move(function));
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set_password(it_.get(), ask_password, kept.get(), forget<password_function>, about);
        });
        kept.release();
        return *this;
    }

    /// Returns a copy that can be changed on its own.
    config clone() const noexcept { return config(holdfast_config_clone(it_.get())); }
    holdfast_config *native() const noexcept { return it_.get(); }

private:
    void set_text(std::string_view key, std::string_view value)
    {
        detail::call([&](holdfast_error **about) {
            return holdfast_config_set(it_.get(), key.data(), key.size(), value.data(), value.size(), about);
        });
    }

    // What is kept for the library to call.
    template <class Told>
    using told_function = std::function<void(const Told &)>;
    using set_up_function = std::function<void(connection_ref)>;
    using password_function = std::function<std::string(const password_request &)>;

    // Called by the library.
    static void tell_record(void *user_data, const holdfast_log_record *it) noexcept
    {
        tell<log_record>(user_data, {static_cast<log_level>(it->level), detail::view(it->message), detail::view(it->pool),
                                     detail::time(it->unix_us)});
    }
    static void tell_event(void *user_data, const holdfast_event *it) noexcept { tell<event>(user_data, event::of(*it)); }
    static holdfast_status set_up(void *user_data, holdfast_connection *connection, holdfast_error **about) noexcept
    {
        try {
            (*static_cast<const set_up_function *>(user_data))(connection_ref(connection));
            return HOLDFAST_STATUS_OK;
        } catch (const error &failure) {
            *about = holdfast_error_clone(failure.native());
            return static_cast<holdfast_status>(failure.status());
        } catch (...) {
            return HOLDFAST_STATUS_CONFIG;
        }
    }
    template <class Told>
    static void tell(void *user_data, const Told &it) noexcept
    {
        try {
            (*static_cast<const told_function<Told> *>(user_data))(it);
        } catch (...) {
            // No caller could catch it, and a log record or event is no reason to end the program.
        }
    }
    static void ask_password(void *user_data, const holdfast_password_request *it, holdfast_password *answer) noexcept
    {
        const auto fail = [&](std::string_view why) {
            holdfast_password_fail(answer, why.data(), why.size(), nullptr);
        };
        try {
            const auto given = (*static_cast<const password_function *>(user_data))(password_request::of(*it));
            if (holdfast_password_give(answer, given.data(), given.size(), nullptr) != HOLDFAST_STATUS_OK)
                fail("it gave what is not UTF-8 or has a NUL inside");
        } catch (const std::exception &thrown) {
            fail(thrown.what());
        } catch (...) {
            fail("it threw what is no std::exception");
        }
    }
    template <class Function>
    static void forget(void *user_data) noexcept
    {
        delete static_cast<Function *>(user_data);
    }

    detail::owned<holdfast_config, holdfast_config_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_POOLS_CONFIG_HPP
