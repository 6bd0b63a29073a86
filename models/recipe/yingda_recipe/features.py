"""Units to n-gram features: packed keys, the vocabulary, and the fast lookups that training needs.

A text becomes a stream of unit numbers (int32): 0 is a separator, 1 an unknown unit, 2 and up a known unit. Up to four
adjacent units pack into one 64-bit key, so that counting and looking up n-grams needs no strings.
"""

import numpy as np
from numba import njit, prange

from .text import MAX_UNITS, is_unit, tokens

SEPARATOR, UNKNOWN, FIRST = 0, 1, 2
BITS = 16
EMPTY = np.int64(-1)


class Units:
    """The numbering of units."""

    def __init__(self, names):
        self.names = names
        self.number = {name: i + FIRST for i, name in enumerate(names)}

    @classmethod
    def frequent(cls, counts, minimum, limit=32_000):
        """The most frequent units; numbers must fit in BITS bits, the highest bit left free."""
        names = [u for u, n in counts.most_common() if n >= minimum and len(u) <= 24]
        return cls(names[:limit])

    def stream(self, token_list):
        """Unit numbers of a tokenised text, cut at MAX_UNITS units."""
        get = self.number.get
        out = [get(t, UNKNOWN) if is_unit(t) else SEPARATOR for t in token_list[: 2 * MAX_UNITS]]
        if len(out) > MAX_UNITS:
            seen = 0
            for i, u in enumerate(out):
                seen += u != SEPARATOR
                if seen > MAX_UNITS:
                    return out[:i]
        return out

    def name_of(self, key):
        """The string of a packed n-gram (a Python int)."""
        parts = []
        while key:
            parts.append(self.names[(key & 0xFFFF) - FIRST])
            key >>= BITS
        return "".join(reversed(parts))


class Streams:
    """Many unit streams, one after another: `units[offsets[i]:offsets[i + 1]]` is text i."""

    def __init__(self, units, offsets):
        self.units, self.offsets = units, offsets

    @classmethod
    def of(cls, streams):
        lengths = np.fromiter((len(s) for s in streams), np.int64, len(streams))
        offsets = np.zeros(len(streams) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        units = np.empty(offsets[-1], np.int32)
        for i, s in enumerate(streams):
            units[offsets[i] : offsets[i + 1]] = s
        return cls(units, offsets)

    @classmethod
    def of_texts(cls, texts, units):
        return cls.of([units.stream(tokens(t)) for t in texts])

    def __len__(self):
        return len(self.offsets) - 1


def join(*streams):
    """One Streams of several, in order."""
    units = np.concatenate([np.empty(0, np.int32)] + [s.units for s in streams])
    offsets, base = [np.zeros(1, np.int64)], 0
    for s in streams:
        offsets.append(s.offsets[1:] + base)
        base += len(s.units)
    return Streams(units, np.concatenate(offsets))


@njit(cache=True)
def packed_ngrams(units, n):
    """Every n-gram of adjacent known units, packed."""
    out = np.empty(len(units), np.int64)
    used = 0
    for i in range(len(units) - n + 1):
        key = np.int64(0)
        good = True
        for j in range(n):
            u = units[i + j]
            if u < FIRST:
                good = False
                break
            key = (key << BITS) | u
        if good:
            out[used] = key
            used += 1
    return out[:used]


def count_ngrams(streams, n, minimum, chunk=20_000_000):
    """Keys and counts of n-grams that occur `minimum` times or more."""
    keys, counts = np.empty(0, np.int64), np.empty(0, np.int64)
    # texts must not join: a separator stands between them
    joined = np.zeros(len(streams.units) + len(streams), np.int32)
    position = np.arange(len(streams.units)) + np.repeat(np.arange(len(streams)), np.diff(streams.offsets))
    joined[position] = streams.units
    for start in range(0, len(joined), chunk):
        part = packed_ngrams(joined[start : start + chunk + n - 1], n)
        k, c = np.unique(part, return_counts=True)
        if len(joined) > chunk:
            k, c = k[c > 1], c[c > 1]
        merged = np.concatenate([keys, k])
        weights = np.concatenate([counts, c])
        keys, inverse = np.unique(merged, return_inverse=True)
        counts = np.bincount(inverse, weights=weights, minlength=len(keys)).astype(np.int64)
    keep = counts >= minimum
    return keys[keep], counts[keep]


@njit(cache=True)
def _slot(key, mask):
    h = np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)
    return np.int64((h >> np.uint64(29)) & np.uint64(mask))


@njit(cache=True)
def build_table(keys):
    """Open-addressing table: packed n-gram → row (rows start at 1; row 0 is [UNK])."""
    size = 1
    while size < 3 * len(keys):
        size *= 2
    slots = np.full(size, EMPTY, np.int64)
    rows = np.zeros(size, np.int32)
    for i in range(len(keys)):
        s = _slot(keys[i], size - 1)
        while slots[s] != EMPTY:
            s = (s + 1) & (size - 1)
        slots[s] = keys[i]
        rows[s] = i + 1
    return slots, rows


@njit(cache=True, inline="always")
def find(key, slots, rows):
    mask = len(slots) - 1
    s = _slot(key, mask)
    while True:
        if slots[s] == key:
            return rows[s]
        if slots[s] == EMPTY:
            return 0
        s = (s + 1) & mask


@njit(cache=True)
def features_of(units, offsets, texts, slots, rows, max_n, drop, limit, seed, drop_ngrams=0.0):
    """Feature rows of the chosen texts (CSR), and for each the stream position where the n-gram ends.

    Every unit is dropped with probability `drop`; n-grams over a dropped unit vanish with it. An n-gram of two
    units or more is left out with probability `drop_ngrams`, so that its parts learn to stand in for it. Texts longer than
    `limit` stream places are read in a window of that length (limit 0: whole).
    """
    np.random.seed(seed)
    longest = 0
    for t in texts:
        longest += min(offsets[t + 1] - offsets[t], limit if limit else 1 << 40)
    out = np.empty(longest * max_n + len(texts), np.int32)
    ends = np.empty(longest * max_n + len(texts), np.int32)
    out_offsets = np.zeros(len(texts) + 1, np.int64)
    used = 0
    for k in range(len(texts)):
        lo, hi = offsets[texts[k]], offsets[texts[k] + 1]
        if limit and hi - lo > limit:
            lo = lo + np.random.randint(0, hi - lo - limit + 1) if np.random.random() < 0.5 else lo
            hi = lo + limit
        local = units[lo:hi].copy()
        if drop > 0:
            for i in range(len(local)):
                if np.random.random() < drop:
                    local[i] = UNKNOWN
        begin = used
        for i in range(len(local)):
            key = np.int64(0)
            # n-grams that END at i: walk left, the key grows at the high end
            for n in range(1, max_n + 1):
                j = i - n + 1
                if j < 0 or local[j] < FIRST:
                    break
                key = key | (np.int64(local[j]) << (BITS * (n - 1)))
                row = find(key, slots, rows)
                if row and (n == 1 or drop_ngrams == 0 or np.random.random() >= drop_ngrams):
                    out[used] = row
                    ends[used] = i
                    used += 1
        if used == begin:
            out[used] = 0
            ends[used] = 0
            used += 1
        out_offsets[k + 1] = used
    return out[:used], ends[:used], out_offsets


@njit(cache=True, parallel=True)
def bag(table, features, offsets, power):
    """Sum of rows over count^power, one row a text."""
    out = np.zeros((len(offsets) - 1, table.shape[1]), np.float32)
    for t in prange(len(offsets) - 1):
        lo, hi = offsets[t], offsets[t + 1]
        for i in range(lo, hi):
            f = features[i]
            for d in range(table.shape[1]):
                out[t, d] += table[f, d]
        scale = np.float32(1.0 / max(hi - lo, 1) ** power)
        for d in range(table.shape[1]):
            out[t, d] *= scale
    return out


@njit(cache=True)
def group_features(features, offsets, vocabulary_size):
    """Invert CSR: for each row in use, the texts it occurs in."""
    counts = np.zeros(vocabulary_size + 1, np.int64)
    for f in features:
        counts[f + 1] += 1
    used = 0
    for f in range(vocabulary_size):
        if counts[f + 1]:
            used += 1
    distinct = np.empty(used, np.int32)
    k = 0
    for f in range(vocabulary_size):
        if counts[f + 1]:
            distinct[k] = f
            k += 1
    starts = np.cumsum(counts)
    fill = starts[:-1].copy()
    texts = np.empty(len(features), np.int32)
    for t in range(len(offsets) - 1):
        for i in range(offsets[t], offsets[t + 1]):
            f = features[i]
            texts[fill[f]] = t
            fill[f] += 1
    return distinct, starts, texts


@njit(cache=True, parallel=True, fastmath=True)
def adam_rows(table, first, second, features, offsets, gradient, power, rates, step):
    """One lazy Adam step on the rows that occur in the batch: `gradient` is the loss's, by bag vector; `rates` one a row."""
    distinct, starts, texts = group_features(features, offsets, table.shape[0])
    dims = table.shape[1]
    scales = np.empty(len(offsets) - 1, np.float32)
    for t in range(len(scales)):
        scales[t] = 1.0 / max(offsets[t + 1] - offsets[t], 1) ** power
    b1, b2 = np.float32(0.9), np.float32(0.999)
    c1, c2 = np.float32(1 - 0.9**step), np.float32(1 - 0.999**step)
    for k in prange(len(distinct)):
        f = distinct[k]
        g = np.zeros(dims, np.float32)
        for i in range(starts[f], starts[f + 1]):
            t = texts[i]
            s = scales[t]
            for d in range(dims):
                g[d] += s * gradient[t, d]
        for d in range(dims):
            m = b1 * first[f, d] + (1 - b1) * g[d]
            v = b2 * second[f, d] + (1 - b2) * g[d] * g[d]
            first[f, d] = m
            second[f, d] = v
            table[f, d] -= rates[f] * (m / c1) / (np.sqrt(v / c2) + np.float32(1e-8))
