"""Writes the shipped folder: config, vocabulary, quantised tensors and the parity vectors."""

import json
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

PARITY_TEXTS = [
    "退款多久能到账",
    "退款要幾天先到數呀？？？",
    "你们APP老是闪退，iPhone15打不开😭😭",
    "我周一申请的退货，快递昨天显示你们签收了，我查了微信和银行卡都没有进账，想问下还要等几天",
    "ＶＩＰ会员 ８８折 怎么 用",
    "哈哈哈哈哈哈太好了!!!",
    "100000元订单编号20240618000123查不到",
    "wifi连不上，error code 0x80070005",
    "鬱龘𠮷",
    "?!…",
    "",
    "鞋子開膠了 可唔可以換貨",
]


def quantise(table):
    """Rows to int8 with one float32 scale a row (largest magnitude → 127)."""
    scale = np.maximum(np.abs(table).max(1), 1e-12).astype(np.float32) / np.float32(127)
    return np.clip(np.rint(table / scale[:, None]), -127, 127).astype(np.int8), scale


def export(out, bag):
    """Writes config.json, tokenizer.json, model.safetensors."""
    out = Path(out)
    out.mkdir(parents=True, exist_ok=True)
    names = ["[UNK]"] + [bag.units.name_of(int(k)) for k in bag.keys]
    vocabulary = {name: row for row, name in enumerate(names)}
    assert len(vocabulary) == len(names), "two rows of the same name"
    table = np.ascontiguousarray(bag.table)
    codes, scale = quantise(table)
    tensors = {"embeddings": codes, "embeddings.scale": scale}
    config = {
        "model_type": "yingda-ngram",
        "name": out.name,
        "architectures": ["YingdaNgramModel"],
        "hidden_size": int(table.shape[1]),
        "vocab_size": len(vocabulary),
        "max_ngram": bag.max_n,
        "max_units": 512,
        "pool_power": bag.power,
        "matryoshka_dims": [int(d) for d in (256, 128, 64) if d <= table.shape[1]],
        "normalize": True,
    }
    save_file(tensors, out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    (out / "config.json").write_text(json.dumps(config, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": None,
        "pre_tokenizer": None,
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    (out / "tokenizer.json").write_text(json.dumps(tokenizer, ensure_ascii=False, separators=(",", ":")), encoding="utf-8")


def write_parity(out, embed):
    """Texts with their vectors, for the engine's parity test."""
    vectors = embed(PARITY_TEXTS)
    rows = [{"text": t, "vector": [round(float(x), 6) for x in v]} for t, v in zip(PARITY_TEXTS, vectors)]
    (Path(out) / "parity.json").write_text(json.dumps(rows, ensure_ascii=False), encoding="utf-8")
