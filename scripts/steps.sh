#!/usr/bin/env bash
# Runs targets of the Makefile one after another, all of them even if one fails, and ends with what there is to know: the time
# of each step, the slowest test programs, the names of failed tests, and the counts. A log that is cut at its beginning still
# shows the failures; one that is cut at its end shows when each step and each test program began. A run that SIGINT, SIGTERM
# or SIGHUP ends prints the summary of what it has done, with the tests that were under way.
#
# Usage: scripts/steps.sh NAME TARGET...    NAME is that of the summary, which is kept in target/summary-NAME.txt
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=$1
shift
summary=${CARGO_TARGET_DIR:-target}/summary-$name.txt
mkdir -p "$(dirname "$summary")"

run_steps() {
    local step begun status
    for step in "$@"; do
        begun=$SECONDS
        status=0
        # scripts/count-tests.awk reads this line and the last.
        echo "holdfast: step $step begins"
        "${MAKE:-make}" --no-print-directory "$step" || status=$?
        echo "holdfast: step $step ended with $status after $((SECONDS - begun)) s"
    done
}

# mawk reads a pipe in blocks otherwise, and what a run printed last would not be in its log when it is killed.
by_line=()
if awk -W version 2>&1 </dev/null | grep -q '^mawk'; then
    by_line=(-W interactive)
fi

folder=$(mktemp -d)
mkfifo "$folder/pipe"
# It ends at the line that says so, not by a signal, nor when the pipe is closed: a server that a test left behind may hold that.
(
    trap '' INT TERM HUP
    exec awk ${by_line[@]+"${by_line[@]}"} -v summary="$summary" -v start="$(date +%s)" \
        -v threads="${RUST_TEST_THREADS:-$((2 * $(getconf _NPROCESSORS_ONLN)))}" -f scripts/count-tests.awk
) <"$folder/pipe" &
counter=$!
exec 3>"$folder/pipe"
rm -r "$folder"

# Called by the traps.
# shellcheck disable=SC2317,SC2329
stop() {
    trap '' INT TERM HUP PIPE
    printf '\nholdfast: run ended by SIG%s\n' "$1" >&3
    wait "$counter"
    kill -TERM -- "-$steps"
    exit "$2"
}

# In a process group of its own, which can be ended whole.
set -m
run_steps "$@" >&3 2>&1 </dev/null 3>&- &
steps=$!
set +m
trap 'stop INT 130' INT
trap 'stop TERM 143' TERM
trap 'stop HUP 129' HUP

wait "$steps"
echo 'holdfast: run ended' >&3
wait "$counter"
