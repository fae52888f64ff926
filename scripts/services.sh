#!/usr/bin/env bash
# A private RabbitMQ, Redis and PostgreSQL to try things with: prints their addresses and stays until Ctrl-C.
#
#   ./scripts/services.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# The whole workspace's features, as in test.sh, so that one does not undo the other's build.
cargo build --quiet --workspace --all-features --bin services
target=$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
exec "$target/debug/services" up
