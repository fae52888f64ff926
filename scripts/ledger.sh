#!/usr/bin/env bash
# The long form of the ledger: 1,000,000 events into the journal of RabbitMQ, and 100 faults meanwhile: the writer of the copy in
# PostgreSQL and the archivers are killed, PostgreSQL is killed or stopped, the broker is killed. Compares stream, copy and archives
# with what was confirmed; fails on a gap, a duplicate, or another order. Prints the seed. It starts its own servers.
#
#   ./scripts/ledger.sh [EVENTS] [FAULTS] [SEED]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export BLOODBANK_TEST_EVENTS="${1:-1000000}" BLOODBANK_TEST_FAULTS="${2:-100}"
[ $# -lt 3 ] || export BLOODBANK_TEST_SEED="$3"
exec cargo test --workspace --all-features --test archive -- \
    --exact ledger::the_copy_and_the_archives_are_the_stream_and_that_is_what_was_confirmed --nocapture
