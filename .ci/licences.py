"""Fails when a dependency's licence is not on the list of permissive ones. Reads `cargo metadata` on standard input."""

import json
import re
import sys

ALLOWED = {
    "0BSD", "Apache-2.0", "Apache-2.0 WITH LLVM-exception", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CDLA-Permissive-2.0", "ISC",
    "MIT", "Unicode-3.0", "Unlicense", "Zlib",
}
# Weak copyleft, by crate: used unchanged, each with the reason why it stays.
EXCEPTIONS = {
    "option-ext": "MPL-2.0, twenty lines inside `dirs`, linked unchanged",
}


def permissive(expression):
    """True if a choice of `OR` has only allowed licences joined by `AND`."""
    expression = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ")
    tokens = re.sub(r"\s+", " ", expression).strip()
    tokens = tokens.replace("Apache-2.0 WITH LLVM-exception", "Apache-2.0_WITH_LLVM-exception").split(" ")
    position = 0

    def either():
        nonlocal position
        result = both()
        while position < len(tokens) and tokens[position] == "OR":
            position += 1
            result = both() or result
        return result

    def both():
        nonlocal position
        result = one()
        while position < len(tokens) and tokens[position] == "AND":
            position += 1
            result = one() and result
        return result

    def one():
        nonlocal position
        token = tokens[position]
        position += 1
        if token == "(":
            result = either()
            position += 1
            return result
        return token.replace("_", " ") in ALLOWED

    return either()


def main():
    packages = json.load(sys.stdin)["packages"]
    refused = []
    for package in packages:
        licence = package["license"]
        if package["name"] in EXCEPTIONS or (licence and permissive(licence)):
            continue
        refused.append(f"{package['name']} {package['version']}: {licence or 'no licence is named'}")
    if refused:
        print("not a permissive licence (see .ci/licences.py):", *refused, sep="\n  ", file=sys.stderr)
        return 1
    print(f"{len(packages)} packages, all of permissive licences")
    return 0


if __name__ == "__main__":
    sys.exit(main())
