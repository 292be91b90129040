# Reads what scripts/steps.sh, `cargo test` and `node --test` have printed, and says what there is to know: the time of each step,
# the slowest test programs, the name of each failed test, and the counts of all test programs together. Exits with 1 when a
# test failed or the run was ended by a signal.
#
# -v threads=N      how many tests a test program runs at once: see TEST_THREADS in the Makefile

{ gsub(/\033\[[0-9;]*m/, "") }

# The test program that the lines below are of.
/ +Running .*\)$/ {
    program = $0
    sub(/^ +Running (unittests )?/, "", program)
    path = program
    sub(/ \(.*/, "", program)
    sub(/.*\(/, "", path)
    sub(/\)$/, "", path)
    # Each package has its `src/lib.rs`: `cli/src/lib.rs` is the crate `holdfast_cli`.
    if (program ~ /^src\/lib\.rs/ && match(path, /holdfast_[a-z]+-[0-9a-f]+$/)) {
        folder = substr(path, RSTART + 9, RLENGTH - 9)
        sub(/-[0-9a-f]+$/, "", folder)
        program = folder "/" program
    }
    begin()
}
/^ +Doc-tests / {
    program = "doc tests"
    begin()
}
/^holdfast: .* with Node [0-9.]+$/ {
    program = "Node " $NF
    begin()
}
/^holdfast: step [^ ]+ begins after [0-9]+ s$/ {
    step = $3
    began[step] = $6
    program = ""
    begin()
}

# The compiler, and each test program, say how long they took. The first are not asked for minutes: cargo says `2m 05s`.
/^ +Finished .* in [0-9ms. ]+$/ {
    took = $0
    sub(/.* in /, "", took)
    minutes = 0
    if (took ~ /m/) {
        minutes = took + 0
        sub(/.*m /, "", took)
    }
    seconds["(compiling for " step ")"] += 60 * minutes + took
}
/^test result: .* finished in [0-9.]+s$/ { seconds[program] += $NF }
/^[^ ]+ duration_ms [0-9.]+$/ { seconds[program] += $NF / 1000 }

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
    if (began[$3] + $8 > total) total = began[$3] + $8
    if ($6 != 0) broken = 1
}

/^holdfast: run ended by SIG[A-Z]+ after [0-9]+ s$/ {
    broken = 1
    ended_by = $5
    ended_after = $7
    exit
}

function begin() {
    listed = 0
    split("", reported)
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
    print "ended by " ended_by " after " ended_after " s, in step " step (program == "" ? "" : ", in " program)
    find_under_way()
    if (under_way_count > 0) print "under way:"
    for (i = 1; i <= under_way_count; i++) print "  " under_way[i]
}

function fail(name) {
    if (!(name in is_named)) {
        is_named[name] = 1
        names[++name_count] = name
    }
}

END {
    print ""
    if (step_count > 0) {
        print "time by step, " total " s in all:"
        for (i = 1; i <= step_count; i++) print steps[i]
    }
    if (ended_by != "") say_under_way()
    print "slowest test programs:"
    for (shown = 0; shown < 10; shown++) {
        slowest = ""
        for (name in seconds) if (slowest == "" || seconds[name] > seconds[slowest]) slowest = name
        if (slowest == "") break
        print sprintf("%6d s  %s", seconds[slowest], slowest)
        delete seconds[slowest]
    }
    if (name_count > 0) {
        print "failed:"
        for (i = 1; i <= name_count; i++) print "  " names[i]
    }
    print sprintf("test result: %s. %d passed; %d failed; %d ignored in all", failed || broken ? "FAILED" : "ok", passed, failed, ignored)
    exit failed || broken ? 1 : 0
}
