// Holdfast for C++17 and later: a header-only layer over holdfast.h.
//
//     #include <holdfast.hpp>
//
//     holdfast::pool pool("postgresql://app@db/orders");                      // opens no connection yet
//
//     for (auto row : pool.query("select id, name from item where price < $1", 10)) {
//         auto [id, name] = row.as<int, std::string_view>();
//         ...
//     }
//
//     pool.transaction([&](holdfast::connection_ref& connection) {            // run again when it conflicts with others
//         connection.query("update stock set n = n - 1 where item = $1", 7);
//         connection.query("insert into sale (item) values ($1)", 7);
//     });
//
// Rules that hold everywhere
//
// - What fails throws holdfast::error, and nothing else but std::bad_alloc; destructors never throw. What a function waits
//   for, for how long at most, and which failures it has, is said in holdfast.h: each function here is the one of the same
//   name there, and blocks exactly as that does.
// - Handles (pool, connection, result, ...) can be moved, not copied, and free what they hold when they go. They may go in
//   any order: what another one still needs lives on. One that was moved from, or made without arguments, is empty: calls
//   that can fail then throw an error with status::null, the others answer 0, false or an empty text. clone() makes a
//   further handle of the same object. native() gives the handle for functions of holdfast.h.
// - const member functions may be called by any number of threads at once. All others are for one thread at a time, any
//   thread; a second one gets an error with status::busy.
// - Texts come out as std::string_view into the object that was asked, without copying. They are valid for as long as that,
//   UTF-8, and followed by a NUL.
// - It costs what the calls in C cost. Handles are one pointer wide, and running a statement with parameters and reading its
//   result allocates nothing on this side of the library. Exceptions: what says so in its comment, and errors.
// - No exception ever passes through the library. What functions given to it throw is caught on the way in and, where
//   there is a caller to throw it to, thrown again on the way out, unchanged.
// - It needs libholdfast (pkg-config holdfast, or find_package(holdfast) and holdfast::cpp), whose ABI is that of C. Nothing
//   of this header is part of that ABI, so compilers and versions of C++ may be mixed.
//
// The header has parts, each named after its content. Programs may include single ones, as <holdfast/pools/pool.hpp>;
// holdfast/detail and the namespace detail are internal and may change.

#ifndef HOLDFAST_HPP
#define HOLDFAST_HPP

// In the order of holdfast.h. In quotes, so that a part is the one beside this file even where several versions are installed.
#include "holdfast/library/status.hpp"
#include "holdfast/library/field.hpp"
#include "holdfast/library/error.hpp"
#include "holdfast/library/version.hpp"
#include "holdfast/pools/option.hpp"
#include "holdfast/pools/config.hpp"
#include "holdfast/pools/log_record.hpp"
#include "holdfast/pools/event.hpp"
#include "holdfast/pools/password_request.hpp"
#include "holdfast/pools/pool.hpp"
#include "holdfast/pools/health.hpp"
#include "holdfast/pools/metrics_format.hpp"
#include "holdfast/pools/server.hpp"
#include "holdfast/pools/serve_options.hpp"
#include "holdfast/pools/acquire_options.hpp"
#include "holdfast/statements/query_options.hpp"
#include "holdfast/connections/connection.hpp"
#include "holdfast/library/quote.hpp"
#include "holdfast/results/result.hpp"
#include "holdfast/results/results.hpp"
#include "holdfast/results/row.hpp"
#include "holdfast/results/value.hpp"
#include "holdfast/results/column.hpp"
#include "holdfast/results/format.hpp"
#include "holdfast/results/bytes.hpp"
#include "holdfast/results/pack.hpp"
#include "holdfast/statements/parameter.hpp"
#include "holdfast/statements/statement.hpp"
#include "holdfast/statements/stream.hpp"
#include "holdfast/statements/copy.hpp"
#include "holdfast/statements/pipeline.hpp"
#include "holdfast/results/outcome.hpp"
#include "holdfast/connections/transaction.hpp"
#include "holdfast/connections/transaction_options.hpp"
#include "holdfast/connections/transaction_status.hpp"
#include "holdfast/connections/notice.hpp"
#include "holdfast/connections/notification.hpp"
#include "holdfast/connections/submissions.hpp"
#include "holdfast/connections/cancel_token.hpp"
#include "holdfast/queues/queue.hpp"
#include "holdfast/queues/completion.hpp"
#include "holdfast/queues/submit_options.hpp"

#endif // HOLDFAST_HPP
