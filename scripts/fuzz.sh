#!/usr/bin/env bash
# Sends the gateway what its own OpenAPI document allows, and what it forbids (schemathesis). Every answer must be one
# that the document declares, and none may be a 5xx.
#
#   ./scripts/fuzz.sh [options of `schemathesis run`]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

venv=$(./scripts/venv.sh)
# The features of the whole workspace, as in test.sh, so that nothing is compiled again.
cargo build --quiet --workspace --all-features --example gateway
target=$(cargo metadata --no-deps --format-version 1 | sed -n 's/.*"target_directory":"\([^"]*\)".*/\1/p')
folder=$(mktemp -d)
port=$("$venv/bin/python" -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')

# Away from settings in the working directory, on a bus in a file, which has every endpoint.
(
    cd "$folder"
    exec env -u RABBIT_URL -u REDIS_URL HTTP_HOST=127.0.0.1 HTTP_PORT="$port" BLOODBANK_EMBEDDED_PATH="$folder/bus.db" \
        FIREFLIES_WEBHOOK_SECRET=secret GITHUB_WEBHOOK_SECRET=secret RUST_BACKTRACE=1 \
        "$target/debug/examples/gateway" >"$folder/log" 2>&1
) &
gateway=$!
trap 'kill "$gateway" 2>/dev/null || true; wait "$gateway" 2>/dev/null || true; rm -rf "$folder"' EXIT

# A stream does not end.
if ! (cd "$folder" && "$venv/bin/schemathesis" run "http://127.0.0.1:$port/openapi.json" --wait-for-schema 30 \
    --exclude-path /events/stream --phases examples,coverage,fuzzing --max-examples "${FUZZ_EXAMPLES:-25}" \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance \
    --request-timeout 20 --no-color "$@"); then
    cat "$folder/log" >&2
    exit 1
fi
kill -0 "$gateway" || { echo "fuzz.sh: the gateway died" >&2; cat "$folder/log" >&2; exit 1; }
