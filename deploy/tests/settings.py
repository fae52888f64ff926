"""The settings that there are."""

import re

from paths import BOOK


def known() -> set[str]:
    """The names of the variables in the tables of docs/src/settings.md, which a test compares with the code."""
    rows = re.findall(r"^\| (`[^|]+) \|", (BOOK / "settings.md").read_text(), re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([A-Z_]+)`", row)}
