#!/usr/bin/env bash
# Installs the library with `cargo cinstall` and with `make install`, and compares: the files, the SONAME, the symbols, what
# pkg-config says. The CMake package comes from `make install` only. Needs cargo-c: `cargo install cargo-c --locked`.
#
# Usage: scripts/check-cargo-c.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! cargo cinstall --version >/dev/null 2>&1; then
    echo 'holdfast: cargo-c is missing. Install it with: cargo install cargo-c --locked' >&2
    exit 1
fi

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
prefix=/opt/holdfast

make --no-print-directory install TARGET="$target" PREFIX="$prefix" DESTDIR="$work/make"
cargo cinstall --profile lib --target-dir "$target" \
    --prefix "$prefix" --libdir "$prefix/lib" --destdir "$work/cargo-c"

# What is where, and where links lead.
layout() { (cd "$work/$1" && find . -not -type d -not -path '*/cmake/*' -printf '%P -> %l\n' | LC_ALL=C sort); }
library() { printf '%s' "$work/$1$prefix/lib/libholdfast.so"; }
symbols() { nm -D --defined-only "$(library "$1")" | awk '{ print $3 }' | LC_ALL=C sort; }
soname() { readelf -d "$(library "$1")" | grep -oE 'SONAME.*|NODELETE'; }
# Flags in any order and number.
flags() {
    for what in --cflags --libs '--libs --static' --modversion; do
        # shellcheck disable=SC2086
        PKG_CONFIG_PATH="$work/$1$prefix/lib/pkgconfig" pkg-config $what holdfast | tr ' ' '\n' | grep . | LC_ALL=C sort -u
    done
}
headers() { (cd "$work/$1$prefix/include" && find . -type f -print0 | LC_ALL=C sort -z | xargs -0 tail -v -n +1); }

for what in layout soname symbols flags headers; do
    if ! difference=$(diff <("$what" make) <("$what" cargo-c)); then
        printf 'holdfast: make install (<) and cargo cinstall (>) differ in %s:\n%s\n' "$what" "$difference" >&2
        exit 1
    fi
done
echo "holdfast: cargo cinstall and make install agree ($(layout make | wc -l) files, $(symbols make | wc -l) symbols)"
