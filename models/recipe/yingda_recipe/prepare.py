"""Reads and encodes the data once; everything later works on unit streams. The result is kept as one .npz a folder."""

import json
from collections import Counter
from functools import partial
from multiprocessing import Pool
from pathlib import Path

import numpy as np

from . import data as sources
from .features import SEPARATOR, Streams, Units, count_ngrams, join
from .text import is_unit, tokens

DOCUMENT_UNITS = 320
# n-grams rarer than this are not even counted
RAREST = {"service": 6, "plain": 20}


CHUNK = 4000


def _in_chunks(function, texts, workers):
    """`function` of every chunk of the texts, in order, by several processes where there is enough to do."""
    chunks = [texts[i : i + CHUNK] for i in range(0, len(texts), CHUNK)]
    if workers <= 1 or len(chunks) < 2:
        yield from map(function, chunks)
        return
    with Pool(workers) as pool:
        yield from pool.imap(function, chunks)


def _count(texts):
    counts = Counter()
    for text in texts:
        counts.update(t for t in tokens(text) if is_unit(t))
    return counts


def count_units(texts, workers):
    """How often every unit occurs."""
    total = Counter()
    for counts in _in_chunks(_count, texts, workers):
        total.update(counts)
    return total


def encoded(texts, units, workers):
    """The texts as unit streams, chunk by chunk."""
    return _in_chunks(partial(Streams.of_texts, units=units), texts, workers)


def _each(parts):
    for part in parts:
        for i in range(len(part)):
            yield part.units[part.offsets[i] : part.offsets[i + 1]].tolist()


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


def prepare(data, cache, settings, clusters, exclude=(), extra_pairs=None, workers=2, log=print):
    """Encodes pairs, look-alikes and plain text, counts n-grams, and keeps it all in the folder `cache`."""
    cache = Path(cache)
    done = cache / "prepared.json"
    if done.is_file():
        return
    cache.mkdir(parents=True, exist_ok=True)
    pairs = sources.read_pairs(data, exclude)
    negatives = sources.read_negatives(data, exclude)
    if settings.sample:
        step = max(1, len(pairs) // settings.sample)
        pairs, negatives = pairs[::step], negatives[::step]
    if extra_pairs:
        pairs += sources.read_extra_pairs(extra_pairs)
    texts = list(dict.fromkeys(t for p in pairs + negatives for t in p[:2]))
    service = {
        "texts": texts,
        "short": sources.read_unlabelled(data)[: settings.sample],
        "chats": sources.read_dialogues(data)[: settings.sample],
        "extra": sources.read_extra_text(data)[: settings.sample],
        "intents": [t for c in clusters for t in [c.standard] + c.phrasings],
    }
    plain = sources.read_text(data, settings.plain_characters)
    log(f"read {len(pairs)} pairs, {len(negatives)} look-alikes, {len(texts)} texts, {len(plain)} paragraphs")

    # units are numbered by the service texts; plain text adds none of its own
    counts = Counter()
    for list_ in service.values():
        counts.update(count_units(list_, workers))
    units = Units.frequent(counts, minimum=1 if settings.sample else 4)
    streams = {name: join(*encoded(list_, units, workers)) for name, list_ in service.items()}
    streams["plain"] = Streams.of(documents(_each(encoded(plain, units, workers))))
    log(f"{len(units.names)} units; units of text: {', '.join(f'{k} {len(s.units)}' for k, s in streams.items())}")

    arrays, kinds = pair_arrays(pairs, negatives, texts)
    for name, s in streams.items():
        arrays[f"{name}.units"], arrays[f"{name}.offsets"] = s.units, s.offsets
    merged = {"service": join(*(streams[name] for name in service)), "plain": streams["plain"]}
    for n in (1, 2, 3, 4):
        for group, joined in merged.items():
            minimum = 1 if n == 1 else 2 if settings.sample else RAREST[group]
            arrays[f"count{n}.{group}.keys"], arrays[f"count{n}.{group}.counts"] = count_ngrams(joined, n, minimum)
    np.savez(cache / "arrays.npz", **arrays)
    done.write_text(json.dumps({"units": units.names, "kinds": kinds}, ensure_ascii=False), encoding="utf-8")


def pair_arrays(pairs, negatives, texts):
    """Pairs as numbers of texts, sources as numbers, and the component of every text; the names of the sources."""
    place = {t: i for i, t in enumerate(texts)}
    numbers = {f"{side}.{end}": np.array([place[p[at]] for p in rows], np.int32)
               for side, rows in (("pair", pairs), ("negative", negatives)) for at, end in enumerate("ab")}
    names = [f"{p[2]}/{p[3]}" for p in pairs]
    kinds = [name for name, _ in Counter(names).most_common()]
    number = {name: i for i, name in enumerate(kinds)}
    component = sources.components(pairs)
    of_text = np.arange(len(texts), dtype=np.int64) + len(texts)
    of_text[numbers["pair.a"]] = component
    of_text[numbers["pair.b"]] = component
    return numbers | {"pair.source": np.array([number[n] for n in names], np.int32), "text.component": of_text}, kinds


def load(cache):
    """(units, kinds, arrays, streams by name)"""
    meta = json.loads((Path(cache) / "prepared.json").read_text(encoding="utf-8"))
    arrays = dict(np.load(Path(cache) / "arrays.npz"))
    names = ("texts", "short", "chats", "extra", "intents", "plain")
    streams = {k: Streams(arrays[f"{k}.units"], arrays[f"{k}.offsets"]) for k in names}
    return Units(meta["units"]), meta["kinds"], arrays, streams
