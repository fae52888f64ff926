#!/usr/bin/env bash
# The long form of the fault suite: at least 100 faults at random, against a RabbitMQ and a Redis of its own. Prints the seed,
# and for each fault what was sent, confirmed, handled, duplicated; fails when anything is lost.
#
#   ./scripts/faults.sh [ROUNDS] [SEED]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export BLOODBANK_FAULT_ROUNDS="${1:-100}"
[ $# -lt 2 ] || export BLOODBANK_FAULT_SEED="$2"
exec cargo test --all-features --package bloodbank --test faults -- --ignored --exact many_faults --nocapture
