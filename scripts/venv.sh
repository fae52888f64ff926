#!/usr/bin/env bash
# Makes the Python environment of the gateway's tests (official validators and clients), once, and prints where it is.
#
#   ./scripts/venv.sh
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

requirements=bloodbank-gateway/tests/requirements.txt
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
venv="$target/venv-gateway"

# Tests run beside each other; one of them makes it.
exec 9>"$venv.lock"
flock 9
if ! cmp --silent "$requirements" "$venv/requirements.txt"; then
    command -v python3 >/dev/null || { echo "venv.sh: missing: python3; install it with its venv module" >&2; exit 1; }
    rm -rf "$venv"
    python3 -m venv "$venv" >&2
    "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
    cp "$requirements" "$venv/requirements.txt"
fi
echo "$venv"
