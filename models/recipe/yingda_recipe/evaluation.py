"""Retrieval and pair scores of any function that turns texts into unit vectors."""

from pathlib import Path

import numpy as np

STYLE_NAMES = {"k": "keywords", "c": "colloquial", "i": "indirect", "v": "vocabulary", "l": "long", "t": "mistyped",
               "d": "dialect"}


def read_tsv(path):
    with open(path, encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t") for line in lines]


def ranks(queries, documents, right):
    """Rank (0 = first) of the best right document for each query; ties count against."""
    out = np.empty(len(queries), np.int64)
    for start in range(0, len(queries), 512):
        scores = queries[start : start + 512] @ documents.T
        for i, row in enumerate(scores):
            out[start + i] = (row >= max(row[j] for j in right[start + i])).sum() - 1
    return out


def retrieval(folder, embed):
    corpus, queries = read_tsv(folder / "corpus.tsv"), read_tsv(folder / "queries.tsv")
    place = {row[0]: i for i, row in enumerate(corpus)}
    relevant = {}
    for query, document, _ in read_tsv(folder / "qrels.tsv"):
        relevant.setdefault(query, []).append(place[document])
    queries = [q for q in queries if q[0] in relevant]
    return ranks(embed([q[1] for q in queries]), embed([c[1] for c in corpus]), [relevant[q[0]] for q in queries])


def _average_ranks(values):
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[inverse]


def auc(scores, labels):
    r, positive = _average_ranks(scores), labels > 0
    p, n = positive.sum(), (~positive).sum()
    return float((r[positive].sum() - p * (p + 1) / 2) / (p * n))


def spearman(scores, labels):
    return float(np.corrcoef(_average_ranks(scores), _average_ranks(labels))[0, 1])


def at(rank, k):
    return float((rank < k).mean())


def intents(clusters, embed, pool=None):
    """R@1, R@3 overall and R@1 by style: each phrasing against the standard questions of `pool` (default: the same clusters)."""
    pool = pool or clusters
    place = {c.standard: i for i, c in enumerate(pool)}
    texts, styles, right = [], [], []
    for c in clusters:
        texts += c.phrasings
        styles += c.styles
        right += [[place[c.standard]]] * len(c.phrasings)
    rank = ranks(embed(texts), embed([c.standard for c in pool]), right)
    styles = np.array(styles)
    row = {"R@1": at(rank, 1), "R@3": at(rank, 3)}
    row |= {s: at(rank[styles == s], 1) for s in STYLE_NAMES if (styles == s).any()}
    return row


def evaluate(data, embed):
    """The table of all evaluation sets."""
    table = {}
    if not data:
        return table
    folder = Path(data) / "eval"
    for name in ("ths_faq_dev", "insurance_zhidao_q2a", "diac_law", "covid_dev"):
        if (folder / name).is_dir():
            rank = retrieval(folder / name, embed)
            table[name] = {f"R@{k}": at(rank, k) for k in (1, 3, 5, 10)}
    for name, score in (("atec", auc), ("bq", auc), ("paws", auc), ("stsb", spearman)):
        path = folder / "pairs" / f"{name}_dev.tsv"
        if path.is_file():
            rows = read_tsv(path)
            a, b = embed([r[0] for r in rows]), embed([r[1] for r in rows])
            table[f"pairs/{name}"] = {score.__name__: score((a * b).sum(1), np.array([float(r[2]) for r in rows]))}
    return table


def all_sets(data, clusters, embed):
    """Every set there is: the folder's own, and the intents held out of training.

    `intents/held-out` searches among the held-out standard questions, `intents/all` among those of all intents.
    """
    table = evaluate(data, embed)
    held_out = [c for c in clusters if c.held_out()]
    if held_out:
        table["intents/held-out"] = intents(held_out, embed)
        table["intents/all"] = intents(held_out, embed, clusters)
    return table


def show(table):
    for name, row in table.items():
        print(f"{name:24s}" + "  ".join(f"{k} {v:.3f}" for k, v in row.items()), flush=True)
