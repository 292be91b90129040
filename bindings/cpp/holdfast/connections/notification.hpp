// Part of holdfast.hpp: notifications.
#ifndef HOLDFAST_CONNECTIONS_NOTIFICATION_HPP
#define HOLDFAST_CONNECTIONS_NOTIFICATION_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "../detail/native.hpp"

#include <cstdint>
#include <string_view>

namespace holdfast {

/// A notification that NOTIFY sent.
class notification {
public:
    notification() = default;
    /// Takes the handle over.
    explicit notification(holdfast_notification *it) noexcept : it_(it) {}

    std::string_view channel() const noexcept { return detail::view(holdfast_notification_channel(it_.get())); }
    std::string_view payload() const noexcept { return detail::view(holdfast_notification_payload(it_.get())); }
    /// The process id of the session that sent it.
    std::uint32_t backend_pid() const noexcept { return holdfast_notification_backend_pid(it_.get()); }
    const holdfast_notification *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_notification, holdfast_notification_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_CONNECTIONS_NOTIFICATION_HPP
