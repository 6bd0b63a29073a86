"""Writes tests/data/models: a tiny random checkpoint of each family that the product loads, with reference results from
sentence-transformers and model2vec, to which the tests compare the product's own.

    pip install torch transformers sentence-transformers model2vec
    python models/recipe/make_fixtures.py tests/data/models
"""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import torch
from model2vec import StaticModel
from sentence_transformers import CrossEncoder, SentenceTransformer
from sentence_transformers import models as st
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    BertTokenizerFast,
    PreTrainedTokenizerFast,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
    XLMRobertaModel,
)

TEXTS = [
    "退款什么时候到账",
    "退款 未到账",
    "我的钱三天了还没退回来,怎么回事啊?",
    "怎么修改收货地址",
    "可以换个地址吗",
    "优惠券用不了",
    "发票怎么开",
    "Wi-Fi连不上 WIFI",
    "订单号 20261111 在哪里看",
    "您好,我上周在你们店里买的那件衣服,尺码不合适想换一件大一号的,但是包装已经拆了,吊牌还在,请问还可以换吗?运费谁出?",
    "嗯",
    "👍",
]
PAIRS = [(TEXTS[1], [TEXTS[0], TEXTS[2], TEXTS[3], TEXTS[9], TEXTS[10]]), (TEXTS[4], [TEXTS[3], TEXTS[6]])]
HIDDEN, LAYERS, HEADS, INNER, POSITIONS = 32, 2, 4, 64, 64
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def vocabulary() -> list[str]:
    # The last texts stay out in part, so that unknown tokens occur.
    letters = sorted({c for text in TEXTS[:10] for c in text.lower() if not c.isspace()})
    pieces = ["wi", "##fi", "##1", "##11", "##2026", "2026", "##i", "##f"]
    return SPECIAL + letters + pieces


def randomise(model: torch.nn.Module, seed: int) -> torch.nn.Module:
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            is_norm = "LayerNorm.weight" in name
            parameter.copy_(1 + 0.2 * noise if is_norm else (0.3 if parameter.dim() > 1 else 0.1) * noise)
    return model.eval()


def bert_tokenizer(folder: Path) -> BertTokenizerFast:
    folder.mkdir(parents=True, exist_ok=True)
    words = models.WordPiece({token: number for number, token in enumerate(vocabulary())}, unk_token="[UNK]")
    tokenizer = Tokenizer(words)
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    numbers = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=numbers
    )
    tokenizer.decoder = decoders.WordPiece()
    return BertTokenizerFast(tokenizer_object=tokenizer, model_max_length=POSITIONS)


def xlm_tokenizer() -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.Sequence([normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    special = ["<s>", "<pad>", "</s>", "<unk>"]
    trainer = trainers.UnigramTrainer(vocab_size=200, special_tokens=special, unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(TEXTS[:10] * 3, trainer)
    numbers = [(token, tokenizer.token_to_id(token)) for token in ("<s>", "</s>")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=numbers
    )
    tokenizer.decoder = decoders.Metaspace()
    names = {"bos_token": "<s>", "cls_token": "<s>", "eos_token": "</s>", "sep_token": "</s>", "unk_token": "<unk>"}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", model_max_length=POSITIONS, **names
    )


def bert_config(**more) -> BertConfig:
    sizes = dict(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=INNER)
    return BertConfig(vocab_size=len(vocabulary()), max_position_embeddings=POSITIONS, **sizes, **more)


def xlm_config(size: int, **more) -> XLMRobertaConfig:
    sizes = dict(hidden_size=HIDDEN, num_hidden_layers=LAYERS, num_attention_heads=HEADS, intermediate_size=INNER)
    return XLMRobertaConfig(
        vocab_size=size, max_position_embeddings=POSITIONS + 2, type_vocab_size=1, pad_token_id=1,
        bos_token_id=0, eos_token_id=2, layer_norm_eps=1e-5, **sizes, **more,
    )  # fmt: skip


def write(path: Path, value) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def rounded(vectors) -> list:
    return np.asarray(vectors, dtype=np.float64).round(6).tolist()


def sentence_transformer(folder: Path, modules: list, prompts: dict[str, str]) -> SentenceTransformer:
    model = SentenceTransformer(modules=modules, prompts=prompts, device="cpu")
    model.save(str(folder), create_model_card=False)
    return model


def references(folder: Path, model: SentenceTransformer) -> None:
    queries = model.encode(TEXTS, prompt=model.prompts.get("query") or None, batch_size=4)
    documents = model.encode(TEXTS, prompt=model.prompts.get("document") or None, batch_size=4)
    write(folder / "reference.json", {"texts": TEXTS, "query": rounded(queries), "document": rounded(documents)})


def save_plain(folder: Path, network, tokenizer, **how) -> None:
    network.save_pretrained(folder, **how)
    tokenizer.save_pretrained(folder)


def make_bert(out: Path, name: str, seed: int, build, prompts: dict[str, str], max_length: int) -> Path:
    """A sentence transformer over a tiny BERT; `build` gives the modules behind it."""
    folder = out / name
    scratch = out / "scratch"
    save_plain(scratch, randomise(BertModel(bert_config()), seed), bert_tokenizer(scratch))
    transformer = st.Transformer(str(scratch), max_seq_length=max_length)
    references(folder, sentence_transformer(folder, [transformer, *build()], prompts))
    shutil.rmtree(scratch)
    return folder


def to_pickle(folder: Path, prefix: str) -> None:
    """Turns safetensors into pytorch_model.bin with prefixed names and those of old layer norms."""
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    tensors = {prefix + name: tensor for name, tensor in load_file(path).items()}
    old = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for new, before in old.items():
        tensors = {name.replace(new, before): tensor for name, tensor in tensors.items()}
    torch.save(tensors, folder / "pytorch_model.bin")
    path.unlink()


def to_word_list(folder: Path) -> None:
    """Leaves only the vocab.txt of the tokenizer, as old checkpoints have it."""
    (folder / "vocab.txt").write_text("\n".join(vocabulary()) + "\n", encoding="utf-8")
    (folder / "tokenizer.json").unlink()


def to_old_layout(folder: Path, pooling: str, max_length: int) -> None:
    """Turns the sentence-transformers files into those of versions before 5, which most models on the hub have."""
    modules = json.loads((folder / "modules.json").read_text())
    for module in modules:
        module["type"] = "sentence_transformers.models." + module["type"].rsplit(".", 1)[1]
    write(folder / "modules.json", modules)
    flags = {f"pooling_mode_{name}": name == pooling for name in ("cls_token", "mean_tokens", "max_tokens")}
    write(folder / "1_Pooling/config.json", {"word_embedding_dimension": HIDDEN, **flags})
    write(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})
    write(folder / "tokenizer_config.json", {"do_lower_case": True, "model_max_length": int(1e30)})


def make_static(out: Path) -> None:
    folder = out / "static"
    tokenizer = Tokenizer(models.WordPiece({t: n for n, t in enumerate(vocabulary())}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    generator = np.random.default_rng(5)
    size = len(vocabulary())
    vectors = generator.normal(size=(size // 2, HIDDEN)).astype(np.float32)
    mapping = generator.integers(0, size // 2, size=size)
    weights = generator.uniform(0.2, 2.0, size=size).astype(np.float32)
    model = StaticModel(vectors=vectors, tokenizer=tokenizer, normalize=True, weights=weights, token_mapping=mapping)
    model.save_pretrained(str(folder))
    vectors = rounded(model.encode(TEXTS))
    write(folder / "reference.json", {"texts": TEXTS, "query": vectors, "document": vectors})


def make_cross(out: Path, name: str, network, tokenizer) -> None:
    folder = out / name
    save_plain(folder, network, tokenizer)
    model = CrossEncoder(str(folder), device="cpu", activation_fn=torch.nn.Sigmoid())
    pairs = [
        {"query": query, "texts": texts, "relevance": rounded(model.predict([(query, text) for text in texts]))}
        for query, texts in PAIRS
    ]
    write(folder / "reference.json", {"pairs": pairs})


def make(out: Path) -> None:
    torch.manual_seed(1)
    make_static(out)
    prompts = {"query": "为这个句子:", "document": ""}
    make_bert(out, "bert-cls", 2, lambda: [st.Pooling(HIDDEN, "cls"), st.Normalize()], prompts, 32)
    plain = make_bert(out, "bert-mean-bin", 3, lambda: [st.Pooling(HIDDEN, "mean")], {}, 48)
    to_pickle(plain, "bert.")
    to_word_list(plain)
    to_old_layout(plain, "mean_tokens", 48)

    def dense():
        layer = st.Dense(2 * HIDDEN, 16, activation_function=torch.nn.Tanh())
        return [st.Pooling(HIDDEN, ("max", "mean")), randomise(layer, 14)]

    make_bert(out, "bert-dense", 4, dense, {}, 64)

    tokenizer = xlm_tokenizer()
    scratch = out / "scratch"
    save_plain(scratch, randomise(XLMRobertaModel(xlm_config(len(tokenizer))), 6), tokenizer)
    modules = [st.Transformer(str(scratch), max_seq_length=40), st.Pooling(HIDDEN, "mean"), st.Normalize()]
    folder = out / "xlm-roberta"
    model = sentence_transformer(folder, modules, {"query": "query: ", "document": "passage: "})
    references(folder, model)
    (folder / "model.safetensors").unlink()
    save_plain(folder, modules[0].auto_model, modules[0].tokenizer, max_shard_size="60KB")
    shutil.rmtree(scratch)

    cross = randomise(BertForSequenceClassification(bert_config(num_labels=1)), 7)
    make_cross(out, "bert-cross", cross, bert_tokenizer(out / "bert-cross"))
    cross = randomise(XLMRobertaForSequenceClassification(xlm_config(len(tokenizer), num_labels=1)), 8)
    make_cross(out, "xlm-roberta-cross", cross, tokenizer)
    for path in out.rglob("README.md"):
        path.unlink()


if __name__ == "__main__":
    make(Path(sys.argv[1]))
