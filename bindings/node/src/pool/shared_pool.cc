#include "shared_pool.h"

#include <map>

namespace holdfast_node {

namespace {

// What environments of this process share, by name, with a handle of its own. The program asked for that, and names are few.
struct Shared {
    holdfast_pool *pool = nullptr;
    std::shared_ptr<EventFanout> fanout;
    size_t users = 0;
};
std::mutex shared_lock;
std::map<std::string, Shared> &shared_pools()
{
    // Never destroyed, since threads may end after the process has begun to.
    static auto *pools = new std::map<std::string, Shared>;
    return *pools;
}

// Under the lock: adds an owner of the pool of this name, with a handle of its own. false if no open pool has it.
bool join(const std::string &name, Shared &own)
{
    auto found = shared_pools().find(name);
    if (found == shared_pools().end() || holdfast_pool_is_closed(found->second.pool))
        return false;
    found->second.users++;
    own = {holdfast_pool_clone(found->second.pool), found->second.fanout, 0};
    return true;
}

} // namespace

SharedPool::SharedPool(holdfast_pool *pool, std::shared_ptr<EventFanout> fanout, Listener listener, std::string name)
    : pool_(pool), fanout_(std::move(fanout)), listener_(std::move(listener)), name_(std::move(name))
{
    fanout_->add(listener_);
}

SharedPool::~SharedPool()
{
    leave();
    fanout_->remove(listener_);
    holdfast_pool_free(pool_);
}

bool SharedPool::leave()
{
    if (name_.empty())
        return true;
    holdfast_pool *left = nullptr;
    {
        std::lock_guard<std::mutex> lock(shared_lock);
        auto found = shared_pools().find(name_);
        name_.clear();
        // Another pool may have taken the place of one that was closed.
        if (found == shared_pools().end() || found->second.fanout != fanout_)
            return true;
        if (--found->second.users > 0)
            return false;
        left = found->second.pool;
        shared_pools().erase(found);
    }
    holdfast_pool_free(left);
    return true;
}

SharedPool *join_shared(const std::string &name, const Listener &listener)
{
    Shared there{};
    {
        std::lock_guard<std::mutex> lock(shared_lock);
        if (!join(name, there))
            return nullptr;
    }
    return new SharedPool(there.pool, std::move(there.fanout), listener, name);
}

SharedPool *SharedPool::share(std::unique_ptr<SharedPool> own)
{
    Shared there{};
    holdfast_pool *closed = nullptr;
    bool joined;
    {
        std::lock_guard<std::mutex> lock(shared_lock);
        joined = join(own->name_, there);
        if (!joined) {
            Shared &place = shared_pools()[own->name_];
            closed = place.pool;
            place = {holdfast_pool_clone(own->pool_), own->fanout_, 1};
        }
    }
    holdfast_pool_free(closed);
    return joined ? new SharedPool(there.pool, std::move(there.fanout), own->listener_, own->name_) : own.release();
}

} // namespace holdfast_node
