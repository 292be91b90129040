#!/usr/bin/env bash
# Runs targets of the Makefile one after another, all of them even if one fails, and ends with what there is to know: the time
# of each step, the slowest test programs, the names of failed tests, and the counts. A log that is cut at its beginning still
# shows the failures.
#
# Usage: scripts/steps.sh NAME TARGET...    NAME is that of the summary, which is kept in target/summary-NAME.txt
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=$1
shift
summary=${CARGO_TARGET_DIR:-target}/summary-$name.txt
mkdir -p "$(dirname "$summary")"

run_steps() {
    local step begun status failed=0
    for step in "$@"; do
        begun=$SECONDS
        status=0
        "${MAKE:-make}" --no-print-directory "$step" || status=$?
        ((status == 0)) || failed=1
        # scripts/count-tests.awk reads this line.
        echo "holdfast: step $step ended with $status after $((SECONDS - begun)) s"
    done
    return "$failed"
}

run_steps "$@" 2>&1 | awk -v summary="$summary" -f scripts/count-tests.awk
