#!/usr/bin/env bash
# Random input for everything that reads what others wrote, in process: envelopes, headers, patterns, settings, requests to
# the gateway, calls of agents. Prints the seed; ends at the first panic with the input. (`fuzz.sh` asks a gateway over HTTP
# what its OpenAPI document allows.)
#
#   ./scripts/fuzz-inputs.sh [EXECUTIONS] [SEED] [TARGET…]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

executions="${1:-1000000}"
seed="${2:-$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')}"
shift $(($# < 2 ? $# : 2))
exec cargo run --quiet --profile bench --package bloodbank-fuzz --bin fuzz-inputs -- "$executions" "$seed" "$@"
