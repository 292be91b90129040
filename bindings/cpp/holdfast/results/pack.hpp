// Part of holdfast.hpp: packs.
#ifndef HOLDFAST_RESULTS_PACK_HPP
#define HOLDFAST_RESULTS_PACK_HPP

#include <holdfast.h>

#include "../detail/handle.hpp"
#include "bytes.hpp"

namespace holdfast {

/// A whole result in one buffer, column by column; holdfast.h says how it is laid out.
class pack {
public:
    pack() = default;
    /// Takes the handle over.
    explicit pack(holdfast_pack *it) noexcept : it_(it) {}

    /// The buffer, which begins with a holdfast_pack_header. Belongs to the pack.
    bytes data() const noexcept
    {
        const holdfast_cell cell = holdfast_pack_data(it_.get());
        return {static_cast<const void *>(cell.ptr), cell.len};
    }
    const holdfast_pack *native() const noexcept { return it_.get(); }

private:
    detail::owned<holdfast_pack, holdfast_pack_free> it_;
};

} // namespace holdfast

#endif // HOLDFAST_RESULTS_PACK_HPP
