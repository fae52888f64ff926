#!/usr/bin/env bash
# The long form of the fault suite: 100 faults or more at random on RabbitMQ and as many on a bus in a file, and 10,000 poisonous
# events among 100,000 good ones. Prints the seed, and for each fault what was sent, confirmed, handled, duplicated; fails when
# anything is lost.
#
#   ./scripts/faults.sh [--cluster] [ROUNDS] [SEED]
#
# With --cluster: on a RabbitMQ cluster of three nodes, which are killed, restarted, isolated and cut off, alone and together.
#
# FAULTS_PROFILE=bench makes the processes quick; BLOODBANK_FAULT_PACE_MS is how long each of the 24 tasks of a publisher
# waits between two events (150). BLOODBANK_FAULT_STREAM is how many more tasks of each publish without a pause what is only
# counted (0), and BLOODBANK_FAULT_BETWEEN how many events are confirmed at least between two faults (0): millions of events.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

skipped=many_faults_of_a_cluster
if [ "${1:-}" = --cluster ]; then
    only=many_faults_of_a_cluster skipped=
    shift
fi
export BLOODBANK_FAULT_ROUNDS="${1:-100}"
[ $# -lt 2 ] || export BLOODBANK_FAULT_SEED="$2"
cargo build --quiet --package bloodbank-harness --bin services
target=$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
exec "$target/debug/services" run -- \
    cargo test --profile "${FAULTS_PROFILE:-dev}" --workspace --all-features --test faults -- \
    --ignored --nocapture --test-threads 1 ${skipped:+--skip "$skipped"} ${only:-}
