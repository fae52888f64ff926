#!/usr/bin/env bash
# Everything that must hold before a change is merged: formatting, lints, the oldest supported Rust, all
# tests against a private RabbitMQ, Redis and PostgreSQL, doctests, documentation, dependencies.
#
#   ./scripts/test.sh          all of it
#   ./scripts/test.sh quick    formatting, lints, and the tests that need no server
#   ./scripts/test.sh thorough what is slow and seldom changes: dependencies, each feature by itself, spelling
#   ./scripts/test.sh rabbitmq4 what talks to RabbitMQ, with RabbitMQ 4 in place of the installed one; needs root
#
# Installs rabbitmq-server, redis-server, postgresql, prometheus, chromium and python3 from the distribution when they are missing and it
# may. The servers of the tests are private ones on free ports; a broker that already runs here is left alone. What the gateway,
# the dashboard, and the files of deploy/, are tested with is installed from PyPI and npm, below the target directory, while Rust compiles.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Since when it runs: the second half is a process of its own.
export BLOODBANK_TESTS_BEGAN="${BLOODBANK_TESTS_BEGAN:-$(date +%s)}"
step() {
    local seconds=$(($(date +%s) - BLOODBANK_TESTS_BEGAN))
    printf '\n==> [%d:%02d] %s\n' $((seconds / 60)) $((seconds % 60)) "$*"
}
fail() { printf '\ntest.sh: %s\n' "$*" >&2; exit 1; }
trap 'printf "\ntest.sh: failed: %s\n" "$BASH_COMMAND" >&2' ERR

sudo=()
policy=/usr/sbin/policy-rc.d
remove_policy() { "${sudo[@]}" rm -f "$policy"; }

# Its own policy keeps apt-get from starting the services it installs; ours need neither them nor port 5672.
install() {
    local status=0
    command -v apt-get >/dev/null || fail "missing: $*; install them and run again"
    if [ "$(id -u)" -ne 0 ]; then
        if ! command -v sudo >/dev/null || ! sudo -n true 2>/dev/null; then
            fail "missing: $*; run \`sudo apt-get install $*\` and start again"
        fi
        sudo=(sudo -n)
    fi
    step "installing $*"
    if [ ! -e "$policy" ]; then
        trap remove_policy EXIT
        printf '#!/bin/sh\nexit 101\n' | "${sudo[@]}" tee "$policy" >/dev/null
        "${sudo[@]}" chmod 755 "$policy"
    fi
    "${sudo[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
        'apt-get update && exec apt-get install --yes --no-install-recommends "$@"' sh "$@" || status=$?
    if [ -n "$(trap -p EXIT)" ]; then
        remove_policy
        trap - EXIT
    fi
    [ "$status" -eq 0 ] || fail "apt-get could not install: $*"
}

prerequisites() {
    local packages=()
    [ -x "${BLOODBANK_RABBITMQ_SCRIPTS:-/usr/lib/rabbitmq/bin}/rabbitmq-server" ] || packages+=(rabbitmq-server)
    command -v redis-server >/dev/null || packages+=(redis-server)
    compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null || command -v postgres >/dev/null || packages+=(postgresql)
    # SQLite is compiled from source.
    command -v cc >/dev/null || packages+=(gcc libc6-dev)
    # They check the alert rules and the units of deploy/.
    command -v promtool >/dev/null || packages+=(prometheus)
    command -v systemd-analyze >/dev/null || packages+=(systemd)
    # The dashboard is looked at with a real browser.
    command -v chromium >/dev/null || packages+=(chromium)
    # The official validators and clients that the gateway is tested with come from PyPI, and Node.js too.
    python3 -c 'import ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
    [ ${#packages[@]} -eq 0 ] || install "${packages[@]}"

    tools
    room
}

# A full disk shows as hundreds of failures that say nothing of it.
room() {
    local free
    free=$(($(df --output=avail --block-size=1M . | tail -n 1) / 1024))
    [ "$free" -ge 4 ] || fail "only $free GB are free here; a run takes up to 20 GB below the target directory: make room"
    [ "$free" -ge 20 ] || printf 'test.sh: note: %s GB are free; a run from nothing takes up to 20 GB\n' "$free"
}

# What `quick` needs too.
tools() {
    command -v cargo >/dev/null || fail "missing: cargo; install Rust from https://rustup.rs"
    cargo fmt --version >/dev/null 2>&1 || fail "missing: rustfmt; run \`rustup component add rustfmt\`"
    cargo clippy --version >/dev/null 2>&1 || fail "missing: clippy; run \`rustup component add clippy\`"
}

# The name of an installed toolchain of Rust $1, for `cargo +name`; empty when there is none.
installed_toolchain() {
    rustup toolchain list 2>/dev/null | sed -n "s/^\(${1//./\\.}\(\.[0-9]*\)\{0,1\}-[^ ]*\).*/\1/p" | head -n 1
}

oldest_rust() {
    local oldest current toolchain
    oldest=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml | head -n 1)
    current=$(rustc --version | cut -d ' ' -f 2)
    case "$current" in
        "$oldest" | "$oldest".*)
            step "the oldest supported Rust, $oldest, is the one that checked the lints"
            return
            ;;
    esac
    step "the oldest supported Rust, $oldest: cargo check"
    toolchain=$(installed_toolchain "$oldest")
    if [ -z "$toolchain" ] && rustup toolchain install "$oldest" --profile minimal; then
        toolchain=$(installed_toolchain "$oldest")
    fi
    if [ -n "$toolchain" ]; then
        cargo "+$toolchain" check --workspace --all-targets --all-features
    else
        not_checked+=("Rust $oldest, the oldest supported version: it is not installed here and cannot be")
    fi
}

lints() {
    step "formatting"
    cargo fmt --all --check

    step "lints"
    cargo clippy "${everything[@]}" --all-targets -- -D warnings
}

# The folder of the scripts of RabbitMQ 4, which scripts/rabbitmq4.sh fills.
rabbitmq4() { printf '%s/rabbitmq4/scripts\n' "$(target_directory)"; }

target_directory() {
    cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p'
}

# The tests of a profile of nextest, then which were slow and which failed once.
nextest() {
    local report status=0
    report="$(target_directory)/nextest/$1/junit.xml"
    rm -f "$report"
    cargo nextest run --profile "$1" "${everything[@]}" --no-fail-fast "${@:2}" || status=$?
    # There is none when a test does not compile.
    [ ! -e "$report" ] || python3 scripts/slowest.py "$report"
    return "$status"
}

# Runs under `services run`, which gives the tests their RabbitMQ, Redis and PostgreSQL and stops them afterwards.
with_services() {
    step "tests"
    if cargo nextest --version >/dev/null 2>&1; then
        nextest default
    else
        cargo test "${everything[@]}" --no-fail-fast --lib --bins --examples --tests
        not_checked+=("which tests are slow and which failed once: cargo-nextest is not installed")
    fi

    step "RabbitMQ 4: transports"
    if [ -x "$(rabbitmq4)/rabbitmq-server" ]; then
        BLOODBANK_RABBITMQ_SCRIPTS=$(rabbitmq4) "$(target_directory)/debug/services" run -- \
            cargo nextest run "${everything[@]}" --no-fail-fast -E 'binary(servers) & test(/^conformance|^amqp/)'
    else
        not_checked+=("RabbitMQ 4: scripts/rabbitmq4.sh cannot install it here (it needs root, debootstrap and a mirror of Debian)")
    fi

    step "a crate that is only named is found, in release too"
    cargo test --release -p bloodbank-domains --test linked

    step "the gateway, asked at random by its own OpenAPI document"
    ./scripts/fuzz.sh

    step "what is deployed, and the book"
    ./scripts/deploy.sh

    step "doctests"
    # The examples of the macros use the facade, which runs them.
    cargo test --doc "${everything[@]}" --exclude bloodbank-macros

    step "documentation"
    # With an example: only then are the features those of the lints, and what these checked is not checked again.
    RUSTDOCFLAGS="-D warnings" cargo doc --no-deps "${everything[@]}" --lib --bins --example e01_declare

    step "crates can be packaged"
    # Without compiling what is packaged; `publish = false` are the others. Whatever is not committed is packaged too.
    cargo package --quiet --workspace --exclude bb --exclude bloodbank-fuzz --exclude bloodbank-harness --exclude bloodbank-ui-tests \
        --no-verify --allow-dirty

    if cargo deny --version >/dev/null 2>&1; then
        dependencies
    else
        not_checked+=("dependencies: cargo-deny is not installed; \`./scripts/test.sh thorough\` installs it")
    fi
    conclude
}

conclude() {
    if [ ${#not_checked[@]} -gt 0 ]; then
        step "NOT checked"
        printf '%s\n' "${not_checked[@]}"
    fi
    step "everything that was checked holds"
}

# What may become part of the workspace. The database of advisories is on a git host, which is not reachable from everywhere.
dependencies() {
    step "dependencies: licences, versions, sources"
    cargo deny --all-features check licenses bans sources
    step "dependencies: advisories"
    if cargo deny --all-features fetch db; then
        cargo deny --all-features check --disable-fetch advisories
    else
        not_checked+=("advisories about dependencies: their database cannot be fetched")
    fi
}

# Installs a tool of crates.io in one version, once, below the target directory.
cargo_tool() {
    local name=$1 version=$2
    if [ "$("$tools_root/bin/$name" --version 2>/dev/null | grep -o '[0-9][0-9.]*' | head -n 1)" != "$version" ]; then
        step "installing $name $version"
        cargo install --quiet --locked --root "$tools_root" --target-dir "$tools_root/build" "$name@$version"
    fi
}

# What takes long and changes seldom. It needs no server.
thorough() {
    tools_root="$(target_directory)/tools"
    export PATH="$tools_root/bin:$PATH"

    step "spelling"
    "$(./scripts/venv.sh deploy)/bin/typos"

    cargo_tool cargo-machete "$machete"
    step "dependencies that nothing uses"
    cargo machete --with-metadata

    cargo_tool cargo-hack "$hack"
    step "each feature by itself"
    # Without tests: what they depend on switches features on.
    cargo hack check --workspace --each-feature --no-dev-deps --exclude bloodbank-fuzz --exclude bloodbank-ui-tests

    step "the benchmark beside rivals compiles"
    cargo check --locked --manifest-path benches/rivals/Cargo.toml --target-dir "$(target_directory)/rivals"

    cargo_tool cargo-deny "$deny"
    dependencies
    conclude
}

not_checked=()
# The versions of the tools of `thorough`.
deny=0.20.2 machete=0.9.2 hack=0.6.46
# One selection for everything: with another one cargo would compile dependencies again, with other features.
everything=(--workspace --all-features)

case "$*" in
    --with-services)
        # What the first half could not check.
        [ -z "${BLOODBANK_NOT_CHECKED:-}" ] || not_checked+=("$BLOODBANK_NOT_CHECKED")
        with_services
        exit
        ;;
    quick)
        tools
        cargo nextest --version >/dev/null 2>&1 || fail "missing: cargo-nextest; run \`cargo install cargo-nextest --locked\`"
        lints
        step "tests that need no server"
        nextest quick --lib --bins --tests
        exit
        ;;
    thorough)
        tools
        thorough
        exit
        ;;
    rabbitmq4)
        prerequisites
        BLOODBANK_RABBITMQ_SCRIPTS=$(./scripts/rabbitmq4.sh)
        export BLOODBANK_RABBITMQ_SCRIPTS
        cargo nextest run "${everything[@]}" --no-run
        step "RabbitMQ 4: transports, the bus, faults"
        exec "$(target_directory)/debug/services" run -- \
            cargo nextest run "${everything[@]}" --no-fail-fast -E 'binary(servers) | binary(bus) | binary(faults)'
        ;;
    "") ;;
    *) fail "usage: ./scripts/test.sh [quick|thorough|rabbitmq4]" ;;
esac

prerequisites

# Waits for PyPI and npm while Rust compiles.
{ ./scripts/node.sh && ./scripts/venv.sh archive; } >/dev/null &
installing=$!
# The same; where it cannot be had, the end of the run says so.
./scripts/rabbitmq4.sh >/dev/null 2>&1 &
unpacking=$!
trap 'kill "$installing" "$unpacking" 2>/dev/null || true' EXIT

lints
oldest_rust

# The same selection as in the tests, so that nothing is compiled twice; it builds `services` as well.
step "building the tests"
if cargo nextest --version >/dev/null 2>&1; then
    cargo nextest run "${everything[@]}" --no-run
else
    cargo test "${everything[@]}" --lib --bins --examples --tests --no-run
fi

step "what gateway and archive are tested with, from PyPI and npm"
wait "$installing" || fail "scripts/node.sh or scripts/venv.sh could not install it"
wait "$unpacking" || true
trap - EXIT

step "starting RabbitMQ, Redis and PostgreSQL"
export BLOODBANK_NOT_CHECKED="${not_checked[*]:-}"
# In place of this shell, so that a signal to it ends the tests and the servers.
exec "$(target_directory)/debug/services" run -- ./scripts/test.sh --with-services
