"""The embedding of a row is what the last linear layer reads: that layer turns it into the row's logits."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import zoo
from corpus import GOOD, long_rows, make_rows
from datasets import Dataset
from helpers import make_bert
from torch import nn
from transformers import DataCollatorWithPadding, TrainingArguments

from classification.data.encoding import encode_batch
from classification.data.tasks import infer_task
from classification.data.truncation import Truncation
from classification.data.windows import WindowCollator
from classification.errors import RunError
from classification.training.embeddings import EmbeddingRecorder, LastLayer, embed_rows, recorded
from classification.training.objective import Objective
from classification.training.trainer import ClassificationTrainer

TEXTS = [row["text"] for row in make_rows(9, seed=5)] + ["great"]


def trainer_of(loaded, folder, texts=TEXTS, pairs=None, **changes):
    """A Trainer that predicts with a loaded model, and encoded rows."""
    columns = encode_batch(
        {"text": texts} | ({"text_pair": pairs} if pairs else {}), tokenizer=loaded.tokenizer,
        max_length=zoo.LENGTH, truncation=Truncation.from_config(loaded.model.config),
    )  # fmt: skip
    settings = {"output_dir": str(folder), "use_cpu": True, "report_to": "none", "disable_tqdm": True, **changes}
    trainer = ClassificationTrainer(
        model=loaded.model, args=TrainingArguments(**settings), processing_class=loaded.tokenizer, eval_tokens=200,
        objective=Objective(infer_task(["negative", "positive"])),
        data_collator=DataCollatorWithPadding(loaded.tokenizer),
    )  # fmt: skip
    return trainer, Dataset.from_dict(columns)


def assert_embeds(trainer, rows, layer: nn.Linear):
    """The layer turns the embeddings of all rows into their logits, and the recorder keeps the same embeddings."""
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "test", rows):
        logits = trainer.predict(rows).predictions
    embeddings = embed_rows(trainer, rows)
    with torch.no_grad():
        scores = layer(torch.tensor(embeddings)).numpy()
    assert embeddings.shape[0] == len(rows) and embeddings.shape[1] > 1
    assert np.abs(scores - logits).max() < 2e-5
    assert np.abs(trainer.recorder.embeddings - embeddings).max() < 2e-5
    assert np.ptp(embeddings, axis=0).max() > 1e-3  # rows differ


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_architecture_has_an_embedding(architecture, tmp_path):
    loaded = zoo.load(zoo.saved(architecture))
    trainer, rows = trainer_of(loaded, tmp_path)
    assert_embeds(trainer, rows, last_linear(loaded.model))


@pytest.mark.parametrize(("architecture", "pooling"), [("bert", "cls"), ("bert", "max"), ("gpt2", "mean")])
def test_a_pooled_head_has_one(architecture, pooling, tmp_path):
    loaded = zoo.load(zoo.saved(architecture), pooling=pooling)
    assert_embeds(*trainer_of(loaded, tmp_path), loaded.model.classifier)


@pytest.mark.parametrize("architecture", ["bert", "gpt2", "llama"])
def test_adapters_have_one(architecture, tmp_path):
    loaded = zoo.load(zoo.saved(architecture), lora_r=2)
    assert_embeds(*trainer_of(loaded, tmp_path), last_linear(loaded.model))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "qwen2"])
def test_pairs_have_one(architecture, tmp_path):
    loaded = zoo.load(zoo.saved(architecture), pairs=True)
    trainer, rows = trainer_of(loaded, tmp_path, pairs=[*TEXTS[1:], ""])
    assert_embeds(trainer, rows, last_linear(loaded.model))


def last_linear(model) -> nn.Linear:
    """The head's last linear layer; with adapters the copy that is trained."""
    named = [(name, layer) for name, layer in model.named_modules()
             if isinstance(layer, nn.Linear) and layer.out_features == 2 and "original_module" not in name]  # fmt: skip
    return named[-1][1]


def test_a_document_has_the_mean_over_its_windows(make_trainer, encode):
    rows = encode(long_rows(12, 3), stride=5).remove_columns("labels")
    trainer = make_trainer()
    trainer.data_collator = WindowCollator(trainer.data_collator)
    assert max(len(windows) for windows in rows["input_ids"]) > 3
    assert_embeds(trainer, rows, trainer.model.classifier)


def test_half_precision_embeds_too(make_trainer, encode):
    """A row near a tie is computed once more in fp32: it is recorded once."""
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    trainer = make_trainer(bf16=True)
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "test", rows):
        trainer.predict(rows)
    exact = embed_rows(make_trainer(), rows)
    assert trainer.recorder.embeddings.shape == exact.shape == (24, 32)
    assert np.abs(trainer.recorder.embeddings - exact).max() < 0.05


def test_a_batch_that_does_not_fit_is_recorded_in_its_passes(make_trainer, encode):
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    trainer = make_trainer()
    expected = embed_rows(trainer, rows)
    forward = trainer.model.classifier.forward

    def lacking(states):
        if len(states) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return forward(states)

    trainer.model.classifier.forward = lacking
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "test", rows):
        trainer.predict(rows)
    assert np.abs(trainer.recorder.embeddings - expected).max() < 2e-5


def test_only_the_split_that_was_asked_for_is_recorded(make_trainer, encode):
    rows = encode(make_rows(8, 3)).remove_columns("labels")
    trainer = make_trainer()
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "validation", rows):
        trainer.predict(rows)
    assert trainer.recorder.embeddings is None and trainer.after_pass is None


def test_too_much_to_keep_is_not_kept(make_trainer, encode, monkeypatch):
    monkeypatch.setattr("classification.training.embeddings.MAX_KEPT", 1000)
    rows = encode(make_rows(8, 3)).remove_columns("labels")
    trainer = make_trainer()
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "test", rows):
        trainer.predict(rows)
    assert trainer.recorder.embeddings is None


def test_recording_changes_no_prediction(make_trainer, encode):
    rows = encode(make_rows(24, 3)).remove_columns("labels")
    trainer = make_trainer()
    plain = trainer.predict(rows).predictions
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "test", rows):
        assert np.array_equal(trainer.predict(rows).predictions, plain)


def test_a_decoders_embedding_is_that_of_the_token_that_is_scored():
    """Also where two tokens have equal scores, and where padding has the scores of the last token."""
    layer = LastLayer(make_bert())
    layer.read = torch.arange(24.0).reshape(2, 4, 3)
    layer.written = torch.tensor([[[1.0, 0], [2, 0], [2, 0], [2, 0]], [[1, 0], [2, 0], [3, 0], [4, 0]]])
    mask = torch.tensor([[1, 1, 1, 0], [0, 1, 1, 1]])
    taken = layer.take(torch.tensor([[2.0, 0], [4, 0]]), mask)
    assert taken.tolist() == [[6, 7, 8], [21, 22, 23]]


def test_a_head_that_is_not_linear_is_refused(make_trainer, encode):
    trainer = make_trainer()
    trainer.model.classifier = nn.Sequential(nn.Linear(32, 2), nn.Tanh())
    rows = encode([{"text": word, "label": "positive"} for word in GOOD]).remove_columns("labels")
    with pytest.raises(RunError, match="do not come from a linear layer"):
        embed_rows(trainer, rows)
    trainer.recorder = EmbeddingRecorder("test")
    with recorded(trainer, "test", rows):
        trainer.predict(rows)
    assert trainer.recorder.embeddings is None
