#!/usr/bin/env bash
# Checks that the crate builds for the platforms that it promises, and with the oldest Rust that it promises. Each check that
# this machine cannot make is named with the reason, and is never counted as passed.
#
# Usage: scripts/platforms.sh [msrv|TARGET...]   all of them without one
#
# Standard libraries of other targets come from rustup, where it is; `PLATFORMS_INSTALL=1` lets it fetch what is missing. What
# is only checked needs no C compiler for the target: OpenSSL's headers are those of this machine.
set -euo pipefail
cd "$(dirname "$0")/.."

wanted=("$@")
((${#wanted[@]})) || wanted=(msrv x86_64-apple-darwin aarch64-apple-darwin x86_64-unknown-freebsd x86_64-unknown-linux-musl aarch64-unknown-linux-gnu)
rust=$(sed -nE 's/^rust-version = "(.*)"/\1/p' Cargo.toml)
target=${CARGO_TARGET_DIR:-target}/platforms
features=(--workspace --lib --features capi)
failed=0 lines=()

say() { printf 'holdfast: %s\n' "$*" >&2; }
note() { lines+=("$1: $2"); say "$1: $2"; }

# Runs a check, and notes its outcome under a name.
check() {
    local name=$1 log=$target/${1//[ ,]/-}.log
    shift
    mkdir -p "$target"
    if "$@" >"$log" 2>&1; then note "$name" passed; else note "$name" "FAILED (see $log)"; failed=1; fi
}

has_std() { [[ -d $(rustc --print sysroot)/lib/rustlib/$1/lib ]]; }

fetch() { [[ ${PLATFORMS_INSTALL:-} ]] && command -v rustup >/dev/null && rustup "$@" >&2; }

# The dependencies of the lock file must not need a newer Rust than the crate itself says; cargo knows what each says.
msrv() {
    local newer
    newer=$(cargo metadata --format-version 1 --locked --features capi --filter-platform "$(rustc -vV | sed -n 's/^host: //p')" |
        node -e '
            const { packages } = JSON.parse(require("fs").readFileSync(0)), limit = process.argv[1].split(".").map(Number);
            const newer = (text) => { const v = text.split(".").map(Number); return v[0] > limit[0] || v[0] === limit[0] && v[1] > limit[1]; };
            for (const p of packages) if (p.rust_version && newer(p.rust_version)) console.log(`${p.name} ${p.version} needs Rust ${p.rust_version}`);' "$rust")
    if [[ $newer ]]; then
        note "lock file for Rust $rust" "FAILED: ${newer//$'\n'/, }"
        failed=1
    else
        note "lock file for Rust $rust" passed
    fi
    if cargo "+$rust" --version >/dev/null 2>&1 || fetch toolchain install "$rust" --profile minimal; then
        check "Rust $rust" cargo "+$rust" check --locked --target-dir "$target" --workspace --features capi
    else
        note "Rust $rust" "skipped: this toolchain is not installed (PLATFORMS_INSTALL=1 fetches it with rustup)"
    fi
}

# Checks types only, with the headers of this machine: OpenSSL's differ in nothing that is read here.
type_check() {
    local triple=$1 multiarch
    multiarch=$(gcc -print-multiarch 2>/dev/null || true)
    check "$triple, type check" env OPENSSL_NO_VENDOR=1 OPENSSL_INCLUDE_DIR=/usr/include "OPENSSL_LIB_DIR=/usr/lib/$multiarch" OPENSSL_STATIC=0 \
        "CC_${triple//-/_}=$(pwd)/scripts/headers-only-cc.sh" cargo check --locked --target "$triple" --target-dir "$target" "${features[@]}"
}

# Builds and runs the unit tests under an emulator, where the distribution's cross compiler and emulator are there.
arm64() {
    local triple=aarch64-unknown-linux-gnu missing=() program
    for program in aarch64-linux-gnu-gcc qemu-aarch64-static; do command -v "$program" >/dev/null || missing+=("$program"); done
    [[ -e /usr/lib/aarch64-linux-gnu/libssl.so ]] || missing+=(libssl-dev:arm64)
    if ((${#missing[@]})); then
        note "$triple, run" "skipped: not installed: ${missing[*]} (packages gcc-aarch64-linux-gnu, qemu-user-static, libssl-dev:arm64)"
        return
    fi
    check "$triple, run" env PKG_CONFIG_ALLOW_CROSS=1 PKG_CONFIG_PATH=/usr/lib/aarch64-linux-gnu/pkgconfig \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc \
        CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_RUNNER='qemu-aarch64-static -L /usr/aarch64-linux-gnu' \
        cargo test --locked --lib --target "$triple" --target-dir "$target" -- protocol error config resilience
}

for one in "${wanted[@]}"; do
    if [[ $one == msrv ]]; then
        msrv
    elif ! has_std "$one" && ! fetch target add "$one"; then
        note "$one" "skipped: no standard library for it (PLATFORMS_INSTALL=1 fetches it with rustup)"
    else
        type_check "$one"
        [[ $one != aarch64-unknown-linux-gnu ]] || arm64
    fi
done

printf '\n'
printf '%s\n' "${lines[@]}"
exit "$failed"
