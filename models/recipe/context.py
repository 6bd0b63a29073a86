#!/usr/bin/env python3
"""Trains the second reading of a finished n-gram model, and puts it beside that model.

    pip install -r models/recipe/requirements-context.txt
    python models/recipe/context.py --data ../shared/data --model models/yingda-embed-zh

Stops and goes on: --work holds the last checkpoint, and the same command continues there.
"""

import argparse
import json
import os
import time
from multiprocessing import Pool
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHECKPOINT_EVERY = 100


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder with train/ and eval/")
    parser.add_argument("--model", type=Path, required=True, help="folder of the finished n-gram model; the encoder is put there")
    parser.add_argument("--work", type=Path, help="folder of checkpoints (default: MODEL.context.work)")
    parser.add_argument("--intents", type=Path, default=HERE / "intents", help="folder of intent files")
    parser.add_argument("--corpus", type=Path, default=HERE.parent.parent / "corpus", help="knowledge base whose similar questions are learned")
    parser.add_argument("--exclude", nargs="*", default=[], metavar="SOURCE", help="sources of pairs to leave out")
    parser.add_argument("--extra-pairs", type=Path, metavar="FILE", help="own pairs: two texts of the same meaning, tab between, one pair a line")
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="change a setting (see `ContextSettings` in yingda_recipe/settings.py)")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    return parser.parse_args()


def main():
    args = arguments()
    # numpy and torch read the number of threads when they are imported
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    import numpy as np
    import torch

    from train import remember
    from yingda_recipe import context, data, evaluation
    from yingda_recipe.export import PARITY_TEXTS
    from yingda_recipe.prepare import pair_arrays
    from yingda_recipe.sampling import ClusterSampler, PairSampler
    from yingda_recipe.settings import ContextSettings, Settings

    settings = ContextSettings().with_(args.set)
    torch.set_num_threads(args.threads)
    torch.manual_seed(settings.seed)
    began = time.time()

    def log(message):
        print(f"[{time.time() - began:5.0f} s] {message}", flush=True)

    work = args.work or args.model.with_name(args.model.name + ".context.work")
    work.mkdir(parents=True, exist_ok=True)
    remember(work / "settings.json", {**settings.as_dict(), "exclude": sorted(args.exclude), "extra_pairs": str(args.extra_pairs),
                                     "data": str(args.data), "intents": str(args.intents), "corpus": str(args.corpus)})

    pairs, negatives = data.read_pairs(args.data, args.exclude), data.read_negatives(args.data, args.exclude)
    if args.extra_pairs:
        pairs += data.read_extra_pairs(args.extra_pairs)
    everything = data.read_intents(args.intents)
    clusters = [c for c in everything if not c.held_out()] + data.read_corpus_clusters(args.corpus)
    texts = list(dict.fromkeys(t for p in pairs + negatives for t in p[:2]))
    arrays, kinds = pair_arrays(pairs, negatives, texts)
    of_clusters = [t for c in clusters for t in [c.standard] + c.phrasings]
    with Pool(args.threads) as pool:
        normal = context.normalised(texts + of_clusters, pool)
    log(f"{len(pairs)} pairs, {len(negatives)} look-alikes, {len(texts)} texts, {len(clusters)} clusters")

    pieces, rows, public = context.starting_point(normal, settings.rarest, settings.rarest_unknown, settings.seed)
    network = context.Network(len(pieces), settings.dimensions)
    context.begin(network, rows, public)
    cutter = context.Cutter(pieces)
    encoded = cutter(normal)
    context.main_directions(network, encoded[:: max(1, len(encoded) // 20_000)], settings.trained_pieces)
    log(f"{len(pieces)} pieces, {sum(p.numel() for p in network.parameters()) - network.pieces.weight.numel()} further weights")

    sizes = np.array([1 + len(c.phrasings) for c in clusters])
    component = np.concatenate([arrays["text.component"], 2 * len(texts) + np.repeat(np.arange(len(clusters)), sizes)])
    shares = Settings()
    from_pairs = PairSampler(arrays, kinds, shares.source_weights, shares.source_exponent)
    from_intents = ClusterSampler(clusters, len(texts) + np.cumsum(sizes) - sizes, shares.standard_share)
    groups = [{"params": [network.pieces.weight], "lr": settings.pieces_rate},
              {"params": [p for name, p in network.named_parameters() if name != "pieces.weight"], "lr": settings.rate}]
    optimizer = torch.optim.Adam(groups, betas=(0.9, 0.98), fused=True)

    checkpoint = work / "context.pt"
    first = 0
    if checkpoint.is_file():
        state = torch.load(checkpoint, weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
        log(f"resumed at step {first}")
    total = 0.0
    for step in range(first, settings.steps):
        random = np.random.default_rng([settings.seed, step])
        drawn = [from_pairs.chunk(settings.chunk, random) for _ in range(settings.chunks)]
        alike = from_pairs.negatives(np.concatenate([a for a, _ in drawn]), random)
        drawn.append(from_intents.chunk(settings.intent_pairs, random))
        a, b = map(np.concatenate, zip(*drawn))
        chosen = np.concatenate([a, b, alike])
        rate = min(1, (step + 1) / settings.warm_up) * (1 - step / settings.steps)
        for group, full in zip(optimizer.param_groups, (settings.pieces_rate, settings.rate)):
            group["lr"] = full * rate
        batch = context.batch_of([encoded[i] for i in chosen], settings.trained_pieces, settings.piece_dropout, random)
        loss = context.loss_of(network(batch), len(a), torch.from_numpy(component[chosen]), settings.temperature,
                               (settings.dimensions, settings.smaller))
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 5.0)
        optimizer.step()
        total += loss.item()
        if (step + 1) % CHECKPOINT_EVERY == 0 or step + 1 == settings.steps:
            log(f"step {step + 1} of {settings.steps}, loss {total / ((step % CHECKPOINT_EVERY) + 1):.3f}")
            total = 0.0
            state = {"network": network.state_dict(), "optimizer": optimizer.state_dict(), "step": step + 1}
            torch.save(state, checkpoint.with_suffix(".partial"))
            checkpoint.with_suffix(".partial").replace(checkpoint)

    context.rounded(network)
    context.export(args.model, network, cutter, settings.read_pieces)

    def embed(texts):
        with Pool(args.threads) as pool:
            read = pool.map(context.read, texts, chunksize=1000)
        vectors = context.embed(network, cutter(read), settings.read_pieces)
        vectors[[not text for text in read]] = 0
        return vectors

    parity = [*PARITY_TEXTS, context.LONG_PARITY]
    context.write_parity(args.model, parity, embed(parity))
    log(f"written to {args.model}")
    table = evaluation.all_sets(args.data, everything, embed)
    evaluation.show(table)
    (work / "metrics.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    log("done")


if __name__ == "__main__":
    main()
