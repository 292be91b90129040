#include "event_fanout.h"

#include <algorithm>

#include "../runtime/values.h"

namespace holdfast_node {

void EventFanout::add(const Listener &listener)
{
    std::lock_guard<std::mutex> lock(mutex_);
    listeners_.push_back(listener);
}

void EventFanout::remove(const Listener &listener)
{
    std::lock_guard<std::mutex> lock(mutex_);
    auto found = std::find_if(listeners_.begin(), listeners_.end(), [&](const Listener &each) {
        return each.mailbox == listener.mailbox && each.tag == listener.tag;
    });
    if (found != listeners_.end())
        listeners_.erase(found);
}

void EventFanout::send(MessageKind kind, holdfast_status status,
                    const std::function<napi_value(napi_env, Runtime &)> &payload)
{
    std::vector<Listener> listeners;
    {
        std::lock_guard<std::mutex> lock(mutex_);
        listeners = listeners_;
    }
    for (const Listener &each : listeners)
        each.mailbox->send({kind, each.tag, status, payload});
}

namespace {

std::string owned(holdfast_str text)
{
    return std::string(text.ptr, text.len);
}

std::shared_ptr<EventFanout> &fanout_of(void *user_data)
{
    return *static_cast<std::shared_ptr<EventFanout> *>(user_data);
}

void forget(void *user_data)
{
    delete static_cast<std::shared_ptr<EventFanout> *>(user_data);
}

// An event as it was, for when its callback has returned.
struct EventCopy {
    explicit EventCopy(const holdfast_event &event)
        : kind(event.kind), unix_ms(event.unix_us / 1000.0),
          took_us(event.took_us == HOLDFAST_NO_DURATION ? -1.0 : static_cast<double>(event.took_us)),
          connection(static_cast<double>(event.connection)), pid(event.backend_pid), from(event.from), to(event.to),
          status(event.status), pool(owned(event.pool)), reason(owned(event.reason)), message(owned(event.message)),
          sqlstate(owned(event.sqlstate)),
          error(holdfast_error_clone(event.error), holdfast_error_free)
    {
    }

    napi_value object(napi_env env) const
    {
        Object object(env);
        object.set("kind", make(env, holdfast_event_name(kind)))
            .set("time", unix_ms)
            .set("pool", make(env, pool))
            .set("connection", connection)
            .set("processID", static_cast<double>(pid))
            .set("from", static_cast<double>(from))
            .set("to", static_cast<double>(to))
            .set("reason", make(env, reason))
            .set("message", make(env, message));
        if (!sqlstate.empty())
            object.set("sqlstate", make(env, sqlstate));
        if (took_us >= 0)
            object.set("tookMillis", took_us / 1000.0);
        if (status != HOLDFAST_STATUS_OK)
            object.set("failure", holdfast_status_name(status));
        if (error)
            object.set("error", describe(env, error.get()));
        return object.value();
    }

    int32_t kind;
    double unix_ms, took_us, connection;
    uint32_t pid, from, to;
    holdfast_status status;
    std::string pool, reason, message, sqlstate;
    std::shared_ptr<holdfast_error> error;
};

void on_event(void *user_data, const holdfast_event *event)
{
    switch (event->kind) {
    // Every checkout makes these, and JavaScript knows of its checkouts itself.
    case HOLDFAST_EVENT_ACQUIRED:
    case HOLDFAST_EVENT_RELEASED:
    case HOLDFAST_EVENT_WAITED:
        return;
    }
    auto copy = std::make_shared<const EventCopy>(*event);
    fanout_of(user_data)->send(MessageKind::event, event->status,
                                 [copy](napi_env env, Runtime &) { return copy->object(env); });
}

void on_record(void *user_data, const holdfast_log_record *record)
{
    int32_t level = record->level;
    std::string message = owned(record->message);
    fanout_of(user_data)->send(MessageKind::log, level, [level, message](napi_env env, Runtime &) {
        return Object(env).set("level", static_cast<double>(level)).set("message", make(env, message)).value();
    });
}

} // namespace

holdfast_status tell(holdfast_config *config, const std::shared_ptr<EventFanout> &fanout, int32_t level,
                     holdfast_error **error)
{
    auto *told = new std::shared_ptr<EventFanout>(fanout);
    holdfast_status status = holdfast_config_set_event(config, on_event, told, forget, error);
    if (status != HOLDFAST_STATUS_OK) {
        delete told;
        return status;
    }
    if (level <= HOLDFAST_LOG_OFF)
        return status;
    told = new std::shared_ptr<EventFanout>(fanout);
    status = holdfast_config_set_log(config, level, on_record, told, forget, error);
    if (status != HOLDFAST_STATUS_OK)
        delete told;
    return status;
}

} // namespace holdfast_node
