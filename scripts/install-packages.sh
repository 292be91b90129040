#!/usr/bin/env bash
# Installs what is missing for `make demo`, `make test` or `make bench`, says what it does, and touches nothing that is there.
#
# Usage: scripts/install-packages.sh demo|test
set -euo pipefail

purpose=${1:-test}
# Needed to build at all, and to run a private server.
packages=(build-essential pkg-config libssl-dev postgresql)
optional=()
if [[ $purpose == test ]]; then
    # Comparison with libpq, leak checks, network faults, a pooler in between, a second C compiler, how C programs find the
    # library, whether it still is what they were compiled against, an example in Python, promtool, a browser for the dashboard,
    # certificates.
    packages+=(libpq-dev valgrind iproute2 pgbouncer clang cmake abigail-tools python3 prometheus chromium chromium-driver openssl)
    # Languages that load the C library by themselves, and another pooler. Their tests are left out, and say so, where they are missing.
    optional=(luajit php-cli python3-cffi pgpool2)
    # Node with its headers, unless a Node 18 or later is there, wherever it came from.
    if ! { command -v npm && node -e 'process.exit(parseInt(process.versions.node) >= 18 ? 0 : 1)'; } >/dev/null 2>&1; then
        packages+=(nodejs npm libnode-dev)
    fi
fi

say() { printf 'holdfast: %s\n' "$*" >&2; }

# PostgreSQL counts as there if a server of version 15 or later is, wherever it came from.
has_postgres() {
    local program version
    for program in "${HOLDFAST_PG_BINDIR:+$HOLDFAST_PG_BINDIR/postgres}" "$(command -v postgres || true)" \
        /usr/lib/postgresql/*/bin/postgres /usr/pgsql-*/bin/postgres; do
        [[ -x $program ]] || continue
        version=$("$program" --version | sed -E 's/^[^0-9]*([0-9]+).*/\1/')
        ((version >= 15)) && return 0
    done
    return 1
}

is_installed() {
    if [[ $1 == postgresql ]]; then
        has_postgres
    else
        dpkg-query --show --showformat='${Status}' "$1" 2>/dev/null | grep -q 'install ok installed'
    fi
}

check_rust() {
    if ! command -v cargo >/dev/null; then
        say 'Rust is missing. Install it with rustup (https://rustup.rs), or from your system if it has Rust 1.88 or later.'
        exit 1
    fi
    if [[ $purpose == test ]] && ! { cargo fmt --version && cargo clippy --version; } >/dev/null 2>&1; then
        say 'rustfmt or clippy is missing. Install them with: rustup component add rustfmt clippy'
        exit 1
    fi
}

install() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

# What installing changed for its own time only.
put_back=()
put_back_all() {
    local command
    for command in "${put_back[@]}"; do
        "${as_root[@]}" bash -c "$command"
    done
}
trap put_back_all EXIT

# The package would otherwise create a cluster and start a server of its own on port 5432. We need the programs only, and a
# port that somebody else may want is not ours to take.
without_main_cluster() {
    local settings=/etc/postgresql-common/createcluster.conf
    install postgresql-common
    if [[ -f $settings ]] && ! grep -qE '^\s*create_main_cluster\s*=' "$settings"; then
        say 'the postgresql package shall not start a server of its own: create_main_cluster = false while it is installed'
        "${as_root[@]}" cp -p "$settings" "$settings.holdfast"
        put_back+=("mv $settings.holdfast $settings")
        echo 'create_main_cluster = false' | "${as_root[@]}" tee -a "$settings" >/dev/null
    fi
}

# Likewise a service on a port of its own (6432, 9090): the tests run poolers of their own, and of Prometheus only promtool.
# Without systemd nothing starts them.
without_service() {
    [[ -d /run/systemd/system ]] || return 0
    say "the $1 package shall not start its service: it is masked while it is installed, and disabled"
    "${as_root[@]}" systemctl mask --runtime "$1.service"
    put_back+=("systemctl unmask --runtime $1.service; systemctl disable $1.service")
}

check_rust
if ! command -v apt-get >/dev/null; then
    say "this system has no apt-get; needed are, under whatever names they have here: ${packages[*]}. Going on with what is there."
    exit 0
fi

missing=()
for package in "${packages[@]}"; do
    is_installed "$package" || missing+=("$package")
done
wished=()
for package in "${optional[@]}"; do
    is_installed "$package" || wished+=("$package")
done
if ((${#missing[@]} + ${#wished[@]} == 0)); then
    exit 0
fi

as_root=()
if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
        say "missing: ${missing[*]} ${wished[*]}. Neither root nor sudo: please have them installed (apt-get install ${missing[*]} ${wished[*]}). Going on with what is there."
        exit 0
    fi
    as_root=(sudo)
fi

say "installing ${missing[*]} ${wished[*]}"
"${as_root[@]}" apt-get update || ((${#missing[@]} == 0))
if [[ " ${missing[*]} " == *" postgresql "* ]]; then
    without_main_cluster
fi
for service in pgbouncer prometheus; do
    if [[ " ${missing[*]} " == *" $service "* ]]; then
        without_service "$service"
    fi
done
if ((${#missing[@]} > 0)); then
    install "${missing[@]}"
fi
for package in "${wished[@]}"; do
    install "$package" || say "$package cannot be installed here; what needs it is left out"
done
