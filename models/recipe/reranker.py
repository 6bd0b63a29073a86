#!/usr/bin/env python3
"""Trains a small cross-encoder (BERT, one logit) that reads a question and a text together, in the layout that
`reranker.path` takes.

    python models/recipe/reranker.py --data ../shared/data --model tuning-model --out reranker

It learns from lists: a question, one text of the same meaning, and look-alikes: labelled ones, and those that the embedding
model puts nearest to the question. That model should not have seen the pairs itself, or its look-alikes teach nothing: give
one trained without these sources (`train.py --exclude …`, see README.md). Token vectors begin as that model's vectors of single
characters. Needs torch and transformers. Seeded; on one core a thousand steps take a quarter of an hour.
"""

import argparse
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from ranker_sets import ANSWERS, PARAPHRASES, RELATED
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast
from yingda_recipe.data import components, read_intents, read_negatives, read_pairs
from yingda_recipe.shipped import Shipped
from yingda_recipe.text import normalise

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
LONGEST = 28
POSITIONS = 2 * LONGEST + 3
NEAREST = 30
POOL = 20_000
# Length of a token's vector at the start.
INITIAL = 0.25


def tokenizer(model, folder):
    """One token a character, of those that the embedding model knows."""
    letters = [token for token in model.vocabulary if len(token) == 1]
    numbers = {token: number for number, token in enumerate(SPECIAL + letters)}
    words = Tokenizer(models.WordPiece(numbers, unk_token="[UNK]"))
    words.normalizer = normalizers.BertNormalizer(lowercase=True)
    words.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    ends = [(token, numbers[token]) for token in ("[CLS]", "[SEP]")]
    words.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
    )
    words.decoder = decoders.WordPiece()
    folder.mkdir(parents=True, exist_ok=True)
    return BertTokenizerFast(tokenizer_object=words, model_max_length=POSITIONS), numbers


def network(model, numbers, width, layers):
    config = BertConfig(
        vocab_size=len(numbers), hidden_size=width, num_hidden_layers=layers, num_attention_heads=4,
        intermediate_size=3 * width, max_position_embeddings=POSITIONS, num_labels=1,
    )  # fmt: skip
    net = BertForSequenceClassification(config)
    size = width // config.num_attention_heads
    sides = torch.arange(0, width, size)
    table, first = net.bert.embeddings, net.bert.encoder.layer[0].attention
    with torch.no_grad():
        words = table.word_embeddings.weight
        for token, number in numbers.items():
            row = model.vocabulary.get(token)
            if row is not None:
                vector = torch.from_numpy(model.table[row, :width].copy())
                words[number, : len(vector)] = INITIAL * vector / vector.norm().clamp(min=1e-6)
        words[:, sides] = 0.0
        table.position_embeddings.weight.mul_(0.2)
        table.token_type_embeddings.weight.zero_()
        table.token_type_embeddings.weight[0, sides] = INITIAL / 4
        table.token_type_embeddings.weight[1, sides] = -INITIAL / 4
        # The first layer begins as a comparison: each character looks for its like in the other text and keeps the difference.
        # Learning that from nothing takes far more pairs than there are.
        turned = torch.eye(width)
        turned[sides, sides] = -1.0
        for part, start in ((first.self.query, turned), (first.self.key, torch.eye(width)), (first.self.value, torch.eye(width))):
            part.weight.add_(start)
        first.output.dense.weight.sub_(0.9 * torch.eye(width))
    return net


class Lists:
    """Questions with texts of the same meaning and look-alikes, drawn by source."""

    def __init__(self, data, intents, model, rng):
        self.rng = rng
        sources = PARAPHRASES + ANSWERS + RELATED
        rows = [row for row in read_pairs(data) if row[2] in sources]
        groups = components([row[:2] for row in rows])
        self.group, self.right, pools = {}, defaultdict(list), defaultdict(set)
        for (a, b, source, kind), group in zip(rows, groups):
            self.group[a] = self.group[b] = group
            self.right[a].append(b)
            if kind == "paraphrase":
                self.right[b].append(a)
            pools[source].update((a, b))
        for cluster in (c for c in intents if not c.held_out()):
            for text in [cluster.standard, *cluster.phrasings]:
                self.group[text] = cluster.standard
                self.right[text] = [cluster.standard]
                pools["intents"].add(text)
        self.similar = defaultdict(list)
        for a, b, _ in read_negatives(data):
            if a in self.group and b in self.group and self.group[a] != self.group[b]:
                self.similar[a].append(b)
                self.similar[b].append(a)
        self.pools, self.vectors = {}, {}
        for source, texts in sorted(pools.items()):
            texts = sorted(texts)
            if len(texts) > POOL:
                texts = [texts[i] for i in sorted(rng.choice(len(texts), POOL, replace=False))]
            self.pools[source] = texts
            self.vectors[source] = model.embed(texts)
        self.asked = {source: [t for t in texts if self.right[t]] for source, texts in self.pools.items()}
        sizes = np.array([len(asked) for asked in self.asked.values()]) ** 0.5
        self.chances = sizes / sizes.sum()
        self.model = model

    def draw(self, size):
        """(question, [right text, look-alikes …]) with `size` texts."""
        source = list(self.asked)[self.rng.choice(len(self.asked), p=self.chances)]
        question = self.asked[source][self.rng.integers(len(self.asked[source]))]
        right = self.right[question][self.rng.integers(len(self.right[question]))]
        labelled = self.similar.get(question, [])
        wrong = list(self.rng.permutation(labelled)[:3]) if labelled else []
        cosines = self.vectors[source] @ self.model.embed([question])[0]
        nearest = np.argpartition(-cosines, NEAREST)[:NEAREST]
        nearest = [self.pools[source][i] for i in nearest[np.argsort(-cosines[nearest], kind="stable")]]
        nearest = [text for text in nearest if self.group[text] != self.group[question]]
        wrong += [nearest[i] for i in self.rng.permutation(len(nearest))[: size - 1 - len(wrong)]]
        while len(wrong) < size - 1:
            wrong.append(self.pools[source][self.rng.integers(len(self.pools[source]))])
        return question, [right, *map(str, wrong)]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--model", type=Path, required=True, help="embedding model that did not see the pairs")
    parser.add_argument("--intents", type=Path, default=Path(__file__).parent / "intents")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=3000)
    parser.add_argument("--lists", type=int, default=12, help="lists a step")
    parser.add_argument("--size", type=int, default=8, help="texts a list")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--layers", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=7)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(given.seed)
    started = time.time()
    model = Shipped(given.model)
    words, numbers = tokenizer(model, given.out)
    net = network(model, numbers, given.width, given.layers)
    lists = Lists(given.data, read_intents(given.intents), model, np.random.default_rng(given.seed))
    print(f"[{time.time() - started:5.0f} s] {len(lists.group)} texts", flush=True)
    optimizer = torch.optim.AdamW(net.parameters(), lr=6e-4, weight_decay=0.01)
    warm = lambda step: min((step + 1) / 100, 1.0) * (1 - step / given.steps)  # noqa: E731
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, warm)
    mean = 0.0
    for step in range(1, given.steps + 1):
        drawn = [lists.draw(given.size) for _ in range(given.lists)]
        first = [normalise(question)[:LONGEST] for question, texts in drawn for _ in texts]
        second = [normalise(text)[:LONGEST] for _, texts in drawn for text in texts]
        batch = words(first, second, padding=True, truncation=True, return_tensors="pt")
        logits = net(**batch).logits.view(given.lists, given.size)
        target = torch.zeros(given.lists, dtype=torch.long)
        marked = torch.nn.functional.one_hot(target, given.size).float()
        # The list teaches the order; each text for itself what a relevance of one half means.
        loss = torch.nn.functional.cross_entropy(logits, target)
        loss = loss + 0.3 * torch.nn.functional.binary_cross_entropy_with_logits(logits, marked)
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        mean = loss.item() if step == 1 else 0.98 * mean + 0.02 * loss.item()
        if step % 100 == 0 or step == given.steps:
            print(f"[{time.time() - started:5.0f} s] step {step} of {given.steps}, loss {mean:.3f}", flush=True)
            net.eval()
            net.save_pretrained(given.out)
            words.save_pretrained(given.out)
            net.train()


if __name__ == "__main__":
    main()
