"""Writes labelled sets for `yingda tune`.

From the intents that the embedding model never saw: the held-out standard questions alone and among others, each once
with nothing but the standard question and once with three more phrasings for each. From pairs of the training folder
(with `--data`): groups of real customers' questions that mean the same, questions with
their answers, and questions among their labelled look-alikes.

The ranker must see cosines of texts that the model was not trained on. So for `--data` tune with a model trained without
these sources: `train.py --exclude` with the list that `--print-sources` prints. Seeded; the same input gives the same sets.
"""

import argparse
import random
from collections import defaultdict
from pathlib import Path

from yingda_recipe.data import components, read_intents, read_negatives, read_pairs

# Sources of questions: groups of at least GROUP texts that mean the same.
PARAPHRASES = ["bq_corpus", "afqmc", "oppo_xiaobu", "lcqmc"]
# Sources of questions with answers.
ANSWERS = ["insurance_zhidao", "ms_alchemy_insights", "small_faqs"]
# Sources of questions with labelled look-alikes.
LOOK_ALIKES = ["diac2019_law", "covid_pairs"]
# Left out of training as well, because their texts resemble those above.
RELATED = ["insurance_backtranslation", "bustm"]
GROUP = 5
DOCUMENTS = 400
ANSWER_DOCUMENTS = 1200
SIMILAR = 3
DISTRACTORS = 450
LOOK_ALIKE_QUESTIONS = 1500


def write_set(folder, clusters, asked, similar, seed):
    """One set: all `clusters` are documents, the phrasings of `asked` are questions."""
    rng = random.Random(seed)
    corpus, queries, qrels, further = [], [], [], []
    asked_names = {c.standard for c in asked}
    for number, cluster in enumerate(sorted(clusters, key=lambda c: c.standard)):
        doc = f"d{number:04}"
        corpus.append(f"{doc}\t{cluster.standard}")
        phrasings = list(cluster.phrasings)
        rng.shuffle(phrasings)
        if similar:
            further += [f"{doc}\t{text}" for text in phrasings[:similar]]
            phrasings = phrasings[similar:]
        if cluster.standard in asked_names:
            for text in phrasings:
                query = f"q{len(queries):05}"
                queries.append(f"{query}\t{text}")
                qrels.append(f"{query}\t{doc}\t1")
    files = {"corpus.tsv": corpus, "queries.tsv": queries, "qrels.tsv": qrels}
    if similar:
        files["similar.tsv"] = further
    write_files(folder, files)


def write_files(folder, files):
    """Lines by the name of their file."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, lines in files.items():
        (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def write_paraphrases(out, rows, seed):
    """Groups of questions of one meaning; one of them is the document, the others ask for it."""
    for source in PARAPHRASES:
        pairs = [(a, b) for a, b, name, _ in rows if name == source]
        members = defaultdict(set)
        for (a, b), group in zip(pairs, components(pairs)):
            members[group].update((a, b))
        groups = sorted(sorted(g) for g in members.values() if GROUP <= len(g) <= 60)
        rng = random.Random(seed)
        rng.shuffle(groups)
        clusters = []
        for group in groups[:DOCUMENTS]:
            rng.shuffle(group)
            clusters.append(Group(group[0], group[1:9]))
        if len(clusters) >= 40:
            write_set(out / f"{source}-standard", clusters, clusters, 0, seed)
            write_set(out / f"{source}-similar", clusters, clusters, SIMILAR, seed)


def write_answers(out, rows, seed):
    """Questions with their answers as documents."""
    for source in ANSWERS:
        answers = {}
        for a, b, name, kind in rows:
            if name == source and kind in ("question-answer", "faq"):
                answers.setdefault(b, []).append(a)
        chosen = sorted(answers)
        random.Random(seed).shuffle(chosen)
        clusters = [Group(text, answers[text][:2]) for text in chosen[:ANSWER_DOCUMENTS]]
        if len(clusters) >= 40:
            write_set(out / f"{source}-answers", clusters, clusters, 0, seed)


def write_look_alikes(out, rows, negatives, seed):
    """Groups of questions of one meaning; one of them is the document, another asks for it, and their labelled look-alikes are documents too."""
    for source in LOOK_ALIKES:
        pairs = [(a, b) for a, b, name, _ in rows if name == source]
        alike = [(a, b) for a, b, name in negatives if name == source]
        group_of, members = {}, defaultdict(set)
        for (a, b), group in zip(pairs, components(pairs)):
            members[group].update((a, b))
            group_of[a] = group_of[b] = group
        near = defaultdict(set)
        for a, b in alike:
            for text, other in ((a, b), (b, a)):
                # a text of another group stands in for the whole of it
                if text in group_of and group_of.get(other) != group_of[text]:
                    near[group_of[text]].add(group_of.get(other, other))
        rng = random.Random(seed)
        groups = sorted(near, key=lambda g: min(members[g]))
        rng.shuffle(groups)
        chosen = groups[:LOOK_ALIKE_QUESTIONS]
        texts = {g: rng.sample(sorted(members[g]), 2) for g in chosen}
        documents = {texts[g][0] for g in chosen}
        for g in chosen:
            for other in sorted(near[g], key=str):
                if isinstance(other, str):
                    documents.add(other)
                elif other not in texts:
                    documents.add(min(members[other]))
        shuffled = sorted(documents)
        rng.shuffle(shuffled)
        number = {text: f"d{at:05}" for at, text in enumerate(shuffled)}
        write_files(out / f"{source}-look-alikes", {"corpus.tsv": [f"{number[t]}\t{t}" for t in shuffled],
                 "queries.tsv": [f"q{at:05}\t{texts[g][1]}" for at, g in enumerate(chosen)],
                 "qrels.tsv": [f"q{at:05}\t{number[texts[g][0]]}\t1" for at, g in enumerate(chosen)]})


class Group:
    """A document with its questions."""

    def __init__(self, standard, phrasings):
        self.standard, self.phrasings = standard, phrasings


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, help="folder for the sets")
    parser.add_argument("--data", type=Path, help="the data folder, for sets from its pairs")
    parser.add_argument("--print-sources", action="store_true", help="print the sources to leave out of training")
    parser.add_argument("--intents", type=Path, default=Path(__file__).parent / "intents")
    parser.add_argument("--seed", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.print_sources:
        print(" ".join(PARAPHRASES + LOOK_ALIKES + ANSWERS + RELATED))
        return
    if arguments.out is None:
        parser.error("--out is missing")
    clusters = list(read_intents(arguments.intents))
    held_out = [c for c in clusters if c.held_out()]
    others = sorted((c for c in clusters if not c.held_out()), key=lambda c: c.standard)
    random.Random(arguments.seed).shuffle(others)
    among = held_out + others[:DISTRACTORS]
    for name, documents in (("alone", held_out), ("among", among)):
        write_set(arguments.out / f"{name}-standard", documents, held_out, 0, arguments.seed)
        write_set(arguments.out / f"{name}-similar", documents, held_out, SIMILAR, arguments.seed)
    if arguments.data:
        rows = read_pairs(arguments.data)
        write_paraphrases(arguments.out, rows, arguments.seed)
        write_answers(arguments.out, rows, arguments.seed)
        write_look_alikes(arguments.out, rows, read_negatives(arguments.data), arguments.seed)
    print(f"{len(held_out)} held-out intents, {len(among)} documents in the larger sets")


if __name__ == "__main__":
    main()
