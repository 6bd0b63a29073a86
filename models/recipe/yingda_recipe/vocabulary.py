"""Chooses the n-grams that get a row: frequent in service text, and more than the chance meeting of their parts."""

import numpy as np

from .features import BITS

SHARES = {1: 0.12, 2: 0.50, 3: 0.25, 4: 0.13}
TEXT_LENGTH = 20


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


def choose(arrays, settings):
    """Packed keys of the chosen n-grams, shortest first, most frequent first; and the weight each begins with.

    Rows begin as random directions, so the untrained table is a random projection of weighted n-gram counts. Its weights
    decide how much of exact matching survives training: rare n-grams weigh more, longer ones far less, because every
    occurrence of a long n-gram is counted again in its parts.
    """
    merged = merged_counts(arrays, settings.plain_weight)
    total = merged[1][1].sum()
    chosen, weights = [], []
    for n in (1, 2, 3, 4):
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
        order = np.lexsort((keys, -score))[: int(settings.vocabulary_size * SHARES[n])]
        order = order[score[order] > 0]
        chosen.append(keys[order])
        rarity = np.log(total / TEXT_LENGTH / np.maximum(counts[order], 1) + 1)
        weights.append(settings.scale * settings.ngram_weights[n - 1] * np.sqrt(rarity / 10))
    return np.concatenate(chosen), np.concatenate(weights).astype(np.float32)
