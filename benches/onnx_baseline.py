"""Speed of the product's transformer beside onnxruntime on the same weights, the named baseline.

    pip install torch transformers onnx onnxruntime
    cargo build --release --benches
    python benches/onnx_baseline.py [--layers 4] [--hidden 384] [--rounds 3] [--bench PATH]
    taskset -c 0 python benches/onnx_baseline.py ...      both on one core

Writes a BERT of random weights with a character vocabulary (speed does not depend on the values), exports it to ONNX with
mean pooling, and times 10,000 short texts and single queries in both. Tokenising is counted on both sides, by the same
library. onnxruntime gets texts sorted by length too, in the batch size that suits it best of those tried. The two are measured
in turns, since other work on the machine slows both: the ratio of a round says more than its rates.
"""

import argparse
import os
import subprocess
import tempfile
import time
from pathlib import Path

import numpy as np
import onnxruntime as ort
import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
from transformers import BertConfig, BertModel

THINGS = "退款 快递 发票 优惠券 订单 会员积分 收货地址 登录密码 售后申请 预售尾款".split()
STATES = "什么时候到 怎么修改 为什么不能用 在哪里查看 还没收到 可以取消吗 填错了怎么办 多久处理好 一直显示处理中 找不到了".split()
MANNERS = ["", "您好，", "请问", "急，", "麻烦问一下", "亲，", "在吗？", "客服，", "又来问了，", "老板，"]
TEXTS, QUERIES = 10_000, 200
# Texts on which batch sizes are tried.
TRIED = 1_000
BATCHES = (8, 32, 64)


def text(number: int) -> str:
    return f"{MANNERS[number // 100 % 10]}{THINGS[number // 10 % 10]}{STATES[number % 10]}{number // 1000}"


class Pooled(torch.nn.Module):
    def __init__(self, encoder: BertModel):
        super().__init__()
        self.encoder = encoder

    def forward(self, input_ids, attention_mask):
        hidden = self.encoder(input_ids=input_ids, attention_mask=attention_mask).last_hidden_state
        mask = attention_mask.unsqueeze(-1).to(hidden.dtype)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        return torch.nn.functional.normalize(pooled, dim=-1)


def make(folder: Path, layers: int, hidden: int) -> None:
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"] + [chr(c) for c in range(0x4E00, 0x9FA6)] + list("0123456789，？。")
    tokenizer = Tokenizer(models.WordPiece({t: n for n, t in enumerate(vocabulary)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=len(vocabulary), hidden_size=hidden, num_hidden_layers=layers,
        num_attention_heads=max(1, hidden // 64), intermediate_size=4 * hidden, attn_implementation="eager",
    )  # fmt: skip
    encoder = BertModel(config, add_pooling_layer=False).eval()
    encoder.save_pretrained(folder)
    example = (torch.ones(2, 9, dtype=torch.long), torch.ones(2, 9, dtype=torch.long))
    axes = {0: "texts", 1: "tokens"}
    torch.onnx.export(
        Pooled(encoder).eval(), example, str(folder / "model.onnx"), input_names=["input_ids", "attention_mask"],
        output_names=["vectors"], dynamic_axes={"input_ids": axes, "attention_mask": axes, "vectors": {0: "texts"}},
        opset_version=17, dynamo=False,
    )  # fmt: skip


class Baseline:
    def __init__(self, folder: Path, threads: int):
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads
        self.session = ort.InferenceSession(str(folder / "model.onnx"), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.enable_padding()

    def embed(self, texts: list[str], batch: int) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        out = [None] * len(texts)
        for start in range(0, len(order), batch):
            members = order[start : start + batch]
            encoded = self.tokenizer.encode_batch([texts[n] for n in members])
            ids = np.array([e.ids for e in encoded], dtype=np.int64)
            mask = np.array([e.attention_mask for e in encoded], dtype=np.int64)
            (vectors,) = self.session.run(None, {"input_ids": ids, "attention_mask": mask})
            for n, vector in zip(members, vectors):
                out[n] = vector
        return np.stack(out)


def timed(work) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--hidden", type=int, default=384)
    parser.add_argument("--bench", type=Path, help="the built embedding bench; the newest in target/ if not given")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    bench = arguments.bench or newest_bench()
    texts = [text(n) for n in range(TEXTS + QUERIES)]
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make(folder, arguments.layers, arguments.hidden)
        all_cores, one_core = Baseline(folder, len(os.sched_getaffinity(0))), Baseline(folder, 1)
        all_cores.embed(texts[:64], 32)
        best = min(BATCHES, key=lambda batch: timed(lambda: all_cores.embed(texts[:TRIED], batch)))
        one_core.embed(texts[:8], 1)
        environment = {**os.environ, "YINGDA_BENCH_MODEL": name}
        print(f"BERT of {arguments.layers} layers, {arguments.hidden} wide, float32, {len(os.sched_getaffinity(0))} cores")
        print(f"onnxruntime {ort.__version__}, batches of {best}")
        print(f"{'':8}{'onnxruntime':>24}{'yingda':>24}{'ratio':>8}")
        print(f"{'round':8}{'texts/s':>12}{'query ms':>12}{'texts/s':>12}{'query ms':>12}{'texts/s':>8}")
        ratios = []
        for number in range(1, arguments.rounds + 1):
            theirs = TEXTS / timed(lambda: all_cores.embed(texts[:TEXTS], best))
            singles = sorted(timed(lambda: one_core.embed([query], 1)) for query in texts[TEXTS:])
            theirs_single = 1e3 * singles[QUERIES // 2]
            command = [bench, "--bench"]
            printed = subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout
            ours = dict(line.split(" ", 1) for line in printed.splitlines())
            rate, median = float(ours["texts_per_second"]), float(ours["query_median_ms"])
            ratios.append(rate / theirs)
            print(f"{number:<8}{theirs:>12.0f}{theirs_single:>12.2f}{rate:>12.0f}{median:>12.2f}{ratios[-1]:>8.2f}", flush=True)
    print(f"median ratio {sorted(ratios)[len(ratios) // 2]:.2f}")


def newest_bench() -> Path:
    target = Path(os.environ.get("CARGO_TARGET_DIR", "target")) / "release/deps"
    found = [path for path in target.glob("embedding-*") if path.suffix == "" and os.access(path, os.X_OK)]
    if not found:
        raise SystemExit("no built bench; run `cargo build --release --benches` first")
    return max(found, key=lambda path: path.stat().st_mtime)


if __name__ == "__main__":
    main()
