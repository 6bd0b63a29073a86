"""Writes reference.json into the folder of a sentence-transformers model: vectors of some texts, to which the product's are held.

    pip install torch sentence-transformers
    python models/recipe/reference.py DIR
    YINGDA_CHECKPOINT=DIR cargo test --release --test main -- --ignored --nocapture a_checkpoint_from_outside
"""

import json
import sys
from pathlib import Path

import numpy as np
from sentence_transformers import SentenceTransformer

TEXTS = [
    "How do I reset my password?",
    "Where is my order?",
    "I would like to return a pair of shoes that do not fit.",
    "refund",
    "Can I change the delivery address after the parcel was shipped?",
    "The café's Wi-Fi isn't working — naïve résumé!",
    "ORDER #20261111 hasn't arrived; it's been 3 weeks...",
    "My invoice shows the wrong VAT number.",
    "Is there a discount for students?",
    "a",
    "The washing machine shows E18 and doesn't drain any more, what can I do about it?",
    "word " * 400,
    "退款什么时候到账",
    "怎么修改收货地址",
    "优惠券用不了,怎么办?",
    "我的订单號 20261111 在哪裡看",
    "👍",
]


def main(folder: Path) -> None:
    model = SentenceTransformer(str(folder), device="cpu")
    prompts = model.prompts or {}
    vectors = {
        role: np.asarray(model.encode(TEXTS, prompt=prompts.get(role) or None), dtype=np.float64).round(7).tolist()
        for role in ("query", "document")
    }
    text = json.dumps({"texts": TEXTS, **vectors}, ensure_ascii=False, indent=1) + "\n"
    (folder / "reference.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
