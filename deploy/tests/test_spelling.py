"""Spelling: in the sources, in the book, in what is deployed."""

import subprocess
import unittest

from paths import ROOT, tool


class Spelling(unittest.TestCase):
    def test_words_are_spelled_rightly(self):
        found = subprocess.run([tool("typos"), "--format", "brief"], cwd=ROOT, capture_output=True, text=True)
        self.assertEqual(found.stdout, "", "a word that is right belongs into typos.toml")
        self.assertEqual(found.returncode, 0, found.stderr)

    def test_a_mistake_is_found(self):
        # Taken apart, or it would be one.
        found = subprocess.run([tool("typos"), "-"], input="mes" + "age", capture_output=True, text=True)
        self.assertEqual(found.returncode, 2, found.stdout)


if __name__ == "__main__":
    unittest.main()
