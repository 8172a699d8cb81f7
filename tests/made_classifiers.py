"""A tiny classifier with random weights, without a folder."""

from __future__ import annotations

from pathlib import Path

from helpers import make_bert, make_tokenizer

from classification.data.labels import LabelSpace
from classification.data.tasks import infer_task
from classification.data.truncation import Truncation
from classification.inference.classifier import Classifier
from classification.inference.padded_engine import PaddedEngine
from classification.models.precision import Precision

TWO = infer_task(["negative", "positive"])


def tiny_classifier(task: LabelSpace = TWO, truncation: Truncation | None = None, **changes) -> Classifier:
    """`changes` are those of the config of the model, which reads 64 tokens."""
    model = make_bert(num_labels=task.num_labels, **changes)
    tokenizer = make_tokenizer()
    engine = PaddedEngine(model, tokenizer, task, Precision("fp32", "test"), 500)
    return Classifier("made", task, tokenizer, model, truncation or Truncation(), engine)


def save_tiny(folder: Path) -> Path:
    """A folder with the weights and the tokenizer of a model of two classes, as another program would save it."""
    names = {0: "negative", 1: "positive"}
    make_bert(id2label=names, label2id={name: i for i, name in names.items()}).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return folder


def without_special_tokens() -> Classifier:
    """Its tokenizer has no special tokens, and leaves `!` out."""
    from tokenizers import normalizers, processors

    classifier = tiny_classifier()
    backend = classifier.tokenizer.backend_tokenizer
    backend.normalizer = normalizers.Replace("!", "")
    backend.post_processor = processors.Sequence([])
    return classifier
