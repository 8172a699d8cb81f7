"""Documents in windows: one window equals head, several add up to one document everywhere."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
import transformers
from conftest import AGAIN, GOOD, long_rows, make_tokenizer, run_in_two_processes, splits_of, write_csv
from test_long_texts import WINDOWS, encode, numbered, numbered_tokenizer
from test_results import read_predictions
from test_training import SGD, account, largest_difference

from classification.data.labels import LabelSpace
from classification.data.truncation import Truncation
from classification.data.windows import COUNTS, WindowCollator, pool_windows
from classification.training.objective import Objective
from classification.training.samplers import token_lengths
from data_utils import encode_splits
from run_classification import main


def test_one_window_equals_head(command, tmp_path):
    """Texts that fit: bitwise the same weights, and the same predictions."""
    main(command(output_dir=tmp_path / "head", num_train_epochs=2))
    result = main(command(output_dir=tmp_path / "window", num_train_epochs=2, truncation_strategy="window"))
    assert largest_difference(tmp_path / "head", tmp_path / "window") == 0
    assert read_predictions(tmp_path / "head") == read_predictions(tmp_path / "window")
    assert result["test_tokens_not_read"] == 0


def test_a_document_counts_once_whatever_its_windows(long_files):
    """Loss and gradient: the plain mean over documents of the mean over each one's windows."""
    torch.manual_seed(0)
    labels, counts = torch.tensor([0, 1, 1]), torch.tensor([1, 4, 2])
    logits = torch.randn(7, 2, requires_grad=True)
    loss = Objective(LabelSpace.from_train([0, 1])).total(logits, labels, counts) / 3
    parts = logits.split(counts.tolist())
    by_hand = [torch.nn.functional.cross_entropy(part, labels[i].repeat(len(part))) for i, part in enumerate(parts)]
    assert loss.item() == pytest.approx(torch.stack(by_hand).mean().item(), rel=1e-6)
    pooled = pool_windows(logits, counts)
    assert torch.allclose(pooled, torch.stack([part.mean(0) for part in parts]))
    loss.backward()
    (expected,) = torch.autograd.grad(torch.stack(by_hand).mean(), logits)
    assert torch.allclose(logits.grad, expected, atol=1e-7)


def test_one_row_a_document_in_every_output(command, long_files, tmp_path):
    result = main(command(**long_files | WINDOWS))
    rows = read_predictions(tmp_path / "out")
    texts = [row["text"] for row in long_rows(20, 3)]
    assert [row["text"] for row in rows] == texts
    assert (result["train_samples"], result["eval_samples"], result["test_samples"]) == (48, 20, 20)
    assert result["test_scored"] == 20 and sum(map(sum, result["test_confusion_matrix"])) == 20
    assert [int(row["tokens"]) for row in rows] == [len(text.split()) + 2 for text in texts]
    assert {row["truncated"] for row in rows} == {"False"}


def test_a_documents_probability_is_that_of_its_mean_logits(command, long_files, tmp_path):
    """Each window alone through the saved model, by hand; val_loss is one pooled term a document."""
    result = main(command(**long_files | WINDOWS, window_stride=5))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    encoded = encode([row["text"] for row in long_rows(20, 3)], "window", stride=5, max_length=16, tokenizer=tokenizer)
    with torch.no_grad():
        logits = torch.stack([
            torch.cat([model(input_ids=torch.tensor([ids])).logits for ids in windows]).mean(0)
            for windows in encoded["input_ids"]
        ])  # fmt: skip
    shown = [float(row["prob_positive"]) for row in read_predictions(tmp_path / "out")]
    assert np.allclose(logits.softmax(-1)[:, 1], shown, atol=2e-6)
    labels = torch.tensor([0, 1] * 10)
    assert result["test_loss"] == pytest.approx(torch.nn.functional.cross_entropy(logits, labels).item(), abs=1e-5)


def test_windows_of_one_document_never_cross_splits(command, tmp_path, monkeypatch):
    """Validation is split off by document, before there are windows."""
    import run_classification

    seen = {}

    def encode_and_look(*args, **more):
        seen.update(encode_splits(*args, **more))
        return seen

    monkeypatch.setattr(run_classification, "encode_splits", encode_and_look)
    rows = [row | {"text": f"{row['text']} {GOOD[i % 5]} " * 5} for i, row in enumerate(long_rows(40, 7))]
    train = write_csv(tmp_path / "train.csv", rows)
    main(command(train_file=train, validation_file=None, test_file=None, **WINDOWS, dry_run=True))
    assert len(seen["train"]) + len(seen["validation"]) == 40
    whole = {tuple(make_tokenizer()(row["text"])["input_ids"]) for row in rows}
    for split in ("train", "validation"):
        for windows in seen[split]["input_ids"]:
            found = {ids for ids in whole if tuple(windows[0][:-1]) == ids[:15]}
            assert len(found) == 1
            text = next(iter(found))
            inside = {text[i : i + 14] for i in range(1, len(text))}
            assert all(tuple(window[1:-1]) in inside for window in windows)
            whole -= found  # each document once, in one split
    assert not whole


@pytest.mark.parametrize("several", [False, True])
def test_cutting_a_batch_of_documents_changes_nothing(command, long_files, tmp_path, several):
    """8 documents at once, or 2 at a time; also with several labels a row."""
    changes = long_files | WINDOWS | SGD
    if several:
        for split, size in {"train": (48, 1), "validation": (20, 2), "test": (20, 3)}.items():
            rows = [
                row | {"label": "a|b" if i % 2 else ["", "a"][i % 4 // 2]} for i, row in enumerate(long_rows(*size))
            ]
            changes[f"{split}_file"] = write_csv(tmp_path / f"several_{split}.csv", rows)
        changes["label_delimiter"] = "|"
    main(command(**changes, output_dir=tmp_path / "whole"))
    cut = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4, "per_device_eval_batch_size": 3}
    main(command(**changes | cut, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5
    for one, other in zip(account(tmp_path / "whole")["epochs"], account(tmp_path / "cut")["epochs"], strict=True):
        compared = [name for name in one if "_per_second" not in name and "runtime" not in name]
        assert {name: one[name] for name in compared} == pytest.approx({n: other[n] for n in compared}, abs=1e-5)


def test_two_processes_see_the_same_documents(command, long_files, tmp_path):
    changes = long_files | WINDOWS | SGD | {"use_cpu": True}
    changes["train_file"] = write_csv(tmp_path / "uneven.csv", long_rows(27, 4))
    main(command(**changes, output_dir=tmp_path / "one"))
    run_in_two_processes(command(**changes, per_device_train_batch_size=4, output_dir=tmp_path / "two"))
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    one, two = read_predictions(tmp_path / "one"), read_predictions(tmp_path / "two")
    assert [(row["id"], row["prediction"]) for row in one] == [(row["id"], row["prediction"]) for row in two]


def test_lengths_are_of_whole_documents():
    splits = splits_of([{"text": numbered(n), "label": 0} for n in (3, 30, 12)])
    encoded = encode_splits(splits, numbered_tokenizer(), max_length=12, how=Truncation("window", 10))["train"]
    assert [len(windows) for windows in encoded["input_ids"]] == [1, 3, 2]
    assert token_lengths(encoded).tolist() == [5, 36, 24]
    assert token_lengths(encoded.select([2, 0])).tolist() == [24, 5]


def test_the_collator_lays_windows_under_each_other():
    rows = [{"input_ids": [[1, 2, 3]], "attention_mask": [[1] * 3], "labels": 1},
            {"input_ids": [[4, 5], [5, 6]], "attention_mask": [[1] * 2] * 2, "labels": 0}]  # fmt: skip
    batch = WindowCollator(transformers.DataCollatorWithPadding(make_tokenizer()))(rows)
    assert batch["input_ids"].tolist() == [[1, 2, 3], [4, 5, 0], [5, 6, 0]]
    assert batch[COUNTS].tolist() == [1, 2] and batch["labels"].tolist() == [1, 0]


def test_no_more_windows_are_evaluated_at_a_time_than_a_batch_has_rows(command, long_files, monkeypatch):
    forward, seen = transformers.BertForSequenceClassification.forward, []

    @functools.wraps(forward)
    def look(self, input_ids=None, **more):
        if not self.training:
            seen.append(len(input_ids))
        return forward(self, input_ids=input_ids, **more)

    monkeypatch.setattr(transformers.BertForSequenceClassification, "forward", look)
    main(command(**long_files | WINDOWS | {"num_train_epochs": 1}, per_device_eval_batch_size=3))
    assert max(seen) == 3


def test_train_figures_are_of_documents(command, long_files, tmp_path):
    """A rate too small to move anything, on the validation rows: training shows what evaluation shows."""
    same = long_files | {"validation_file": long_files["train_file"], "learning_rate": 1e-12, "seed": 3}
    main(command(**WINDOWS | same, per_device_train_batch_size=5))
    for epoch in account(tmp_path / "out")["epochs"]:
        assert epoch["train_accuracy"] == epoch["eval_accuracy"]


def test_windows_near_a_tie_are_computed_in_fp32(command, long_files, tmp_path, monkeypatch):
    """In bf16, with every row called near: the probabilities of the saved model, document by document."""
    monkeypatch.setattr("classification.training.trainer.TIE_MARGIN", np.inf)
    main(command(**long_files | WINDOWS, precision="bf16", per_device_eval_batch_size=3))
    main(command(**long_files | AGAIN, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    first, second = (
        [float(row["prob_positive"]) for row in read_predictions(tmp_path / run)] for run in ("out", "again")
    )
    assert np.allclose(first, second, atol=2e-6) and np.std(first) > 5e-5  # bf16 rounds a hundred times as coarsely


def test_columns_that_are_kept_do_not_disturb_windows(command, long_files, tmp_path):
    main(command(**long_files | WINDOWS, output_dir=tmp_path / "plain"))
    main(command(**long_files | WINDOWS, remove_unused_columns=False))
    assert largest_difference(tmp_path / "plain", tmp_path / "out") == 0
