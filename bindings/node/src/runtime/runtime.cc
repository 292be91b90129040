#include "runtime.h"

#include <algorithm>
#include <cstring>

#include "../pool/shared_pool.h"
#include "socket_watch.h"
#include "values.h"

namespace holdfast_node {

namespace {

// How many completions are taken from the queue at a time, and how long they are collected. How many make a batch is
// lib/native/dispatcher.js' to say.
constexpr size_t taken_most = 32;
constexpr std::chrono::milliseconds batch_time{2};
// How long batches may follow each other in one turn of the event loop.
constexpr std::chrono::milliseconds turn_time{1};
// A pack above this gets a buffer of its own.
constexpr size_t pack_is_small = 32 * 1024;

void called(napi_env env, napi_value, void *, void *)
{
    // NULL while the environment is torn down.
    if (env != nullptr)
        runtime(env).called(env);
}

napi_value packed(napi_env env, const holdfast_results *results)
{
    napi_value list;
    size_t count = holdfast_results_count(results);
    napi_create_array_with_length(env, count, &list);
    for (size_t i = 0; i < count; i++) {
        holdfast_pack *pack = nullptr;
        if (holdfast_result_pack(holdfast_results_get(results, i), &pack, nullptr) != HOLDFAST_STATUS_OK)
            continue;
        napi_set_element(env, list, static_cast<uint32_t>(i), copied(env, holdfast_pack_data(pack)));
        holdfast_pack_free(pack);
    }
    return list;
}

} // namespace

void Mailbox::send(Message message)
{
    {
        std::lock_guard<std::mutex> lock(mutex_);
        if (closed_)
            return;
        messages_.push_back(std::move(message));
    }
    wake();
}

void Mailbox::wake()
{
    if (scheduled.exchange(true))
        return;
    // Under a lock, since the function must not be touched once the environment has let go of it.
    std::lock_guard<std::mutex> lock(calling_);
    if (has_function_)
        napi_call_threadsafe_function(function, nullptr, napi_tsfn_nonblocking);
}

bool Mailbox::take(Message &message)
{
    std::lock_guard<std::mutex> lock(mutex_);
    if (messages_.empty())
        return false;
    message = std::move(messages_.front());
    messages_.pop_front();
    return true;
}

bool Mailbox::empty()
{
    std::lock_guard<std::mutex> lock(mutex_);
    return messages_.empty();
}

void Mailbox::add_body(const std::shared_ptr<Body> &body)
{
    std::lock_guard<std::mutex> lock(mutex_);
    if (closed_) {
        body->finish(HOLDFAST_STATUS_ROLLED_BACK);
        return;
    }
    for (auto &place : bodies_) {
        if (place.expired()) {
            place = body;
            return;
        }
    }
    bodies_.push_back(body);
}

void Mailbox::close()
{
    {
        std::lock_guard<std::mutex> lock(calling_);
        has_function_ = false;
    }
    std::deque<Message> dropped;
    std::lock_guard<std::mutex> lock(mutex_);
    closed_ = true;
    dropped.swap(messages_);
    for (auto &each : bodies_) {
        if (auto body = each.lock())
            body->finish(HOLDFAST_STATUS_ROLLED_BACK);
    }
}

int32_t Runtime::add(HandleKind kind, void *object, bool owned_by_library)
{
    uint32_t index;
    if (free_slots.empty()) {
        index = static_cast<uint32_t>(slots.size());
        slots.emplace_back();
    } else {
        index = free_slots.back();
        free_slots.pop_back();
    }
    Slot &slot = slots[index];
    slot.kind = kind;
    slot.object = object;
    slot.owned_by_library = owned_by_library;
    // 20 bits of place, 11 of generation: a number from before is refused 2047 times out of 2048.
    slot.generation = (slot.generation + 1) & 0x7ff;
    return static_cast<int32_t>(index | (static_cast<uint32_t>(slot.generation) << 20));
}

void *Runtime::get(int32_t handle, HandleKind kind) const
{
    uint32_t index = static_cast<uint32_t>(handle) & 0xfffff;
    if (handle < 0 || index >= slots.size())
        return nullptr;
    const Slot &slot = slots[index];
    bool same = slot.kind == kind && slot.generation == static_cast<uint32_t>(handle) >> 20;
    return same ? slot.object : nullptr;
}

holdfast_pool *Runtime::pool(int32_t handle) const
{
    auto *held = static_cast<SharedPool *>(get(handle, HandleKind::pool));
    return held == nullptr ? nullptr : held->pool();
}

void *Runtime::remove(int32_t handle, HandleKind kind)
{
    void *object = get(handle, kind);
    if (object == nullptr)
        return nullptr;
    uint32_t index = static_cast<uint32_t>(handle) & 0xfffff;
    slots[index].kind = HandleKind::free;
    slots[index].object = nullptr;
    free_slots.push_back(index);
    return object;
}

void Runtime::begun(napi_env env)
{
    if (in_flight++ == 0)
        napi_ref_threadsafe_function(env, mailbox->function);
}

void Runtime::begun(napi_env env, int32_t tag, uint64_t request)
{
    size_t place = static_cast<size_t>(tag);
    if (requests.size() <= place)
        requests.resize(place + 64);
    requests[place] = request;
    begun(env);
}

void Runtime::ended(napi_env env, size_t count)
{
    if (count == 0)
        return;
    in_flight -= count;
    if (in_flight == 0)
        napi_unref_threadsafe_function(env, mailbox->function);
}

void Runtime::drain(napi_env env)
{
    // What comes from here on schedules another turn.
    mailbox->scheduled.store(false);

    napi_value payloads, callback, self, count_value;
    size_t count = 0, used = 0, done = 0;
    auto put = [&](int32_t tag, int32_t kind, holdfast_status status, Payload payload, int32_t number, int32_t more) {
        int32_t *at = words + count * words_each;
        at[0] = tag;
        at[1] = kind;
        at[2] = status;
        at[3] = static_cast<int32_t>(payload);
        at[4] = number;
        at[5] = more;
        count++;
    };
    auto attach_payload = [&](napi_value value) {
        napi_set_element(env, payloads, static_cast<uint32_t>(count), value);
    };
    napi_create_array(env, &payloads);

    // Messages first: what copy to a connection is told before it is checked out again.
    Message message;
    while (count < most && mailbox->take(message)) {
        if (message.payload)
            attach_payload(message.payload(env, *this));
        put(message.tag, static_cast<int32_t>(message.kind), message.status, Payload::value, 0, 0);
        if (message.kind == MessageKind::done)
            done++;
        message = Message{};
    }

    const auto until = std::chrono::steady_clock::now() + batch_time;
    bool more = count == most;
    holdfast_completion completions[taken_most];
    while (!more) {
        size_t room = std::min(most - count, taken_most);
        size_t drained = holdfast_queue_drain(queue, completions, room, sizeof completions[0]);
        for (size_t i = 0; i < drained; i++) {
            holdfast_completion &each = completions[i];
            int32_t tag = static_cast<int32_t>(each.tag);
            requests[each.tag] = 0;
            done++;
            if (each.error != nullptr) {
                attach_payload(describe_and_free(env, each.error));
                put(tag, each.kind, each.status, Payload::error, 0, 0);
            } else if (each.pack != nullptr) {
                holdfast_cell data = holdfast_pack_data(each.pack);
                if (data.len <= pack_is_small && used + data.len <= arena_size) {
                    memcpy(arena + used, data.ptr, data.len);
                    put(tag, each.kind, each.status, Payload::pack_in_arena, static_cast<int32_t>(used),
                        static_cast<int32_t>(data.len));
                    used += data.len;
                } else {
                    attach_payload(copied(env, data));
                    put(tag, each.kind, each.status, Payload::pack_of_its_own, 0, 0);
                }
                holdfast_pack_free(each.pack);
            } else if (each.connection != nullptr) {
                int32_t pid = static_cast<int32_t>(holdfast_connection_backend_pid(each.connection));
                put(tag, each.kind, each.status, Payload::connection, add(HandleKind::connection, each.connection), pid);
            } else if (each.results != nullptr) {
                attach_payload(packed(env, each.results));
                put(tag, each.kind, each.status, Payload::packs, 0, 0);
            } else {
                put(tag, each.kind, each.status, Payload::none, 0, 0);
            }
            holdfast_result_free(each.result);
            holdfast_results_free(each.results);
            holdfast_outcomes_free(each.outcomes);
        }
        if (drained < room)
            break;
        more = count == most || std::chrono::steady_clock::now() > until;
    }

    if (more || !mailbox->empty())
        mailbox->wake();
    if (count > 0) {
        if (!in_turn) {
            in_turn = true;
            turn_ends = std::chrono::steady_clock::now() + turn_time;
        }
        napi_get_reference_value(env, on_batch, &callback);
        napi_get_undefined(env, &self);
        napi_create_uint32(env, static_cast<uint32_t>(count), &count_value);
        napi_value arguments[] = {count_value, payloads};
        napi_call_function(env, self, callback, 2, arguments, nullptr);
    }
    ended(env, done);
}

void Runtime::called(napi_env env)
{
    if (in_turn && std::chrono::steady_clock::now() > turn_ends) {
        // Still scheduled, so that no thread calls again before the next turn.
        deferred = true;
        return;
    }
    drain(env);
}

// The event loop has been round: everything else had its turn.
void Runtime::turned(napi_env env)
{
    in_turn = false;
    if (!deferred)
        return;
    deferred = false;
    drain(env);
}

void Runtime::shut()
{
    SocketWatch::process().forget_all(mailbox);
    // Nobody waits for them any more, and a statement that runs on would keep its connection from others.
    for (uint64_t request : requests) {
        if (request != 0)
            holdfast_request_cancel(queue, request, nullptr);
    }
    mailbox->close();
    napi_release_threadsafe_function(mailbox->function, napi_tsfn_abort);
    for (Slot &slot : slots) {
        switch (slot.kind) {
        case HandleKind::stream:
            delete static_cast<std::shared_ptr<holdfast_stream> *>(slot.object);
            break;
        case HandleKind::copy_in:
            delete static_cast<std::shared_ptr<holdfast_copy_in> *>(slot.object);
            break;
        case HandleKind::copy_out:
            delete static_cast<std::shared_ptr<holdfast_copy_out> *>(slot.object);
            break;
        case HandleKind::connection:
            if (!slot.owned_by_library)
                holdfast_connection_discard(static_cast<holdfast_connection *>(slot.object));
            break;
        case HandleKind::server:
            holdfast_server_free(static_cast<holdfast_server *>(slot.object));
            break;
        case HandleKind::body:
            delete static_cast<std::shared_ptr<Body> *>(slot.object);
            break;
        case HandleKind::asking:
            delete static_cast<std::shared_ptr<Asking> *>(slot.object);
            break;
        default:
            break;
        }
    }
    // What was checked out goes before what it is of.
    for (Slot &slot : slots) {
        if (slot.kind == HandleKind::pool)
            delete static_cast<SharedPool *>(slot.object);
    }
    holdfast_queue_free(queue);
}

namespace {

struct Readiness {
    std::shared_ptr<Mailbox> mailbox;
};

void on_ready(void *user_data)
{
    static_cast<Readiness *>(user_data)->mailbox->wake();
}

void forget_readiness(void *user_data)
{
    delete static_cast<Readiness *>(user_data);
}

void clean_up(void *data)
{
    Runtime *self = static_cast<Runtime *>(data);
    self->shut();
    delete self;
}

} // namespace

Runtime &runtime(napi_env env)
{
    void *data = nullptr;
    napi_get_instance_data(env, &data);
    return *static_cast<Runtime *>(data);
}

void set_up(napi_env env)
{
    auto *self = new Runtime;
    napi_set_instance_data(env, self, nullptr, nullptr);

    holdfast_queue_options options{};
    options.struct_size = sizeof options;
    // JavaScript has no way to wait for room, and bounds its own queues by max_waiting.
    options.capacity = 1u << 20;
    holdfast_queue_new(&options, &self->queue, nullptr);
    auto *readiness = new Readiness{self->mailbox};
    holdfast_queue_on_ready(self->queue, on_ready, readiness, forget_readiness, nullptr);

    napi_value name;
    napi_create_string_utf8(env, "pg-holdfast", NAPI_AUTO_LENGTH, &name);
    napi_create_threadsafe_function(env, nullptr, nullptr, name, 0, 1, nullptr, nullptr, nullptr, called,
                                    &self->mailbox->function);
    // Only requests under way keep the process alive.
    napi_unref_threadsafe_function(env, self->mailbox->function);
    napi_add_env_cleanup_hook(env, clean_up, self);
}

napi_value turned(napi_env env, napi_callback_info)
{
    runtime(env).turned(env);
    return undefined(env);
}

napi_value attach(napi_env env, napi_callback_info info)
{
    Arguments arguments(env, info);
    Runtime &self = runtime(env);
    napi_typedarray_type type;
    size_t length = 0, offset = 0;
    napi_value buffer;
    void *data = nullptr;

    napi_create_reference(env, arguments.at(0), 1, &self.on_batch);
    napi_get_typedarray_info(env, arguments.at(1), &type, &length, &data, &buffer, &offset);
    self.words = static_cast<int32_t *>(data);
    self.most = length / words_each;
    napi_create_reference(env, arguments.at(1), 1, &self.words_ref);
    napi_get_buffer_info(env, arguments.at(2), &data, &length);
    self.arena = static_cast<uint8_t *>(data);
    self.arena_size = length;
    napi_create_reference(env, arguments.at(2), 1, &self.arena_ref);
    return make(env, holdfast_version());
}

} // namespace holdfast_node
