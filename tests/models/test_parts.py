"""The parts of a model are found by structure."""

from __future__ import annotations

import transformers
import zoo

from classification.models.parts import head_modules

XLNET = transformers.XLNetConfig(vocab_size=64, d_model=32, n_layer=1, n_head=2, d_inner=64)


def test_a_head_is_named_by_its_outermost_modules():
    """peft wraps each module whole: of two, one inside the other, the adapter would not load.

    XLNet has weights of its own beside its layers, which do not belong to the head.
    """
    load = transformers.AutoModelForSequenceClassification.from_pretrained
    heads = {name: head_modules(load(zoo.saved(name))) for name in ("bert", "roberta", "deberta-v2", "llama")}
    heads["xlnet"] = head_modules(transformers.XLNetForSequenceClassification(XLNET))
    assert heads == {
        "bert": ["bert.pooler", "classifier"],
        "roberta": ["classifier"],
        "deberta-v2": ["pooler", "classifier"],
        "llama": ["score"],
        "xlnet": ["sequence_summary", "logits_proj"],
    }
