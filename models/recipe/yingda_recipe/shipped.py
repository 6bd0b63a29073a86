"""The shipped model as plain Python reads it: the reference for the engine, and what evaluate.py measures.

Unlike training, it works on strings alone, exactly as the definition in the model card says.
"""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file

from .text import is_unit, tokens


class Shipped:
    def __init__(self, folder):
        folder = Path(folder)
        self.config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        self.vocabulary = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))["model"]["vocab"]
        self.tensors = load_file(folder / "model.safetensors")
        self.table = self.tensors["embeddings"].astype(np.float32) * self.tensors["embeddings.scale"].astype(np.float32)[:, None]

    def features(self, text):
        """(row, index of the unit where the n-gram ends), and the number of units read."""
        found, run, units = [], [], 0
        for token in tokens(text):
            if not is_unit(token):
                run = []
                continue
            if units == self.config["max_units"]:
                break
            run.append(token)
            for n in range(1, min(self.config["max_ngram"], len(run)) + 1):
                row = self.vocabulary.get("".join(run[-n:]))
                if row is not None:
                    found.append((row, units))
            units += 1
        return found, units

    def bag_vector(self, text):
        """Sum of the rows of all n-grams found; [UNK] where there are units but none is known; zero without units."""
        found, units = self.features(text)
        rows = [row for row, _ in found] or ([0] if units else [])
        return self.table[rows].sum(0) / max(len(rows), 1) ** self.config["pool_power"]

    def embed(self, texts):
        v = np.stack([self.bag_vector(t) for t in texts]).astype(np.float32)
        return v / np.maximum(np.linalg.norm(v, axis=1, keepdims=True), 1e-9)
