"""The mean of two rankers' orders: `mean_rankers.py ONE TWO SHARE_OF_TWO OUT`. Weights of linear models that differ little can be
averaged; the confidence is to be learnt again (`yingda tune --confidence-only`)."""

import json
import sys


def main() -> None:
    if len(sys.argv) != 5:
        sys.exit(__doc__)
    one, two = (json.load(open(path, encoding="utf-8")) for path in sys.argv[1:3])
    share = float(sys.argv[3])
    if not 0 <= share <= 1:
        sys.exit("the share of the second ranker lies between 0 and 1")
    names = sorted(one["weights"].keys() | two["weights"].keys())
    weight = lambda ranker, name: ranker["weights"].get(name, 0.0)
    one["weights"] = {name: round((1 - share) * weight(one, name) + share * weight(two, name), 4) for name in names}
    with open(sys.argv[4], "w", encoding="utf-8") as out:
        json.dump(one, out, indent=2, ensure_ascii=False)
        out.write("\n")


main()
