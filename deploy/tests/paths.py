"""Where things are, and the programs of the environment that runs the tests."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DEPLOY = ROOT / "deploy"
BOOK = ROOT / "docs/src"


def tool(name: str) -> str:
    """A program that deploy/tests/requirements.txt installs."""
    return str(Path(sys.executable).with_name(name))


def run(*command: str, folder: Path = ROOT) -> None:
    """Runs a program; when it fails, what it says is the failure of the test."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))}\n{done.stdout}{done.stderr}")
