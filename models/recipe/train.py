#!/usr/bin/env python3
"""Trains the embedding model that ships with Yingda: from the data folder to the shipped files in one command.

    python models/recipe/train.py --data ../shared/data --out models/yingda-embed-zh

Stops and goes on: every stage leaves a checkpoint in --work, and the same command continues there.
"""

import argparse
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

HERE = Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, help="folder with train/ and, for the final table, eval/; --smoke does without it")
    parser.add_argument("--out", type=Path, required=True, help="folder of the finished model")
    parser.add_argument("--work", type=Path, default=None, help="folder of checkpoints (default: OUT.work)")
    parser.add_argument("--intents", type=Path, default=HERE / "intents", help="folder of intent files")
    parser.add_argument("--corpus", type=Path, default=HERE.parent.parent / "corpus", help="knowledge base whose similar questions are learned")
    parser.add_argument("--exclude", nargs="*", default=[], metavar="SOURCE", help="sources of pairs to leave out")
    parser.add_argument("--extra-pairs", type=Path, metavar="FILE", help="own pairs: two texts of the same meaning, tab between, one pair a line")
    parser.add_argument("--smoke", action="store_true", help="a loadable model from a little data in a minute or two")
    parser.add_argument("--threads", type=int, default=min(2, os.cpu_count() or 1))
    parser.add_argument("--set", nargs="*", default=[], metavar="NAME=VALUE", help="change a setting (see yingda_recipe/settings.py)")
    parser.add_argument("--no-evaluation", action="store_true")
    parser.add_argument("--run", type=int, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if not args.data and not args.smoke:
        parser.error("--data is needed (only --smoke does without it)")
    return args


def main():
    args = arguments()
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"):
        os.environ[name] = str(args.threads)
    # numpy and numba read the number of threads when they are imported
    from yingda_recipe import data, evaluation, export, prepare, training, vocabulary
    from yingda_recipe.bag import Bag
    from yingda_recipe.settings import SMOKE, Settings
    from yingda_recipe.shipped import Shipped

    began = time.time()

    def log(message):
        print(f"[{time.time() - began:5.0f} s] {message}", flush=True)

    settings = replace(Settings(), **SMOKE) if args.smoke else Settings()
    settings = settings.with_(args.set)
    work = args.work or args.out.with_name(args.out.name + ".work")
    work.mkdir(parents=True, exist_ok=True)
    remember(work / "settings.json", {**settings.as_dict(), "exclude": sorted(args.exclude), "extra_pairs": str(args.extra_pairs)})

    clusters = data.read_intents(args.intents)
    validation = [c for c in clusters if c.held_out()]
    learned = [c for c in clusters if not c.held_out()] + data.read_corpus_clusters(args.corpus)
    log(f"{len(clusters)} intents, {len(validation)} of them held out, {len(learned)} clusters to learn")

    prepare.prepare(args.data, work / "prepared", settings, learned, args.exclude, args.extra_pairs, args.threads, log)
    units, kinds, arrays, streams = prepare.load(work / "prepared")
    keys, weights = vocabulary.choose(arrays, settings)
    log(f"{len(keys)} n-grams")

    model = Bag.fresh(keys, units, settings.dims, settings.seed, weights)
    training.pretrain(model, streams, settings, work / "pretrain.npz", log)
    if args.run is not None:
        model.learn_at(settings.ngram_rates)
        training.finetune(model, arrays, kinds, streams, learned, settings, settings.seed + args.run, work / f"run-{args.run}.npz", log)
        return
    runs_in_parallel(settings.runs, args.threads)
    runs = []
    for number in range(settings.runs):
        run = model.copy()
        training.load_checkpoint(work / f"run-{number}.npz", run)
        runs.append(run)
    model = training.average(runs)
    model.weigh(settings.final_ngram_weights)
    export.export(args.out, model)
    shipped = Shipped(args.out)
    export.write_parity(args.out, shipped.embed)
    log(f"written to {args.out}")

    if not args.no_evaluation:
        table = evaluation.all_sets(args.data, clusters, shipped.embed)
        evaluation.show(table)
        (work / "metrics.json").write_text(json.dumps(table, indent=2) + "\n", encoding="utf-8")
    log("done")


def runs_in_parallel(count, workers):
    """Every run of the second stage as a process of its own, on one core each: they share nothing but the start."""

    def one(number):
        return subprocess.run([sys.executable, *sys.argv, "--run", str(number), "--threads", "1"]).returncode

    with ThreadPoolExecutor(workers) as pool:
        if any(pool.map(one, range(count))):
            raise SystemExit("a training run failed; its message stands above")


def remember(path, settings):
    """Checkpoints of other settings must not be continued."""
    text = json.dumps(settings, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    if not path.is_file():
        path.write_text(text, encoding="utf-8")
    elif path.read_text(encoding="utf-8") != text:
        raise SystemExit(f"{path} belongs to a run with other settings; delete {path.parent} or choose another --work")


if __name__ == "__main__":
    main()
