"""Reads everything the model learns from: labelled pairs, intent clusters, plain text."""

import gzip
import hashlib
import json
import lzma
import re
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

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


def read_pairs(data, exclude=()):
    """(a, b, source, kind) of every positive pair of a source that is not excluded."""
    with gzip.open(Path(data) / "train" / "pos_pairs.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        return [tuple(r) for r in rows if len(r) == 4 and r[2] not in exclude and KIND_WEIGHT.get(r[3], 0) > 0]


def read_negatives(data, exclude=()):
    with gzip.open(Path(data) / "train" / "hard_neg_pairs.tsv.gz", "rt", encoding="utf-8") as lines:
        rows = (line.rstrip("\n").split("\t") for line in lines)
        return [tuple(r[:2]) for r in rows if len(r) == 3 and r[2] not in exclude]


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
    import yaml

    clusters = []
    for path in sorted(Path(folder).glob("faq/*.yaml")):
        for entry in yaml.safe_load(path.read_text(encoding="utf-8")).get("entries", []):
            similar = [s for s in entry.get("similar", []) if isinstance(s, str)]
            if similar:
                clusters.append(Cluster(entry["question"], similar, ["c"] * len(similar), path.stem))
    return clusters


_SENTENCE = re.compile(r"[^。！？!?；;\n]+[。！？!?；;]*")


def sentences(paragraph):
    return [s.strip() for s in _SENTENCE.findall(paragraph) if len(s.strip()) >= 4]


def read_dialogues(data):
    with gzip.open(Path(data) / "train" / "ecommerce_dialogues.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def read_unlabelled(data):
    with gzip.open(Path(data) / "train" / "unlabelled_sentences.tsv.gz", "rt", encoding="utf-8") as lines:
        return [line.rstrip("\n").split("\t")[0] for line in lines]


def read_extra_text(data):
    with gzip.open(Path(data) / "train" / "text_extra.txt.gz", "rt", encoding="utf-8") as lines:
        return [line.strip() for line in lines]


def read_text(data, limit=None):
    """Paragraphs of the plain text files; an empty string stands between documents."""
    out, size = [], 0
    for path in sorted((Path(data) / "train").glob("text-*.txt.xz")):
        with lzma.open(path, "rt", encoding="utf-8") as lines:
            for line in lines:
                out.append(line.strip())
                size += len(line)
                if limit and size > limit:
                    return out
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
