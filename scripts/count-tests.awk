# Passes on what scripts/steps.sh, `cargo test` and `node --test` print, and ends with a summary: the time of each step, the
# slowest test programs, the name of each failed test, and the counts of all test programs together. With -v summary=FILE the
# summary is written there too. Exits with 1 when a test failed.

{ print; fflush() }

# The test program that the lines below are of.
/^ +Running / {
    program = $0
    sub(/^ +Running (unittests )?/, "", program)
    sub(/ \(.*/, "", program)
}
/^ +Doc-tests / { program = "doc tests" }
/^holdfast: .* with Node [0-9.]+$/ { program = "Node " $NF }
/^TAP version / && program !~ /^Node / { program = "Node" }

/^test result: / {
    for (i = 1; i < NF; i++) {
        if ($(i + 1) == "passed;") passed += $i
        if ($(i + 1) == "failed;") failed += $i
        if ($(i + 1) == "ignored;") ignored += $i
        if ($i == "in" && $(i + 1) ~ /^[0-9.]+s$/) seconds[program] += $(i + 1)
    }
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
/^[^ ]+ duration_ms [0-9.]+$/ { seconds[program] += $3 / 1000 }

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

# A test program that a signal ended reports no test.
/process didn't exit successfully: .*\(signal: / { fail(program ": " $0) }
/^error: could not compile / { fail($0) }
/^holdfast: FAILED with Node / { fail($0) }

/^holdfast: step [^ ]+ ended with [0-9]+ after [0-9]+ s$/ {
    steps[++step_count] = sprintf("%6d s  %s%s", $8, $3, $6 == 0 ? "" : "  FAILED")
    total += $8
    if ($6 != 0) broken = 1
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
    say("slowest test programs:")
    for (shown = 0; shown < 8; shown++) {
        slowest = ""
        for (name in seconds) if (slowest == "" || seconds[name] > seconds[slowest]) slowest = name
        if (slowest == "") break
        say(sprintf("%6.1f s  %s", seconds[slowest], slowest))
        delete seconds[slowest]
    }
    if (name_count > 0) {
        say("failed:")
        for (i = 1; i <= name_count; i++) say("  " names[i])
    }
    say(sprintf("test result: %s. %d passed; %d failed; %d ignored in all", failed || broken ? "FAILED" : "ok", passed, failed, ignored))
    exit failed || broken ? 1 : 0
}
