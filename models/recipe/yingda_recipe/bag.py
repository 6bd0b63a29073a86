"""The bag model: one table of n-gram vectors, trained by contrast with lazy Adam on the rows in use."""

from dataclasses import dataclass

import numpy as np
from numba import njit, prange

from .features import BITS, Streams, adam_rows, bag, build_table, features_of


@dataclass
class Bag:
    """A table of vectors by vocabulary row, and the lookup from packed n-grams to rows."""

    keys: np.ndarray
    table: np.ndarray
    units: object
    power: float = 0.5
    max_n: int = 4

    def __post_init__(self):
        self.slots, self.rows = build_table(self.keys)
        self.rates = np.ones(len(self.table), np.float32)
        self.reset_optimizer()

    def ngram_lengths(self):
        """How many units the n-gram of each row has ([UNK] counts as one)."""
        filled = sum((self.keys >> (BITS * n)) > 0 for n in range(1, self.max_n))
        return np.concatenate([[1], 1 + filled])

    def weigh(self, by_length):
        """Scales every row by the factor for the length of its n-gram."""
        self.table *= np.array(by_length, np.float32)[self.ngram_lengths() - 1][:, None]

    def learn_at(self, by_length):
        """Slows the learning of rows by the length of their n-gram."""
        self.rates = np.array(by_length, np.float32)[self.ngram_lengths() - 1]

    def reset_optimizer(self):
        self.first, self.second, self.steps = np.zeros_like(self.table), np.zeros_like(self.table), 0

    @classmethod
    def fresh(cls, keys, units, dims, seed, weights):
        """Random directions, each row as long as its weight says; row 0 is [UNK]."""
        table = np.random.default_rng(seed).normal(0, 1, (len(keys) + 1, dims)).astype(np.float32)
        table[0] *= weights[0]
        table[1:] *= weights[:, None]
        return cls(keys, table, units)

    def copy(self):
        return Bag(self.keys, self.table.copy(), self.units, self.power, self.max_n)

    def features(self, streams, texts, drop=0.0, limit=0, seed=0, drop_ngrams=0.0):
        texts = np.asarray(texts, np.int64)
        return features_of(streams.units, streams.offsets, texts, self.slots, self.rows, self.max_n, drop, limit, seed, drop_ngrams)

    def vectors(self, streams, texts=None, batch=4096):
        """Bag vectors of encoded texts, not normalised."""
        texts = np.arange(len(streams)) if texts is None else np.asarray(texts)
        parts = []
        for i in range(0, len(texts), batch):
            f, _, o = self.features(streams, texts[i : i + batch])
            parts.append(bag(self.table, f, o, self.power))
        return np.concatenate(parts) if parts else np.zeros((0, self.table.shape[1]), np.float32)

    def embed(self, texts):
        v = self.vectors(Streams.of_texts(texts, self.units))
        return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9)

    def update(self, features, offsets, gradient, rate):
        self.steps += 1
        adam_rows(self.table, self.first, self.second, features, offsets, gradient, self.power,
                  np.float32(rate) * self.rates, self.steps)


def _normalised(x):
    norm = np.maximum(np.sqrt(np.einsum("ij,ij->i", x, x)), 1e-9)[:, None]
    return x / norm, norm


def _through_normalisation(gradient, unit, norm):
    return (gradient - unit * np.einsum("ij,ij->i", gradient, unit)[:, None]) / norm


def contrastive(x, pairs, component, temperature, dims=(256,)):
    """Symmetric InfoNCE and its gradient by the vectors `x`, written out (three products a size, no autograd).

    `x` holds `pairs` questions, then their `pairs` counterparts, then labelled look-alikes, which are further wrong answers
    for every question. Texts of the same `component` are no negatives of each other.
    """
    gradient, loss = np.zeros_like(x), 0.0
    same = component[:pairs, None] == component[None, :]
    blocked, blocked_extra = same[:, pairs : 2 * pairs].copy(), same[:, 2 * pairs :]
    np.fill_diagonal(blocked, False)
    blocked, blocked_extra = np.nonzero(blocked), np.nonzero(blocked_extra)
    for k, d in enumerate(dims):
        weight = (1.0 if k == 0 else 0.3) / pairs
        unit, norm = _normalised(x[:, :d])
        a, b, n = unit[:pairs], unit[pairs : 2 * pairs], unit[2 * pairs :]
        # cosines are at most 1, so exp((cos - 1) / t) needs no further shift
        e = _scaled_exp(a @ b.T, temperature)
        e[blocked] = 0
        right = e.diagonal().copy()
        rows, columns = e.sum(1), e.sum(0)
        if len(n):
            extra = _scaled_exp(a @ n.T, temperature)
            extra[blocked_extra] = 0
            rows += extra.sum(1)
            extra *= (1 / rows)[:, None]
        loss += weight * float((np.log(rows) + np.log(columns) - 2 * np.log(right)).sum())
        g = _both_softmax(e, (1 / rows).astype(np.float32), (1 / columns).astype(np.float32))
        g[np.diag_indices(pairs)] -= 2
        grad = np.empty_like(unit)
        grad[:pairs] = g @ b
        grad[pairs : 2 * pairs] = g.T @ a
        if len(n):
            grad[:pairs] += extra @ n
            grad[2 * pairs :] = extra.T @ a
        gradient[:, :d] += _through_normalisation(grad * np.float32(weight / temperature), unit, norm)
    return loss, gradient


@njit(cache=True, parallel=True, fastmath=True)
def _scaled_exp(scores, temperature):
    t = np.float32(1 / temperature)
    for i in prange(scores.shape[0]):
        for j in range(scores.shape[1]):
            scores[i, j] = np.exp((scores[i, j] - np.float32(1)) * t)
    return scores


@njit(cache=True, parallel=True, fastmath=True)
def _both_softmax(e, by_row, by_column):
    for i in prange(e.shape[0]):
        for j in range(e.shape[1]):
            e[i, j] *= by_row[i] + by_column[j]
    return e
