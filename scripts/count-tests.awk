# Passes on what scripts/steps.sh, `cargo test` and `node --test` print, and ends with a summary: the time of each step, the
# slowest test programs, the name of each failed test, and the counts of all test programs together. Lines that begin something
# get the seconds since the start. Exits with 1 when a test failed or the run was ended by a signal.
#
# -v summary=FILE   the summary is written there too
# -v start=SECONDS  when the run began, as `date +%s` says it
# -v threads=N      how many tests a test program runs at once: see TEST_THREADS in the Makefile

BEGIN { if (start == "") start = seconds_now() }

# The test program that the lines below are of. Its time is that until the next begins.
/ +Running .*\)$/ || /^ +Doc-tests / || /^holdfast: .* with Node [0-9.]+$/ || /^holdfast: step [^ ]+ begins$/ {
    print $0 "  [" (seconds_now() - start) " s]"
    fflush()
    without_colours()
    next_program = ""
    listed = 0
    split("", reported)
    if (/^ +Running /) {
        next_program = $0
        sub(/^ +Running (unittests )?/, "", next_program)
        path = next_program
        sub(/ \(.*/, "", next_program)
        sub(/.*\(/, "", path)
        sub(/\)$/, "", path)
    } else if (/^ +Doc-tests /) {
        next_program = "doc tests"
    } else if (/ with Node /) {
        next_program = "Node " $NF
    } else {
        step = $3
        next_program = "(before the tests of " step ")"
    }
    begin(next_program)
    next
}

{
    print
    fflush()
    without_colours()
}

/^running [0-9]+ tests?$/ { listed = $2 }

/^test result: / {
    for (i = 1; i < NF; i++) {
        if ($(i + 1) == "passed;") passed += $i
        if ($(i + 1) == "failed;") failed += $i
        if ($(i + 1) == "ignored;") ignored += $i
    }
    listed = 0
}
# What a test says that has run nothing, since a program is not installed. Its harness counts it as passed.
/^holdfast: left out: / {
    passed--
    ignored++
}
# A test program without cargo's harness.
/^[0-9]+ passed, [0-9]+ failed$/ {
    passed += $1
    failed += $3
    if ($3 > 0) fail(program)
}
# Those of Node, whichever way its reporter begins a line.
/^[^ ]+ (pass|fail|cancelled|skipped|todo) [0-9]+$/ {
    if ($2 == "pass") passed += $3
    if ($2 == "fail" || $2 == "cancelled") failed += $3
    if ($2 == "skipped" || $2 == "todo") ignored += $3
}

/^test .* \.\.\. (ok|ignored|FAILED)/ { reported[$2] = 1 }
/^test .* \.\.\. FAILED$/ {
    name = $0
    sub(/^test /, "", name)
    sub(/ \.\.\. FAILED$/, "", name)
    fail(program ": " name)
}
# What bindings/node/scripts/failed-tests.js says: a line for the test, and indented ones for why.
/^holdfast: failed with Node / {
    fail(substr($0, 11))
    inside = 1
    next
}
inside && /^    / {
    names[++name_count] = $0
    next
}
{ inside = 0 }

# A test program that a signal ended reports no test, nor does one that `timeout` ended (124) since it hung.
/process didn't exit successfully: .*\(signal: / { fail(program ": " $0) }
/process didn't exit successfully: .*\(exit status: 124\)/ {
    fail(program ": not ended in time")
    find_under_way()
    for (i = 1; i <= under_way_count; i++) fail(program ": under way: " under_way[i])
}
/^error: could not compile / { fail($0) }
/^holdfast: FAILED with Node / { fail($0) }

/^holdfast: step [^ ]+ ended with [0-9]+ after [0-9]+ s$/ {
    steps[++step_count] = sprintf("%6d s  %s%s", $8, $3, $6 == 0 ? "" : "  FAILED")
    total += $8
    if ($6 != 0) broken = 1
    begin("")
    step = ""
}

/^holdfast: run ended$/ { exit }
/^holdfast: run ended by SIG[A-Z]+$/ {
    broken = 1
    ended_by = $NF
    exit
}

function without_colours() { gsub(/\033\[[0-9;]*m/, "") }

function seconds_now(    now) {
    "date +%s" | getline now
    close("date +%s")
    return now
}

function begin(next_program,    now) {
    now = seconds_now()
    # What a step without tests does is in the times of the steps.
    if (program != "" && !(program ~ /^\(/ && next_program == "")) seconds[program] += now - begun
    program = next_program
    begun = now
}

# Sets `under_way`. The harness runs tests in the order in which it lists them, `threads` at once, so those are the first ones
# that it has not reported. Asked only of a program that was told to run all of its tests, and never of one without the harness.
function find_under_way(    command, line, count) {
    under_way_count = 0
    if (listed == 0 || program == "doc tests") return
    command = "'" path "' --list 2>/dev/null"
    while ((command | getline line) > 0) {
        if (line !~ /: test$/) continue
        count++
        sub(/: test$/, "", line)
        if (!(line in reported) && under_way_count < threads) under_way[++under_way_count] = line
    }
    close(command)
    if (count != listed) under_way_count = 0
}

function say_under_way(    i) {
    say("ended by " ended_by " after " (seconds_now() - start) " s, in step " step (program ~ /^\(/ ? "" : ", in " program))
    find_under_way()
    if (under_way_count > 0) say("under way:")
    for (i = 1; i <= under_way_count; i++) say("  " under_way[i])
}

function fail(name) {
    if (!(name in is_named)) {
        is_named[name] = 1
        names[++name_count] = name
    }
}

function say(line) {
    print line
    if (summary != "") print line >summary
}

END {
    say("")
    if (step_count > 0) {
        say("time by step, " total " s in all:")
        for (i = 1; i <= step_count; i++) say(steps[i])
    }
    if (ended_by != "") say_under_way()
    begin("")
    say("slowest test programs:")
    for (shown = 0; shown < 10; shown++) {
        slowest = ""
        for (name in seconds) if (slowest == "" || seconds[name] > seconds[slowest]) slowest = name
        if (slowest == "") break
        say(sprintf("%6d s  %s", seconds[slowest], slowest))
        delete seconds[slowest]
    }
    if (name_count > 0) {
        say("failed:")
        for (i = 1; i <= name_count; i++) say("  " names[i])
    }
    say(sprintf("test result: %s. %d passed; %d failed; %d ignored in all", failed || broken ? "FAILED" : "ok", passed, failed, ignored))
    exit failed || broken ? 1 : 0
}
