#!/usr/bin/env bash
# Installs what the gateway's tests use of Node.js (the official AsyncAPI parser and MCP clients), once, in the versions of
# the lock file, and prints the folder: the NODE_PATH of the scripts in bloodbank-gateway/tests/node.
#
#   NODE_PATH=$(./scripts/node.sh) node bloodbank-gateway/tests/node/mcp_client.cjs --url http://localhost:8682/mcp
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

fail() { printf 'node.sh: %s\n' "$*" >&2; exit 1; }

wanted=bloodbank-gateway/tests/node
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
folder="$target/node-gateway"

# Tests run beside each other; one of them installs.
exec 9>"$folder.lock"
flock 9
command -v node >/dev/null || fail "missing: node 20 or newer; install nodejs and npm"
if ! cmp --silent "$wanted/package-lock.json" "$folder/installed.json"; then
    command -v npm >/dev/null || fail "missing: npm; install it"
    rm -rf "$folder"
    mkdir "$folder"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$folder/"
    # What is installed has no business to run programs while it is.
    npm ci --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error >&2 ||
        fail "npm cannot install what $wanted/package-lock.json names; is the registry out of reach? set one with \`npm config set registry\`"
    cp "$wanted/package-lock.json" "$folder/installed.json"
fi
echo "$folder/node_modules"
