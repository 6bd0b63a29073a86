"""Chooses the n-grams that get a row: frequent in service text, and more than the chance meeting of their parts."""

import numpy as np

from .features import BITS

SHARES = {1: 0.12, 2: 0.50, 3: 0.25, 4: 0.13}


def _lookup(keys, counts, wanted):
    at = np.searchsorted(keys, wanted)
    at[at == len(keys)] = 0
    return np.where(keys[at] == wanted, counts[at], 0.0)


def merged_counts(arrays, plain_weight):
    """n → (sorted keys, weighted counts), service text in full and plain text by its weight."""
    out = {}
    for n in (1, 2, 3, 4):
        keys = np.concatenate([arrays[f"count{n}.{g}.keys"] for g in ("service", "plain")])
        counts = np.concatenate([arrays[f"count{n}.service.counts"] * 1.0, arrays[f"count{n}.plain.counts"] * plain_weight])
        keys, inverse = np.unique(keys, return_inverse=True)
        out[n] = keys, np.bincount(inverse, weights=counts, minlength=len(keys))
    return out


def choose(arrays, size, plain_weight=0.1, max_n=4):
    """Packed keys of the chosen n-grams, shortest first, most frequent first."""
    merged = merged_counts(arrays, plain_weight)
    total = merged[1][1].sum()
    chosen = []
    for n in range(1, max_n + 1):
        keys, counts = merged[n]
        if n == 1:
            score = counts.copy()
        else:
            # pointwise mutual information of the best way to cut the n-gram in two
            pmi = np.full(len(keys), np.inf)
            for cut in range(1, n):
                left = _lookup(*merged[n - cut], keys >> (BITS * cut))
                right = _lookup(*merged[cut], keys & ((1 << (BITS * cut)) - 1))
                pmi = np.minimum(pmi, np.log(counts * total / np.maximum(left * right, 1e-9)))
            score = counts * np.clip(pmi, 0, 8)
            score[counts < 4] = 0
        order = np.lexsort((keys, -score))[: int(size * SHARES[n])]
        chosen.append(keys[order[score[order] > 0]])
    return np.concatenate(chosen)
