"""Every number of the recipe in one place. The defaults make the shipped model."""

import json
from dataclasses import asdict, dataclass, field, fields, replace


class Changeable:
    """Settings that `name=value` strings change."""

    def with_(self, assignments):
        """Settings changed by `name=value` strings."""
        types = {f.name: getattr(self, f.name) for f in fields(self)}
        changes = {}
        for assignment in assignments:
            name, _, value = assignment.partition("=")
            if name not in types:
                raise SystemExit(f"no setting `{name}`; known: {', '.join(types)}")
            old = types[name]
            changes[name] = _read(value, old)
        return replace(self, **changes)

    def as_dict(self):
        return asdict(self)


@dataclass(frozen=True)
class Settings(Changeable):
    """Of the n-gram model."""

    seed: int = 1
    # vocabulary
    vocabulary_size: int = 110_000
    plain_weight: float = 0.1
    dims: int = 256
    scale: float = 0.1
    ngram_weights: tuple = (1.0, 0.3, 0.1, 0.05)
    ngram_rates: tuple = (1.0, 0.3, 0.15, 0.1)
    final_ngram_weights: tuple = (1.0, 0.8, 0.6, 0.5)
    # self-supervision: neighbouring stretches of text
    pretrain_steps: int = 1500
    pretrain_batch: int = 1024
    pretrain_rate: float = 0.0015
    pretrain_temperature: float = 0.05
    pretrain_plain_share: float = 0.4
    shortest: int = 3
    longest: int = 16
    # contrast on pairs and intents
    runs: int = 2
    finetune_steps: int = 1700
    finetune_rate: float = 0.003
    temperature: float = 0.07
    unit_dropout: float = 0.2
    source_exponent: float = 0.75
    source_weights: dict = field(
        default_factory=lambda: {
            "insurance_zhidao/question-answer": 2.5,
            "atec/paraphrase": 2.0,
            "diac2019_law/paraphrase": 1.5,
        }
    )
    chunk: int = 224
    chunks: int = 3
    intent_pairs: int = 448
    standard_share: float = 0.6
    labelled_negatives: bool = True
    longest_text: int = 96
    matryoshka: tuple = (256, 128, 64)
    # how much is read (None: everything)
    plain_characters: int | None = None
    sample: int | None = None


@dataclass(frozen=True)
class ContextSettings(Changeable):
    """Of the second reading."""

    seed: int = 1
    dimensions: int = 256
    smaller: int = 128
    rarest: int = 40
    rarest_unknown: int = 30
    steps: int = 1000
    rate: float = 4e-4
    pieces_rate: float = 1.5e-3
    warm_up: int = 30
    temperature: float = 0.07
    piece_dropout: float = 0.15
    chunk: int = 80
    chunks: int = 3
    intent_pairs: int = 288
    trained_pieces: int = 40
    read_pieces: int = 128


def _read(value, old):
    if isinstance(old, bool):
        return value.lower() in ("1", "true", "yes")
    if isinstance(old, tuple):
        return tuple(type(old[0])(v) for v in value.split(","))
    return json.loads(value)


SMOKE = {
    "vocabulary_size": 12_000,
    "pretrain_steps": 30,
    "pretrain_batch": 256,
    "runs": 2,
    "finetune_steps": 40,
    "chunk": 64,
    "intent_pairs": 64,
    "plain_characters": 200_000,
    "sample": 3_000,
}
