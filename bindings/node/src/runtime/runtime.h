// What one environment of Node (the main thread, or a worker) has: a queue of completions, one function that other threads
// may call, and tables of what JavaScript holds. Handles are numbers in a table and not wrapped objects: looking one up
// costs no call into the engine, a stale or foreign one is found out, and nothing depends on finalizers.
#pragma once

#define NAPI_VERSION 8
#include <node_api.h>

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "holdfast.h"

namespace holdfast_node {

enum class HandleKind : uint8_t { free, pool, connection, stream, copy_in, copy_out, server, body, asking };

// As the last of a completion's words: what its payload is. lib/native/dispatcher.js has the same list.
enum class Payload : int32_t { none, pack_in_arena, pack_of_its_own, packs, error, connection, value };

// As the kind of a completion that is no completion of the queue. Those of the queue are below 32.
enum class MessageKind : int32_t { done = 32, event = 33, log = 34, body = 35, readable = 36, password = 37 };

// Something from another thread, made into JavaScript on the thread of the environment.
struct Message {
    MessageKind kind;
    int32_t tag;
    holdfast_status status;
    // Makes the payload; NULL for none. It may be dropped without being called, and frees then what it holds.
    std::function<napi_value(napi_env, struct Runtime &)> payload;
};

// The work of a transaction: a thread of the library waits here until JavaScript has done it.
struct Body {
    std::mutex mutex;
    std::condition_variable changed;
    bool over = false;
    holdfast_status status = HOLDFAST_STATUS_ROLLED_BACK;

    void finish(holdfast_status with)
    {
        std::lock_guard<std::mutex> lock(mutex);
        if (over)
            return;
        over = true;
        status = with;
        changed.notify_all();
    }
};

// The question for a password: a thread of the library waits here until JavaScript has answered. It is finished with
// HOLDFAST_STATUS_OK by an answer, and else because its environment ends.
struct Asking : Body {
    // The password, or why there is none.
    std::string text;
    bool is_password = false;

    void answer(bool with_password, std::string with)
    {
        std::lock_guard<std::mutex> lock(mutex);
        if (over)
            return;
        over = true;
        status = HOLDFAST_STATUS_OK;
        is_password = with_password;
        text = std::move(with);
        changed.notify_all();
    }
};

struct Slot {
    HandleKind kind = HandleKind::free;
    uint16_t generation = 0;
    // The library's own, given to the body of a transaction: it must not be given back.
    bool owned_by_library = false;
    void *object = nullptr;
};

// The part that threads of the library reach. It outlives the environment for as long as one of them may.
class Mailbox : public std::enable_shared_from_this<Mailbox> {
  public:
    void send(Message message);
    // Has the environment look at the queue and at what was sent. Any thread.
    void wake();
    bool take(Message &message);
    bool empty();
    void close();
    void add_body(const std::shared_ptr<Body> &body);

    napi_threadsafe_function function = nullptr;
    std::atomic<bool> scheduled{false};

  private:
    // Held for the moment in which the function is called. The environment's thread, which is awake before that call has come
    // back, does not wait for it: what it takes has a lock of its own.
    std::mutex calling_;
    bool has_function_ = true;
    std::mutex mutex_;
    bool closed_ = false;
    std::deque<Message> messages_;
    std::vector<std::weak_ptr<Body>> bodies_;
};

struct Runtime {
    std::shared_ptr<Mailbox> mailbox = std::make_shared<Mailbox>();
    holdfast_queue *queue = nullptr;
    napi_ref on_batch = nullptr;
    // Six words a completion: tag, kind, status, payload, and two numbers that the payload needs.
    int32_t *words = nullptr;
    napi_ref words_ref = nullptr;
    size_t most = 0;
    // Small packs are put here one behind the other, and JavaScript decodes them before the next batch: no memory is
    // allocated for a small result.
    uint8_t *arena = nullptr;
    napi_ref arena_ref = nullptr;
    size_t arena_size = 0;
    // Node calls the function again and again within one turn of the event loop for as long as completions keep coming, and
    // nothing else would have its turn. So what comes after `turn_ends` is left to the next one, which JavaScript announces.
    bool in_turn = false;
    bool deferred = false;
    std::chrono::steady_clock::time_point turn_ends;
    // What keeps the process alive: requests under way.
    size_t in_flight = 0;
    // The queue's numbers of those that it has, by tag; 0 for none.
    std::vector<uint64_t> requests;
    std::vector<Slot> slots;
    std::vector<uint32_t> free_slots;
    std::vector<char> text;
    std::vector<holdfast_param> params;

    int32_t add(HandleKind kind, void *object, bool owned_by_library = false);
    void *get(int32_t handle, HandleKind kind) const;
    // NULL, which the library answers with an error, if there is no such pool or connection.
    holdfast_pool *pool(int32_t handle) const;
    holdfast_connection *connection(int32_t handle) const
    {
        return static_cast<holdfast_connection *>(get(handle, HandleKind::connection));
    }
    void *remove(int32_t handle, HandleKind kind);
    void begun(napi_env env);
    // The same of one that is in the queue.
    void begun(napi_env env, int32_t tag, uint64_t request);
    void ended(napi_env env, size_t count);
    void drain(napi_env env);
    void called(napi_env env);
    void turned(napi_env env);
    void shut();
};

constexpr int words_each = 6;

Runtime &runtime(napi_env env);
napi_value attach(napi_env env, napi_callback_info info);
napi_value turned(napi_env env, napi_callback_info info);
void set_up(napi_env env);

} // namespace holdfast_node
