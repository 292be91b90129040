#!/usr/bin/env bash
# Builds the prebuilt addons for Linux: for either processor and C library whatever this machine has, and for glibc against 2.28, which
# every distribution with a maintained Node has. Zig is the C compiler and linker (from PyPI, as is cargo-zigbuild), OpenSSL is built
# from its crate, the C++ library is linked in. Leaves npm/NAME, as scripts/prebuild.js does for this machine's platform.
#
# Usage: scripts/prebuild-linux.sh [NAME...]    NAME is linux-x64 (default), linux-arm64, linux-x64-musl or linux-arm64-musl
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

glibc=2.28
top=$(cd ../.. && pwd)
target=${CARGO_TARGET_DIR:-$top/target}
tools=$target/zig
names=("$@")
((${#names[@]})) || names=(linux-x64)

say() { echo "pg-holdfast: $*"; }
fail() { say "$*" >&2; exit 1; }

get_tools() {
    [[ -x $tools/bin/cargo-zigbuild ]] && return
    say 'installing zig and cargo-zigbuild from PyPI'
    python3 -m venv "$tools" || fail 'python3 makes no virtual environment: install python3-venv'
    "$tools/bin/pip" install --quiet ziglang cargo-zigbuild
}

# The compiler under a name of its own, since build.js takes one from CXX. Zig links its own C++ library statically, and does not know
# gcc's arguments for that, nor --exclude-libs, which adds nothing to src/exports.map.
compiler_for() {
    local file=$tools/bin/c++-$1
    printf '%s\n' '#!/usr/bin/env bash' 'arguments=()' \
        'for each in "$@"; do [[ $each == @(-static-lib*|-Wl,--exclude-libs*) ]] || arguments+=("$each"); done' \
        "exec '$tools/bin/python' -m ziglang c++ -target $2 \"\${arguments[@]}\"" >"$file"
    chmod +x "$file"
    echo "$file"
}

# Fails if the addon needs a newer glibc than it is built for.
check_glibc() {
    local newest
    newest=$(readelf --dyn-syms --wide "$1" | grep -oE '@GLIBC_[0-9.]+' | sort -uV | tail -n 1)
    newest=${newest#@GLIBC_}
    [[ $(printf '%s\n' "$newest" "$glibc" | sort -V | tail -n 1) == "$glibc" ]] || fail "$1 needs glibc $newest"
    say "$1 needs glibc $newest"
}

build() {
    local name=$1 processor library rust
    case $name in
        linux-x64*) processor=x86_64 ;;
        linux-arm64*) processor=aarch64 ;;
        *) fail "$name is none of linux-x64, linux-arm64, linux-x64-musl, linux-arm64-musl" ;;
    esac
    case $name in
        *-musl) library=musl rust=$processor-unknown-linux-musl ;;
        *) library=gnu.$glibc rust=$processor-unknown-linux-gnu.$glibc ;;
    esac
    say "building $name"
    if command -v rustup >/dev/null; then rustup --quiet target add "${rust%."$glibc"}"; fi
    # `.cargo/config.toml` has the system's OpenSSL used otherwise.
    (cd "$top" && PATH="$tools/bin:$PATH" OPENSSL_NO_VENDOR=0 CARGO_TARGET_DIR=$target/zig-build \
        cargo-zigbuild rustc --quiet --target "$rust" --profile lib --features capi,vendored --lib --crate-type staticlib)
    CXX=$(compiler_for "$name" "$processor-linux-$library") HOLDFAST_PLATFORM=$name HOLDFAST_STATIC=in-library \
        HOLDFAST_LIB_DIR=$target/zig-build/${rust%."$glibc"}/lib node scripts/prebuild.js
    local addon=${HOLDFAST_NPM_DIR:-npm}/$name/holdfast.node
    [[ $name == *-musl ]] || check_glibc "$addon"
    if [[ $name == "$(node -p 'require("./lib/native/platform").platformName()')" ]]; then
        node -e 'require(require("path").resolve(process.argv[1]))' "$addon"
        say "$addon loads"
    fi
}

get_tools
# The headers of Node, where it comes without them.
[[ -d node_modules ]] || npm ci --ignore-scripts --no-audit --no-fund
for name in "${names[@]}"; do build "$name"; done
