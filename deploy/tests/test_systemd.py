"""The units of systemd."""

import re
import shutil
import subprocess
import unittest

import settings
from paths import DEPLOY

FOLDER = DEPLOY / "systemd"
UNITS = ["bloodbank-gateway.service", "bloodbank-worker@.service"]


class Systemd(unittest.TestCase):
    def test_the_units_are_valid(self):
        assert shutil.which("systemd-analyze"), "missing: systemd-analyze; it comes with the package `systemd`"
        done = subprocess.run(["systemd-analyze", "verify", *UNITS], cwd=FOLDER, capture_output=True, text=True, timeout=60)
        # `bb` is not installed here.
        said = [line for line in done.stderr.splitlines() if "/usr/local/bin/bb" not in line and ".service:" in line]
        self.assertEqual([line for line in said if "bloodbank" in line], [])

    def test_a_unit_has_longer_to_stop_than_its_longest_handler(self):
        for unit in UNITS:
            [seconds] = re.findall(r"^TimeoutStopSec=(\d+)$", (FOLDER / unit).read_text(), re.MULTILINE)
            self.assertGreaterEqual(int(seconds), 45, unit)

    def test_settings_exist(self):
        text = "\n".join((FOLDER / name).read_text() for name in [*UNITS, "bloodbank.env"])
        names = set(re.findall(r"(?:^|Environment=| )([A-Z][A-Z_]+)=", text, re.MULTILINE))
        self.assertTrue(names)
        self.assertLessEqual(names, settings.known())

    def test_both_are_confined_alike(self):
        confined = [re.findall(r"^(?:Protect|Private|Restrict|System|Capability|NoNew|Lock|Memory).*$", (FOLDER / unit).read_text(), re.MULTILINE) for unit in UNITS]
        self.assertEqual(*confined)
        self.assertGreater(len(confined[0]), 15)


if __name__ == "__main__":
    unittest.main()
