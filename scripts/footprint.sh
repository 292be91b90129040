#!/usr/bin/env bash
# Prints, as a table, what a program compiles that uses a package of this workspace: crates of others, lines of the workspace's
# own, the seconds of a default build (`cargo build`) from nothing, and the processor time that it takes. The table in
# docs/performance.md is from it.
#
# Usage: scripts/footprint.sh
#
# A build has 2 processors (CARGO_BUILD_JOBS). What else the machine does makes it last longer, so the load average at the start is
# printed. Crates are downloaded before the clock starts.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")/footprint
export CARGO_BUILD_JOBS=${CARGO_BUILD_JOBS:-2}
trap 'rm -rf "$target"' EXIT

# Those for build scripts and macros included.
crates() {
    cargo tree --locked --edges normal,build --prefix none --no-dedupe "$@" | sed -E 's/ \(.*//' | sort -u |
        grep -cvE '^(pg-)?holdfast(-[a-z]+)? '
}

# The lines of all files that the compiler read, as it noted them beside what it made.
lines() {
    cat "$target"/debug/*.d | sed 's/^[^:]*: //' | tr ' ' '\n' | grep '\.rs$' | sort -u | xargs cat | wc -l
}

row() {
    local what=$1 took
    shift
    rm -rf "$target"
    took=$({ TIMEFORMAT='%0R s | %0U s'; time cargo build --locked --quiet --target-dir "$target" "$@" >&3 2>&3; } 2>&1)
    printf '| %s | %s | %s | %s |\n' "$what" "$(crates "$@")" "$(lines)" "$took"
}

exec 3>&2
cargo fetch --locked --quiet
printf 'load average %s, %s processors, %s\n\n' "$(cut -d' ' -f1 /proc/loadavg)" "$CARGO_BUILD_JOBS" "$(rustc --version)"
printf '| package | crates of others | lines of this workspace | a default build from nothing | processor time |\n|---|---|---|---|---|\n'
row 'the library' --package pg-holdfast
# The backquotes are Markdown's.
# shellcheck disable=SC2016
row 'the library with `http`' --package pg-holdfast --features http
row 'the program, the library included' --package holdfast-cli
