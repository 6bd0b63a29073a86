"""Reads everything the model learns from: labelled pairs, intent clusters, plain text."""

import gzip
import hashlib
import json
import lzma
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import yaml

VALIDATION_SHARE = 0.10

# How often a pair of a kind is drawn, relative to the size of its source to the power 0.75. Kinds far from customer
# service weigh little; see the ablation in the model card.
KIND_WEIGHT = {
    "paraphrase": 1.0,
    "faq": 1.5,
    "title-text": 0.6,
    "question-answer": 0.8,
    "question-reply": 0.6,
    "query-title": 0.5,
    "instruction-answer": 0.3,
    "paraphrase-wiki": 0.1,
    "entailment": 0.1,
    "question-statute": 0.1,
    "idiom": 0.0,
    "extra": 3.0,
}


@dataclass
class Cluster:
    """One need and its phrasings; `group` names the neighbours it is easily confused with."""

    standard: str
    phrasings: list = field(default_factory=list)
    styles: list = field(default_factory=list)
    group: str = ""

    def held_out(self):
        digest = hashlib.sha256(self.standard.encode()).digest()
        return digest[0] < 256 * VALIDATION_SHARE


def _lines(data, name):
    """Lines of a file of the training folder; none when there is no such file."""
    path = Path(data) / "train" / name if data else None
    if path is None or not path.is_file():
        return []
    reader = lzma.open if name.endswith(".xz") else gzip.open
    with reader(path, "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n") for line in lines]


def read_pairs(data, exclude=()):
    """(a, b, source, kind) of every positive pair of a source that is not excluded."""
    rows = (line.split("\t") for line in _lines(data, "pos_pairs.tsv.gz"))
    return [tuple(r) for r in rows if len(r) == 4 and r[2] not in exclude and KIND_WEIGHT.get(r[3], 0) > 0]


def read_negatives(data, exclude=()):
    """(a, b, source) of every pair of look-alikes of a source that is not excluded."""
    rows = (line.split("\t") for line in _lines(data, "hard_neg_pairs.tsv.gz"))
    return [tuple(r) for r in rows if len(r) == 3 and r[2] not in exclude]


def read_extra_pairs(path):
    """A company's own pairs: `text_a <tab> text_b`, same meaning, one a line."""
    rows = (line.rstrip("\n").split("\t") for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [(r[0], r[1], "extra_pairs", "extra") for r in rows if len(r) >= 2]


def read_intents(folder):
    """The clusters of every intent file: `# standard question`, then lines of `style phrasing`."""
    clusters, seen = [], {}
    for path in sorted(Path(folder).glob("*.txt")):
        domain, current = path.stem, None
        for line in path.read_text(encoding="utf-8").splitlines():
            line = line.strip()
            if line.startswith("## "):
                domain = path.stem
            elif line.startswith("# "):
                current = Cluster(line[2:].strip(), group=domain)
                if current.standard in seen:
                    current = seen[current.standard]
                else:
                    seen[current.standard] = current
                    clusters.append(current)
            elif current and len(line) > 2 and line[0] in "kcivltd" and line[1] == " ":
                current.styles.append(line[0])
                current.phrasings.append(line[2:].strip())
    return [c for c in clusters if c.phrasings]


def read_corpus_clusters(folder):
    """Question and similar questions of the starter knowledge base."""
    clusters = []
    for path in sorted(Path(folder).glob("faq/*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("entries", []):
            similar = [s for s in entry.get("similar", []) if isinstance(s, str)]
            if similar:
                clusters.append(Cluster(entry["question"], similar, ["c"] * len(similar), path.stem))
    return clusters


def read_dialogues(data):
    """Each dialogue as one text, a turn a line."""
    dialogues = map(json.loads, _lines(data, "ecommerce_dialogues.jsonl.gz"))
    return ["\n".join(d["context"] + [d["reply"]]) for d in dialogues]


def read_unlabelled(data):
    return [line.split("\t")[0] for line in _lines(data, "unlabelled_sentences.tsv.gz")]


def read_extra_text(data):
    return [line.strip() for line in _lines(data, "text_extra.txt.gz")]


def read_text(data, limit=None):
    """Paragraphs of the plain text files; an empty string stands between documents."""
    out, size = [], 0
    for path in sorted((Path(data) / "train").glob("text-*.txt.xz")) if data else []:
        for line in _lines(data, path.name):
            size += len(line)
            if limit is not None and size > limit:
                return out
            out.append(line.strip())
    return out


def components(pairs):
    """A number for each pair such that pairs sharing a text, directly or by a chain, share it (union-find)."""
    number, parent = {}, []

    def find(i):
        while parent[i] != i:
            parent[i] = parent[parent[i]]
            i = parent[i]
        return i

    ends = []
    for a, b, *_ in pairs:
        for text in (a, b):
            if text not in number:
                number[text] = len(parent)
                parent.append(len(parent))
        i, j = find(number[a]), find(number[b])
        parent[i] = j
        ends.append(number[a])
    return np.array([find(i) for i in ends], np.int64)
