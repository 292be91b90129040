# Passes the output of `cargo test` and `node --test` on, and ends it with the tests that failed, once more, and one line that adds up
# the counts of all test programs: a log that was cut off at its beginning has both.
{ print; fflush() }
/^test .* \.\.\. FAILED$/ { failures = failures $0 "\n" }
# What bindings/node/scripts/failed-tests.js says: a line for the test, and indented ones for why.
/^holdfast: failed with Node / { failures = failures $0 "\n"; inside = 1; next }
inside && /^    / { failures = failures $0 "\n"; next }
{ inside = 0 }
/^test result: / {
    for (i = 1; i < NF; i++) {
        if ($(i + 1) == "passed;") passed += $i
        if ($(i + 1) == "failed;") failed += $i
        if ($(i + 1) == "ignored;") ignored += $i
    }
}
# A test program without cargo's harness.
/^[0-9]+ passed, [0-9]+ failed$/ { passed += $1; failed += $3 }
# Those of Node, whichever way its reporter begins a line.
/^[^ ]+ (pass|fail|skipped) [0-9]+$/ {
    if ($2 == "pass") passed += $3
    if ($2 == "fail") failed += $3
    if ($2 == "skipped") ignored += $3
}
END {
    if (failures) printf "\ntests that failed:\n%s", failures
    printf "\ntest result: %s. %d passed; %d failed; %d ignored in all\n", failed ? "FAILED" : "ok", passed, failed, ignored
}
