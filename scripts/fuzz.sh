#!/usr/bin/env bash
# Builds the fuzzers in `fuzz/` with the address sanitizer and runs each for FUZZ_SECONDS. Needs no tool but a C++ compiler and
# Rust: sanitizers and coverage are not stable yet, but they are there (RUSTC_BOOTSTRAP).
#
# Usage: scripts/fuzz.sh [TARGET...]
#
# Whatever is found ends the run of that target, and is kept under target/fuzz/found/.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${FUZZ_SECONDS:-90}
cargo=${CARGO:-cargo}
output=$(realpath -m "${CARGO_TARGET_DIR:-target}")/fuzz
host=$(rustc -vV | sed -n 's/^host: //p')
targets=("$@")
if ((${#targets[@]} == 0)); then
    targets=(startup hostile_server binary_values own_questions cancel c_texts c_calls http rendering)
fi

say() { printf 'holdfast: %s\n' "$*" >&2; }

# What cargo-fuzz builds with. As it is for a target by name, build scripts and macros are left as they are.
build() {
    local flags=(
        --cfg fuzzing -Zsanitizer=address -Ccodegen-units=1
        -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
        -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
        -Cllvm-args=-sanitizer-coverage-trace-compares
    )
    say 'building the fuzzers (some minutes the first time)'
    env -u CARGO_ENCODED_RUSTFLAGS RUSTC_BOOTSTRAP=1 RUSTFLAGS="${flags[*]}" \
        "$cargo" build --locked --release --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$output"
}

# One target, for the time there is. What it learned stays in its corpus for the next run.
fuzz() {
    local target=$1 corpus=$output/corpus/$1 found=$output/found/$1
    local options=(-max_total_time="$seconds" -timeout=20 -print_final_stats=1 -artifact_prefix="$found/")
    mkdir -p "$corpus" "$found"
    case $target in
        hostile_server) options+=(-max_len=4096 -dict=fuzz/hostile_server.dict) ;;
        c_texts) options+=(-max_len=1024 -dict=fuzz/c_texts.dict) ;;
        *) options+=(-max_len=512) ;;
    esac
    # Threads of a pool end a moment after it: what is lost for good is seen at the end.
    [[ $target == c_* ]] && options+=(-detect_leaks=0)
    say "$target for $seconds seconds"
    local earlier=()
    if [[ -d fuzz/found/$target ]]; then
        earlier=("fuzz/found/$target")
    fi
    # Of the progress only how it stands; not each input that was new in something, nor words for a dictionary.
    "$output/$host/release/$target" "${options[@]}" "$corpus" "fuzz/seeds/$target" "${earlier[@]}" 2>&1 |
        grep --line-buffered -avE $'^#[0-9]+\t(NEW|REDUCE|RELOAD)|NEW_FUNC|^"|^######'
}

build
failed=()
for target in "${targets[@]}"; do
    fuzz "$target" || failed+=("$target")
done
if ((${#failed[@]} > 0)); then
    say "found something: ${failed[*]}. The inputs are in $output/found/; run one again with"
    say "    $output/$host/release/TARGET INPUT"
    say 'When it is fixed, keep it in fuzz/found/TARGET/, where the tests run it for ever.'
    exit 1
fi
say "nothing found in ${#targets[@]} times $seconds seconds"
