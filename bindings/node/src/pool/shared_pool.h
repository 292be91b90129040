// A pool of the library as one object of JavaScript has it.
#pragma once

#include "event_fanout.h"

namespace holdfast_node {

// Frees its handle when it goes, however that comes about: by end(), by the garbage collector, or with the environment of a
// worker that was terminated. The last handle of a pool closes it.
class SharedPool {
  public:
    // `name` is the one under which environments of this process share it, empty if they do not.
    SharedPool(holdfast_pool *pool, std::shared_ptr<EventFanout> fanout, Listener listener, std::string name);
    ~SharedPool();
    SharedPool(const SharedPool &) = delete;
    SharedPool &operator=(const SharedPool &) = delete;

    // Shares it under its name, unless another thread was faster: then there is that one, and this one goes.
    static SharedPool *share(std::unique_ptr<SharedPool> own);

    holdfast_pool *pool() const { return pool_; }
    // Removes an owner. Returns whether none is left.
    bool leave();

  private:
    holdfast_pool *pool_;
    std::shared_ptr<EventFanout> fanout_;
    Listener listener_;
    std::string name_;
};

// The pool that is shared under this name, or NULL.
SharedPool *join_shared(const std::string &name, const Listener &listener);

} // namespace holdfast_node
