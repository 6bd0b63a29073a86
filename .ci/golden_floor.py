"""Fails when the golden questions are answered worse than before: `yingda eval --format json` on standard input against the
floor in tests/data/golden-floor.json, which is raised whenever the answers get better."""

import json
import sys
from pathlib import Path

FLOOR = Path(__file__).resolve().parent.parent / "tests" / "data" / "golden-floor.json"


def main():
    floor = json.loads(FLOOR.read_text(encoding="utf-8"))
    found = json.load(sys.stdin)
    tolerance = floor["tolerance"]
    worse = []
    for name, value in floor["floors"].items():
        mark = "" if found[name] >= value - tolerance else "  ← too low"
        print(f"{name}: {found[name]:.4f}, floor {value:.4f} less {tolerance}{mark}")
        if mark:
            worse.append(name)
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
