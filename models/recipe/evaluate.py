#!/usr/bin/env python3
"""Prints the table of all evaluation sets for a finished model.

    python models/recipe/evaluate.py --data ../shared/data --model models/yingda-embed-zh
"""

import argparse
import json
from pathlib import Path

from yingda_recipe import data, evaluation
from yingda_recipe.shipped import Shipped

HERE = Path(__file__).resolve().parent


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with eval/")
    parser.add_argument("--model", type=Path, default=HERE.parent / "yingda-embed-zh")
    parser.add_argument("--intents", type=Path, default=HERE / "intents")
    parser.add_argument("--json", type=Path, help="write the table here too")
    args = parser.parse_args()
    table = evaluation.all_sets(args.data, data.read_intents(args.intents), Shipped(args.model).embed)
    evaluation.show(table)
    if args.json:
        args.json.write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
