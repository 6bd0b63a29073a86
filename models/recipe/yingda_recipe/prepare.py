"""Reads and encodes the data once; everything later works on unit streams. The result is kept as one .npz a folder."""

import json
from collections import Counter
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from . import data as sources
from .features import SEPARATOR, Streams, Units, count_ngrams
from .text import tokens

DOCUMENT_UNITS = 320


def _tokens_of(texts):
    return [tokens(t) for t in texts]


def _in_parallel(texts, workers):
    size = 4000
    chunks = [texts[i : i + size] for i in range(0, len(texts), size)]
    if workers <= 1 or len(chunks) < 2:
        yield from map(_tokens_of, chunks)
        return
    with Pool(workers) as pool:
        yield from pool.imap(_tokens_of, chunks)


def documents(paragraph_streams, limit=DOCUMENT_UNITS):
    """Joins consecutive paragraphs, and cuts what is long, to pieces of about `limit` units."""
    out, current = [], []
    for stream in paragraph_streams:
        if not stream and current:  # a blank line ends the document
            out.append(current)
            current = []
            continue
        current = current + [SEPARATOR] + stream if current else list(stream)
        while len(current) > limit:
            out.append(current[:limit])
            current = current[limit:]
    if current:
        out.append(current)
    return [d for d in out if len(d) >= 6]


def prepare(data, cache, exclude=(), text_limit=None, extra_pairs=None, intents=(), workers=2, log=print, sample=None):
    """Encodes pairs, hard negatives, plain text and counts n-grams. Returns the folder of arrays."""
    cache = Path(cache)
    done = cache / "prepared.json"
    if done.is_file():
        return cache
    cache.mkdir(parents=True, exist_ok=True)
    pairs = sources.read_pairs(data, exclude)
    negatives = sources.read_negatives(data, exclude)
    if sample:
        step = max(1, len(pairs) // sample)
        pairs, negatives = pairs[::step], negatives[::step]
    if extra_pairs:
        pairs += sources.read_extra_pairs(extra_pairs)
    texts = list(dict.fromkeys([t for p in pairs for t in p[:2]] + [t for n in negatives for t in n]))
    place = {t: i for i, t in enumerate(texts)}
    short = sources.read_unlabelled(data)
    chats = ["\n".join(d["context"] + [d["reply"]]) for d in sources.read_dialogues(data)]
    extra = sources.read_extra_text(data)
    plain = sources.read_text(data, text_limit)
    if sample:
        short, chats, extra = short[:sample], chats[:sample], extra[:sample]
    log(f"read: {len(pairs)} pairs, {len(negatives)} negatives, {len(texts)} texts, {len(plain)} paragraphs")

    groups = {"texts": texts, "short": short, "chats": chats, "extra": extra, "intents": list(intents), "plain": plain}
    # units are numbered by the service texts; the plain text adds none of its own
    token_lists = {k: [t for c in _in_parallel(v, workers) for t in c] for k, v in groups.items() if k != "plain"}
    units = Units.count((l for v in token_lists.values() for l in v), minimum=1 if sample else 4)
    log(f"{len(units.names)} units")
    arrays = {}
    keep = {}
    for name, lists in token_lists.items():
        keep[name] = Streams.of([units.stream(l) for l in lists])
    del token_lists
    long_streams = (units.stream(l) for c in _in_parallel(plain, workers) for l in c)
    keep["plain"] = Streams.of(documents(long_streams))
    for name, s in keep.items():
        arrays[f"{name}.units"], arrays[f"{name}.offsets"] = s.units, s.offsets
    log({k: (len(s), len(s.units)) for k, s in keep.items()})

    everything = [(a, b) for a, b, *_ in pairs]
    arrays["pair.a"] = np.array([place[p[0]] for p in pairs], np.int32)
    arrays["pair.b"] = np.array([place[p[1]] for p in pairs], np.int32)
    names = [f"{p[2]}/{p[3]}" for p in pairs]
    kinds = [k for k, _ in Counter(names).most_common()]
    number = {k: i for i, k in enumerate(kinds)}
    arrays["pair.source"] = np.array([number[n] for n in names], np.int32)
    component = sources.components(everything)
    of_text = np.arange(len(texts), dtype=np.int64) + 10_000_000
    of_text[arrays["pair.a"]] = component
    of_text[arrays["pair.b"]] = component
    arrays["text.component"] = of_text
    arrays["negative.a"] = np.array([place[a] for a, _ in negatives], np.int32)
    arrays["negative.b"] = np.array([place[b] for _, b in negatives], np.int32)

    for n in (1, 2, 3, 4):
        total = {}
        for group in ("service", "plain"):
            members = [keep["plain"]] if group == "plain" else [keep[k] for k in keep if k != "plain"]
            merged = Streams(
                np.concatenate([m.units for m in members]),
                np.concatenate([[0]] + [m.offsets[1:] + sum(len(p.units) for p in members[:i]) for i, m in enumerate(members)]),
            )
            minimum = 1 if n == 1 else (2 if sample else 6 if group == "service" else 20)
            total[group] = count_ngrams(merged, n, minimum)
            arrays[f"count{n}.{group}.keys"], arrays[f"count{n}.{group}.counts"] = total[group]
        log(f"{n}-grams: {[len(total[g][0]) for g in total]}")
    np.savez(cache / "arrays.npz", **arrays)
    done.write_text(json.dumps({"units": units.names, "kinds": kinds}, ensure_ascii=False), encoding="utf-8")
    return cache


def load(cache):
    """(units, kinds, arrays, streams by name)"""
    meta = json.loads((Path(cache) / "prepared.json").read_text(encoding="utf-8"))
    arrays = dict(np.load(Path(cache) / "arrays.npz"))
    streams = {k: Streams(arrays[f"{k}.units"], arrays[f"{k}.offsets"]) for k in ("texts", "short", "chats", "extra", "intents", "plain")}
    return Units(meta["units"]), meta["kinds"], arrays, streams
