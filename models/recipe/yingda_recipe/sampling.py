"""Batches: which pairs, clusters and stretches of text the model sees together."""

import numpy as np
from numba import njit

from .data import KIND_WEIGHT


class PairSampler:
    """Pairs of one source at a time, in chunks, so that a batch holds look-alikes; sources by weight."""

    def __init__(self, arrays, kinds, weights=None, exponent=0.75):
        self.a, self.b = arrays["pair.a"], arrays["pair.b"]
        weight = {**KIND_WEIGHT, **(weights or {})}
        self.members = [np.flatnonzero(arrays["pair.source"] == i) for i in range(len(kinds))]
        share = [
            len(members) ** exponent * weight.get(kind, weight.get(kind.split("/")[1], 0))
            for members, kind in zip(self.members, kinds)
        ]
        self.share = np.array(share) / sum(share) if share else None
        order = np.argsort(arrays["negative.a"], kind="stable")
        self.negative_a, self.negative_b = arrays["negative.a"][order], arrays["negative.b"][order]

    def chunk(self, size, random):
        """Text numbers (a, b) of `size` distinct pairs of one source (all of them when the source is small)."""
        members = self.members[random.choice(len(self.members), p=self.share)]
        picked = random.choice(members, min(size, len(members)), replace=False)
        a, b = self.a[picked], self.b[picked]
        swap = random.random(len(a)) < 0.5
        return np.where(swap, b, a), np.where(swap, a, b)

    def negatives(self, a, random):
        """One labelled look-alike for each text that has any."""
        lo = np.searchsorted(self.negative_a, a, "left")
        hi = np.searchsorted(self.negative_a, a, "right")
        has = hi > lo
        at = lo[has] + (random.random(has.sum()) * (hi - lo)[has]).astype(np.int64)
        return self.negative_b[at]


class ClusterSampler:
    """Two phrasings of each of many intents, whole groups of easily confused intents together.

    `first` numbers the standard question of each cluster among the encoded texts; its phrasings follow.
    """

    def __init__(self, clusters, first, standard_share):
        self.first, self.standard_share = np.asarray(first), standard_share
        self.sizes = np.array([len(c.phrasings) for c in clusters])
        names = sorted({c.group for c in clusters})
        self.groups = [np.array([i for i, c in enumerate(clusters) if c.group == n]) for n in names]

    def chunk(self, size, random):
        """Text numbers (a, b) of pairs of `size` distinct clusters; b is the standard question in `standard_share` of them."""
        order = random.permutation(len(self.groups))
        c = np.concatenate([self.groups[g] for g in order])[:size]
        n = self.sizes[c]
        a = 1 + (random.random(len(c)) * n).astype(np.int64)
        b = 1 + (random.random(len(c)) * n).astype(np.int64)
        b = np.where((random.random(len(c)) < self.standard_share) | (a == b), 0, b)
        return self.first[c] + a, self.first[c] + b


@njit(cache=True)
def neighbours(units, offsets, count, shortest, longest, seed):
    """Pairs of neighbouring stretches of text: (start, end) of both in the joined stream."""
    np.random.seed(seed)
    out = np.empty((count, 4), np.int64)
    used = 0
    while used < count:
        # a random place of the stream, not a random text: long texts have more to say
        at = np.random.randint(0, offsets[-1])
        t = np.searchsorted(offsets, at, side="right") - 1
        lo, hi = offsets[t], offsets[t + 1]
        if hi - lo < 2 * shortest:
            continue
        la = np.random.randint(shortest, longest + 1)
        lb = np.random.randint(shortest, longest + 1)
        room = hi - lo
        if la + lb > room:
            la = np.random.randint(shortest, room - shortest + 1)
            lb = room - la
        start = lo + np.random.randint(0, room - la - lb + 1)
        out[used, 0], out[used, 1], out[used, 2], out[used, 3] = start, start + la, start + la, start + la + lb
        used += 1
    return out


@njit(cache=True)
def cut_out(units, spans):
    """The stretches as texts of their own: first all left ones, then all right ones."""
    n = len(spans)
    offsets = np.zeros(2 * n + 1, np.int64)
    for i in range(n):
        offsets[i + 1] = spans[i, 1] - spans[i, 0]
        offsets[n + i + 1] = spans[i, 3] - spans[i, 2]
    offsets = np.cumsum(offsets)
    out = np.empty(offsets[-1], np.int32)
    for i in range(n):
        out[offsets[i] : offsets[i + 1]] = units[spans[i, 0] : spans[i, 1]]
        out[offsets[n + i] : offsets[n + i + 1]] = units[spans[i, 2] : spans[i, 3]]
    return out, offsets
