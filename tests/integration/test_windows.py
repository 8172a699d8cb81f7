"""Whole runs on documents in windows: one row per document in every output."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import transformers
from corpus import GOOD, long_rows, write_csv, write_splits
from datasets import DatasetDict
from helpers import largest_difference, make_tokenizer, read_predictions

from classification.data.encoding import encode_batch
from classification.data.truncation import Truncation
from run_classification import main

WINDOWS = {"truncation_strategy": "window", "max_seq_length": 16, "window_stride": 5, "num_train_epochs": 2}


@pytest.fixture(scope="session")
def long_documents(data) -> dict[str, str]:
    return write_splits(data, "long", long_rows, 48, 20, 20)


@pytest.fixture(scope="session")
def windowed(finished, long_documents):
    return finished(**long_documents, **WINDOWS)


def test_one_window_equals_head(trained, finished):
    """Texts that fit: bitwise the same weights, and the same predictions."""
    flags = {"num_train_epochs": 2, "per_device_train_batch_size": 4}
    run = finished(**flags, truncation_strategy="window")
    assert largest_difference(trained.folder, run.folder) == 0
    assert trained.predictions == run.predictions
    assert run.results["test_tokens_not_read"] == 0


def test_every_output_has_one_row_per_document(windowed):
    results, rows = windowed.results, windowed.predictions
    texts = [row["text"] for row in long_rows(20, 3)]
    assert [row["text"] for row in rows] == texts
    assert (results["train_samples"], results["eval_samples"], results["test_samples"]) == (48, 20, 20)
    assert results["test_scored"] == 20 and sum(map(sum, results["test_confusion_matrix"])) == 20
    assert [int(row["tokens"]) for row in rows] == [len(text.split()) + 2 for text in texts]
    assert {row["truncated"] for row in rows} == {"False"}


def test_a_documents_probability_is_that_of_its_mean_logits(windowed):
    """Each window alone through the saved model; val_loss has one pooled term per document."""
    model = transformers.AutoModelForSequenceClassification.from_pretrained(windowed.folder)
    tokenizer = transformers.AutoTokenizer.from_pretrained(windowed.folder)
    texts = {"text": [row["text"] for row in long_rows(20, 3)]}
    encoded = encode_batch(texts, tokenizer=tokenizer, max_length=16, truncation=Truncation("window", 5))
    with torch.no_grad():
        logits = torch.stack([
            torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in windows]).mean(0)
            for windows in encoded["input_ids"]
        ])  # fmt: skip
    probabilities = [float(row["prob_positive"]) for row in windowed.predictions]
    assert np.allclose(logits.softmax(-1)[:, 1], probabilities, atol=2e-6)
    logits *= windowed.account["task"]["calibration"]["temperature"]  # is in the saved weights
    expected = torch.nn.functional.cross_entropy(logits, torch.tensor([0, 1] * 10)).item()
    assert windowed.results["test_loss"] == pytest.approx(expected, abs=1e-5)


def test_columns_that_are_kept_do_not_disturb_windows(finished, long_documents, windowed):
    run = finished(**long_documents, **WINDOWS, remove_unused_columns=False)
    assert largest_difference(windowed.folder, run.folder) == 0


def test_bf16_predictions_of_windows_are_those_of_the_saved_model(command, long_documents, tmp_path, monkeypatch):
    """With every document called near a tie: the probabilities that a later fp32 run computes."""
    from classification.models import fp32_ties

    monkeypatch.setattr(fp32_ties, "TIE_MARGIN", np.inf)
    main(command(**long_documents, **WINDOWS, precision="bf16", per_device_eval_batch_size=3))
    later = {"train_file": None, "validation_file": None, "test_file": long_documents["test_file"], "do_predict": True}
    main(command(**later, model_name_or_path=tmp_path / "out", max_seq_length=None, output_dir=tmp_path / "again"))
    first, second = (
        [float(row["prob_positive"]) for row in read_predictions(tmp_path / run)] for run in ("out", "again")
    )
    assert np.allclose(first, second, atol=2e-6) and np.std(first) > 5e-5  # bf16 rounds 100 times as coarsely


def test_windows_of_one_document_never_cross_splits(command, tmp_path, monkeypatch):
    """Validation is split off by document, before there are windows."""
    import run_classification
    from data_utils import encode_corpus

    encoded = {}

    def look(*args, **more):
        encoded.update(encode_corpus(*args, **more))
        return DatasetDict(encoded)

    monkeypatch.setattr(run_classification, "encode_corpus", look)
    rows = [row | {"text": f"{row['text']} {GOOD[i % 5]} " * 5} for i, row in enumerate(long_rows(40, 7))]
    train = write_csv(tmp_path / "train.csv", rows)
    main(command(train_file=train, validation_file=None, test_file=None, **WINDOWS, dry_run=True))
    assert len(encoded["train"]) + len(encoded["validation"]) == 40
    documents = {tuple(make_tokenizer()(row["text"])["input_ids"]) for row in rows}
    for split in ("train", "validation"):
        for windows in encoded[split]["input_ids"]:
            (document,) = (ids for ids in documents if ids[:15] == tuple(windows[0][:-1]))
            parts = {document[i : i + 14] for i in range(1, len(document))}
            assert all(tuple(window[1:-1]) in parts for window in windows)
            documents.remove(document)  # each document once, in one split
    assert not documents
