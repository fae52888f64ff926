#!/usr/bin/env bash
# Makes a Python environment of tests, once, and prints where it is: `gateway` has official validators and clients, `deploy` has
# what checks the files below deploy/ and builds the book, `archive` has readers of Parquet
# and a server of S3.
#
#   ./scripts/venv.sh [archive|deploy|gateway]
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

name=${1:-gateway}
case "$name" in
    archive) requirements=bloodbank-archive/tests/requirements.txt ;;
    gateway) requirements=bloodbank-gateway/tests/requirements.txt ;;
    deploy) requirements=deploy/tests/requirements.txt ;;
    *) echo "usage: ./scripts/venv.sh [archive|deploy|gateway]" >&2; exit 1 ;;
esac
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target"
target=$(cd "$target" && pwd)
venv="$target/venv-$name"

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
