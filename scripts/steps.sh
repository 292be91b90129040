#!/usr/bin/env bash
# Runs targets of the Makefile one after another, all of them even if one fails, and ends with what there is to know: the time
# of each step, the slowest test programs, the names of failed tests, and the counts. A log that is cut at its beginning still
# shows the failures; one that is cut at its end shows when each step began. A run that SIGINT, SIGTERM or SIGHUP ends prints
# the summary of what it has done, with the tests that were under way.
#
# Usage: scripts/steps.sh NAME TARGET...    the output is kept in target/log-NAME.txt, the summary in target/summary-NAME.txt
#
# TARGET+TARGET runs the second beside the first, for two that mostly wait. Its output is shown when both have ended.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=$1
shift
target=${CARGO_TARGET_DIR:-target}
log=$target/log-$name.txt
beside=$target/log-$name-beside.txt
summary=$target/summary-$name.txt
mkdir -p "$target"
rm -f "$summary" "$beside"
: >"$log"

# A step that hangs does not take the others with it.
bounded=()
if command -v timeout >/dev/null; then
    bounded=(timeout --foreground --kill-after=30 2700)
fi

# scripts/count-tests.awk reads the lines about steps and about the end.
run_step() {
    local step=$1 begun=$SECONDS status=0
    echo "holdfast: step $step begins after $begun s"
    ${bounded[@]+"${bounded[@]}"} "${MAKE:-make}" --no-print-directory "$step" || status=$?
    echo "holdfast: step $step ended with $status after $((SECONDS - begun)) s"
}

run_steps() {
    local step second
    for step in "$@"; do
        if [[ $step == *+* ]]; then
            run_step "${step#*+}" >"$beside" 2>&1 &
            second=$!
            run_step "${step%%+*}"
            wait "$second"
            cat "$beside"
            rm "$beside"
        else
            run_step "$step"
        fi
    done
}

summarize() {
    awk -v threads="${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}" -f scripts/count-tests.awk "$log" | tee "$summary"
}

# Called by the traps. The summary is first: whoever ends a run may not wait for long.
# shellcheck disable=SC2317,SC2329
stop() {
    trap '' INT TERM HUP PIPE
    printf '\nholdfast: run ended by SIG%s after %s s\n' "$1" "$SECONDS" >>"$log"
    # For people: the summary is of what stands before that line.
    cat "$beside" >>"$log" 2>/dev/null
    kill -KILL "$shown" 2>/dev/null
    summarize
    kill -TERM -- "-$steps"
    exit "$2"
}

# The steps write to a file and not to a pipe: nobody who reads can hold them up, and no server that a test leaves behind can
# hold up the end. In a process group of their own they can be ended together.
set -m
run_steps "$@" >>"$log" 2>&1 </dev/null &
steps=$!
set +m
trap 'stop INT 130' INT
trap 'stop TERM 143' TERM
trap 'stop HUP 129' HUP

# What is written is shown as it comes. Where `tail` cannot wait for a process, the last second may be missing: it is in the file.
if tail --version 2>/dev/null | grep -q coreutils; then
    tail -n +1 -s 0.2 --pid="$steps" -f "$log" &
else
    tail -n +1 -f "$log" &
fi
shown=$!
# Ended without a word from the shell.
disown "$shown"

wait "$steps"
for ((tenths = 0; tenths < 100; tenths++)); do
    kill -0 "$shown" 2>/dev/null || break
    sleep 0.1
done
kill -KILL "$shown" 2>/dev/null
summarize
