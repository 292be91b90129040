#include "held_pool.h"

#include <map>

namespace holdfast_node {

namespace {

// What environments of this process share, by name, with a handle of its own. The program asked for that, and names are few.
struct Shared {
    holdfast_pool *pool;
    std::shared_ptr<Audience> audience;
    size_t users;
};
std::mutex shared_lock;
std::map<std::string, Shared> &shared_pools()
{
    // Never destroyed, since threads may end after the process has begun to.
    static auto *pools = new std::map<std::string, Shared>;
    return *pools;
}

} // namespace

HeldPool::HeldPool(holdfast_pool *pool, std::shared_ptr<Audience> audience, Listener listener, std::string name)
    : pool_(pool), audience_(std::move(audience)), listener_(std::move(listener)), name_(std::move(name))
{
    audience_->add(listener_);
}

HeldPool::~HeldPool()
{
    leave();
    audience_->remove(listener_);
    holdfast_pool_free(pool_);
}

bool HeldPool::leave()
{
    if (name_.empty())
        return true;
    holdfast_pool *left = nullptr;
    {
        std::lock_guard<std::mutex> lock(shared_lock);
        auto found = shared_pools().find(name_);
        name_.clear();
        // Another pool may have taken the place of one that was closed.
        if (found == shared_pools().end() || found->second.audience != audience_)
            return true;
        if (--found->second.users > 0)
            return false;
        left = found->second.pool;
        shared_pools().erase(found);
    }
    holdfast_pool_free(left);
    return true;
}

HeldPool *join_shared(const std::string &name, const Listener &listener)
{
    holdfast_pool *pool;
    std::shared_ptr<Audience> audience;
    {
        std::lock_guard<std::mutex> lock(shared_lock);
        auto found = shared_pools().find(name);
        if (found == shared_pools().end() || holdfast_pool_is_closed(found->second.pool))
            return nullptr;
        found->second.users++;
        pool = holdfast_pool_clone(found->second.pool);
        audience = found->second.audience;
    }
    return new HeldPool(pool, std::move(audience), listener, name);
}

HeldPool *share(std::unique_ptr<HeldPool> own, const std::string &name, std::shared_ptr<Audience> audience, const Listener &listener)
{
    for (;;) {
        // Before the lock: what is not kept is freed after it.
        if (HeldPool *there = join_shared(name, listener))
            return there;
        holdfast_pool *closed = nullptr;
        {
            std::lock_guard<std::mutex> lock(shared_lock);
            auto found = shared_pools().find(name);
            if (found != shared_pools().end() && !holdfast_pool_is_closed(found->second.pool))
                continue;
            if (found != shared_pools().end()) {
                closed = found->second.pool;
                shared_pools().erase(found);
            }
            shared_pools().emplace(name, Shared{holdfast_pool_clone(own->pool()), std::move(audience), 1});
        }
        holdfast_pool_free(closed);
        return own.release();
    }
}

} // namespace holdfast_node
