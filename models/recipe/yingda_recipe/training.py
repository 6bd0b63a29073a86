"""The two stages of training: self-supervision on neighbouring text, then contrast on pairs and intents."""

from pathlib import Path

import numpy as np

from .bag import Bag, contrastive
from .features import Streams, bag, join
from .sampling import ClusterSampler, PairSampler, cut_out, neighbours

CHECKPOINT_EVERY = 500


def save_checkpoint(path, model, step, done=False):
    """Writes beside the target and renames, so that an interrupted run leaves the former checkpoint whole."""
    path = Path(path)
    partial = path.with_suffix(".partial.npz")
    state = {"keys": model.keys, "table": model.table, "step": step, "steps": model.steps, "done": done}
    if not done:
        state |= {"first": model.first, "second": model.second}
    np.savez(partial, **state)
    partial.replace(path)


def load_checkpoint(path, model):
    """Puts a checkpoint into the model; returns (step, done)."""
    state = np.load(path)
    if not np.array_equal(state["keys"], model.keys):
        raise SystemExit(f"{path} has another vocabulary; delete it or choose another --work")
    model.table = state["table"]
    if "first" in state:
        model.first, model.second, model.steps = state["first"], state["second"], int(state["steps"])
    return int(state["step"]), bool(state["done"])


def _step(model, streams, texts, pairs, component, rate, temperature, drop, limit, seed, dims):
    features, _, offsets = model.features(streams, texts, drop, limit, seed)
    x = bag(model.table, features, offsets, model.power)
    loss, gradient = contrastive(x, pairs, component, temperature, dims)
    model.update(features, offsets, gradient, rate)
    return loss


def _train(model, checkpoint, steps, one_step, log, name):
    """Runs `one_step(step)` up to `steps`, from the checkpoint if there is one."""
    start = 0
    if Path(checkpoint).is_file():
        start, done = load_checkpoint(checkpoint, model)
        if done:
            log(f"{name}: already done")
            return
        log(f"{name}: resumed at step {start}")
    total = 0.0
    for step in range(start, steps):
        total += one_step(step)
        if (step + 1) % CHECKPOINT_EVERY == 0:
            log(f"{name}: step {step + 1} of {steps}, loss {total / CHECKPOINT_EVERY:.3f}")
            total = 0.0
            if step + 1 < steps:
                save_checkpoint(checkpoint, model, step + 1)
    save_checkpoint(checkpoint, model, steps, done=True)
    model.reset_optimizer()


def pretrain(model, streams, settings, checkpoint, log=print):
    """Neighbouring stretches of 3 to 16 units belong together; those of other texts in the batch do not."""
    s = settings
    service = join(*(streams[k] for k in ("short", "chats", "extra", "texts", "intents")))

    def one_step(step):
        source = streams["plain"] if len(streams["plain"]) and np.random.default_rng([s.seed, step]).random() < s.pretrain_plain_share else service
        spans = neighbours(source.units, source.offsets, s.pretrain_batch, s.shortest, s.longest, s.seed * 100_003 + step)
        units, offsets = cut_out(source.units, spans)
        text = np.searchsorted(source.offsets, spans[:, 0], side="right")
        rate = s.pretrain_rate * (1 - 0.9 * step / s.pretrain_steps)
        return _step(model, Streams(units, offsets), np.arange(2 * s.pretrain_batch), s.pretrain_batch,
                     np.concatenate([text, text]), rate, s.pretrain_temperature, 0.0, 0, step, (s.dims,))

    _train(model, checkpoint, s.pretrain_steps, one_step, log, "pretrain")


def finetune(model, arrays, kinds, streams, clusters, settings, seed, checkpoint, log=print):
    """Pairs of the same meaning belong together; chunks of one source and whole groups of intents share a batch.

    Every step draws from a generator seeded with its number, so a resumed run sees what an uninterrupted one sees.
    """
    s = settings
    texts = [t for c in clusters for t in [c.standard] + c.phrasings]
    sizes = np.array([1 + len(c.phrasings) for c in clusters])
    base = len(streams["texts"])
    everything = join(streams["texts"], Streams.of_texts(texts, model.units)) if texts else streams["texts"]
    component = np.concatenate([arrays["text.component"], 2 * base + np.repeat(np.arange(len(clusters)), sizes)])
    pairs = PairSampler(arrays, kinds, s.source_weights, s.source_exponent)
    intents = ClusterSampler(clusters, base + np.cumsum(sizes) - sizes, s.standard_share) if clusters else None
    dims = (s.dims,) + tuple(d for d in s.matryoshka if d < s.dims)

    def one_step(step):
        random = np.random.default_rng([seed, step])
        drawn = [pairs.chunk(s.chunk, random) for _ in range(s.chunks)] if pairs.members else []
        questions = np.concatenate([a for a, _ in drawn]) if drawn else np.empty(0, np.int64)
        negatives = pairs.negatives(questions, random) if s.labelled_negatives else np.empty(0, np.int64)
        if intents:
            drawn.append(intents.chunk(s.intent_pairs, random))
        a, b = map(np.concatenate, zip(*drawn))
        chosen = np.concatenate([a, b, negatives])
        rate = s.finetune_rate * min(1, (step + 1) / 100) * (1 - step / s.finetune_steps)
        return _step(model, everything, chosen, len(a), component[chosen], rate, s.temperature, s.unit_dropout,
                     s.longest_text, seed * 7919 + step, dims)

    _train(model, checkpoint, s.finetune_steps, one_step, log, f"finetune run {seed}")


def average(models):
    """The mean of the tables of runs that began at the same pre-trained table."""
    first = models[0]
    return Bag(first.keys, np.mean([m.table for m in models], axis=0), first.units, first.power, first.max_n)
