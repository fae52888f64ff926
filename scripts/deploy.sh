#!/usr/bin/env bash
# Tests what is below deploy/, and the book: without a container engine, with the validators and linters of the field, which are
# installed from PyPI below the target directory.
#
#   ./scripts/deploy.sh                        all of it
#   ./scripts/deploy.sh test_prometheus        one file of deploy/tests
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

python=$(./scripts/venv.sh deploy)/bin/python
cd deploy/tests
if [ $# -gt 0 ]; then
    exec "$python" -B -m unittest "$@"
fi
exec "$python" -B -m unittest discover
