"""Prints the ten slowest tests of a run of cargo-nextest, and each test that needed more than one try.

    python3 scripts/slowest.py target/nextest/default/junit.xml
"""

import sys
from xml.etree import ElementTree

cases = list(ElementTree.parse(sys.argv[1]).iter("testcase"))
name = lambda case: f"{case.get('classname')} {case.get('name')}"

print("\nThe ten slowest tests:")
for case in sorted(cases, key=lambda case: -float(case.get("time")))[:10]:
    print(f"  {float(case.get('time')):7.1f} s  {name(case)}")

again = [case for case in cases if case.find("flakyFailure") is not None]
print(f"\nTests that needed another try: {len(again) or 'none'}")
for case in again:
    print(f"  {name(case)}: {len(case.findall('flakyFailure')) + 1} tries")
