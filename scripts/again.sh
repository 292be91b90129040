#!/usr/bin/env bash
# Runs once more what failed in a run of scripts/steps.sh, with nothing beside it, and names what passes then: such a test depends
# on the load of the machine, and is a defect to be mended. Ends with 0 if all of it passes. Runs nothing, and ends with 1, where
# something else than a test failed (the compiler, a lint, a hang), or more tests than a loaded machine explains.
#
# Usage: scripts/again.sh NAME      as for scripts/steps.sh; adds to target/summary-NAME.txt
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

MOST=3

summary=${CARGO_TARGET_DIR:-target}/summary-$1.txt
[[ -f $summary ]] || exit 1

say() {
    printf '%s\n' "$*" | tee -a "$summary"
}

give_up() {
    say "not run again: $*"
    exit 1
}

# `tests/pool/main.rs: waiting::a_test` and the like; a test program's name is that of its file or folder.
run_rust_test() {
    local file=${1%%: *} name=${1#*: } target
    case $file in
    src/bin/*/main.rs) target=(--bin "$(basename "$(dirname "$file")")") ;;
    */main.rs) target=(--test "$(basename "$(dirname "$file")")") ;;
    tests/*.rs) target=(--test "$(basename "$file" .rs)") ;;
    src/lib.rs | */src/lib.rs) target=(--lib) ;;
    *) return 1 ;;
    esac
    "${CARGO:-cargo}" test --workspace --all-features "${target[@]}" -- --exact "$name"
}

mapfile -t steps < <(sed -nE 's/^ *[0-9]+ s  ([a-z-]+)  FAILED$/\1/p' "$summary")
mapfile -t failed < <(sed -nE '/^failed:$/,/^test result: /s/^  ([^ ].*)$/\1/p' "$summary")
((${#steps[@]} > 0)) || give_up 'the run was ended'

rust_tests=()
node_failures=0
for each in "${failed[@]}"; do
    case $each in
    *': under way: '* | *': not ended in time' | 'error: '* | *'(signal: '*) give_up "$each" ;;
    'failed with Node '*) node_failures=$((node_failures + 1)) ;;
    'holdfast: FAILED with Node '*) ;;
    *'.rs: '*) rust_tests+=("$each") ;;
    *) give_up "$each" ;;
    esac
done
((${#rust_tests[@]} + node_failures > 0)) || give_up 'no test failed'
((${#rust_tests[@]} + node_failures <= MOST)) || give_up "more than $MOST tests failed"

for step in "${steps[@]}"; do
    case $step in
    # Their tests are run again one by one.
    rust-tests | sanitize) ;;
    node | node-* | pooler-rate) "${MAKE:-make}" --no-print-directory "$step" || give_up "step $step failed twice" ;;
    *) give_up "step $step failed" ;;
    esac
done
for each in ${rust_tests[@]+"${rust_tests[@]}"}; do
    run_rust_test "$each" || give_up "$each failed twice"
done
say 'unstable, passed when run again (mend them):'
for each in "${failed[@]}"; do say "  $each"; done
