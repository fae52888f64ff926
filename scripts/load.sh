#!/usr/bin/env bash
# Sustained load for some minutes (10), at 80 % of what a publisher, a RabbitMQ of its own and a subscriber reach on this
# machine. Prints memory, rates and latencies each ten seconds; fails when an event is lost or the memory is not flat.
#
#   ./scripts/load.sh [MINUTES]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

exec cargo bench --quiet --package bloodbank --bench load -- "${1:-10}"
