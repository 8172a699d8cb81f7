"""The run's own account: counts are the data's, arithmetic is the model's, and advice names what was measured."""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import make_bert, make_rows, write_csv
from test_results import read_predictions

from classification.models.freezing import add_lora, frozen_names
from classification.training.samplers import TokenBoundedBatches, TrainSampler
from classification.training.throughput import Flops, Meter, advise, passes_of_training
from run_classification import main


def throughput(folder) -> dict:
    return json.loads((folder / "run.json").read_text(encoding="utf-8"))["throughput"]


def test_the_counts_of_a_run_are_those_of_its_data(command, tmp_path, capsys):
    """64 rows, twice; validation (24) three times and test (24) once."""
    main(command(num_train_epochs=2, per_device_train_batch_size=1))
    shown = capsys.readouterr().out
    figures = throughput(tmp_path / "out")
    training, evaluation = figures["training"], figures["evaluation"]
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    assert training["rows"] == 128 and evaluation["rows"] == 3 * 24 + 24
    assert training["tokens_per_second"] * training["seconds"] == pytest.approx(2 * tokens)
    assert training["padding_share"] == pytest.approx(0) and 0 < training["waiting_share"] < 1
    assert training["seconds"] + evaluation["seconds"] < sum(
        json.loads((tmp_path / "out" / "run.json").read_text())["seconds"][phase]
        for phase in ("train", "eval", "predict")
    )
    assert re.search(
        r"speed        training [\d.e+]+ rows/s \(.* tokens/s, 0% padding, .*; evaluation .*; peak memory", shown
    )


def test_padding_is_counted_and_named(command, tmp_path, capsys):
    main(command(pad_to_max_length=True))
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    training = throughput(tmp_path / "out")["training"]
    assert training["padding_share"] == pytest.approx(1 - tokens / (64 * 32))
    assert "of the tokens are padding: leave out --pad_to_max_length" in capsys.readouterr().out


def test_windows_count_as_one_row_with_the_tokens_of_all(command, long_files, tmp_path):
    main(command(**long_files, truncation_strategy="window", max_seq_length=16, window_stride=14))
    training = throughput(tmp_path / "out")["training"]
    assert training["rows"] == 48 and training["tokens_per_second"] * training["seconds"] > 48 * 16


def test_arithmetic_is_counted_for_every_model():
    """BERT by hand: per token 2 for each weight of its layers, attention 4 * width * T for each of its layers."""
    model = make_bert(num_hidden_layers=2)
    flops = Flops(model, 64)
    layers = sum(weight.numel() for name, weight in model.named_parameters() if "layer." in name and weight.dim() == 2)
    assert flops.per_token == pytest.approx(2 * layers, rel=0.02)  # the head and its pooler count too
    assert flops.per_square == pytest.approx(2 * 4 * 32, rel=1e-6)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_arithmetic_grows_with_the_length(architecture, tmp_path):
    zoo.save_pretrained(architecture, tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    flops = Flops(model, zoo.LENGTH)
    assert flops.per_token > 0 and flops.per_square > 0


def test_a_step_costs_what_trains():
    assert passes_of_training(make_bert()) == 3
    for how, passes in ((("encoder", 0), 1), (("embeddings", 0), 3), (("none", 1), 2)):
        model = make_bert(num_hidden_layers=2)
        for name in frozen_names(model, *how):
            model.get_parameter(name).requires_grad_(False)
        assert passes_of_training(model) == passes
    assert 2 < passes_of_training(add_lora(make_bert(), 2)) < 2.5


def test_a_meter_counts_tokens_and_squares():
    meter = Meter(torch.device("cpu"))
    meter.add(2, torch.tensor([[1, 1, 0], [1, 1, 1]]))
    meter.add(1, torch.tensor([[1, 0]]))
    assert meter.counts.tolist() == [3, 6, 8, 4 + 9 + 1]


def test_a_model_that_takes_no_mask_is_counted_all_the_same(command, tiny_model, tmp_path):
    """FNet mixes tokens without attention; its tokenizer gives no attention_mask."""
    config = transformers.FNetConfig(
        vocab_size=64, hidden_size=32, num_hidden_layers=1, intermediate_size=64, max_position_embeddings=64,
        tpu_short_seq_length=64, hidden_dropout_prob=0.1,
    )  # fmt: skip
    transformers.FNetModel(config).save_pretrained(tmp_path / "fnet")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_model)
    tokenizer.model_input_names = ["input_ids", "token_type_ids"]
    tokenizer.save_pretrained(tmp_path / "fnet")
    main(command(model_name_or_path=tmp_path / "fnet", per_device_train_batch_size=1))
    tokens = sum(len(row["text"].split()) + 2 for row in make_rows(64, 1))
    training = throughput(tmp_path / "out")["training"]
    assert training["tokens_per_second"] * training["seconds"] == pytest.approx(tokens)


@pytest.mark.parametrize(
    ("figures", "strategy", "pads_to_max", "device", "words"),
    [
        ({"waiting_share": 0.3}, "group_by_length", False, "cuda", "30% of training waits for data"),
        ({"padding_share": 0.38}, "random", False, "cpu", "38% of the tokens are padding: pass --train_sampling"),
        ({"padding_share": 0.38}, "group_by_length", True, "cpu", "leave out --pad_to_max_length"),
        ({"mfu": 0.1}, "group_by_length", False, "cuda", "10% of the GPU's arithmetic"),
        ({"mfu": 0.1}, "group_by_length", False, "cpu", None),
        ({"padding_share": 0.38}, "group_by_length", False, "cpu", None),
        ({"mean_context": 100}, "group_by_length", False, "cpu", "pass --attention_dropout 0"),
        ({"mean_context": 100}, "group_by_length", False, "cuda", None),
    ],
)
def test_advice_names_what_was_measured(figures, strategy, pads_to_max, device, words):
    training = {"waiting_share": 0.0, "padding_share": 0.0, "mfu": 0.5, "mean_context": 10}
    args = SimpleNamespace(
        train_sampling_strategy=strategy, dataloader_num_workers=0, device=SimpleNamespace(type=device)
    )
    advice = advise(training | figures, args, pads_to_max, attention_dropout=0.1)
    assert advice is None if words is None else words in advice


# ------------------------------------------------------------------------------------------------ batches by length


@pytest.mark.parametrize("max_tokens", [1, 40, 256, 4096])
def test_batches_of_evaluation_are_bounded_by_their_padded_tokens(max_tokens):
    lengths = np.random.default_rng(0).integers(1, 200, 500)
    batches = list(TokenBoundedBatches(lengths, max_tokens))
    order = [row for batch in batches for row in batch]
    assert sorted(order) == list(range(500)) and (np.diff(lengths[order]) <= 0).all()
    assert all(len(batch) == 1 or len(batch) * lengths[batch].max() <= max_tokens for batch in batches)
    padded = sum(len(batch) * lengths[batch].max() for batch in batches)
    assert padded < 1.2 * lengths.sum() and len(batches) == len(TokenBoundedBatches(lengths, max_tokens))


def test_the_bound_counts_what_the_collator_pads_to():
    """In half precision rows of 9 tokens are padded to 16."""
    assert max(len(batch) for batch in TokenBoundedBatches(np.full(2000, 9), 8192, multiple_of=8)) == 8192 // 16


def test_short_texts_fill_a_batch_of_evaluation():
    assert [len(batch) for batch in TokenBoundedBatches(np.full(1000, 8), 8192)] == [1000]
    assert [len(batch) for batch in TokenBoundedBatches(np.full(64, 256), 8192)] == [32, 32]


@pytest.mark.parametrize("rows", [1, 2, 500])
def test_the_size_of_its_batches_changes_no_prediction(rows, command, tmp_path):
    main(command(per_device_eval_batch_size=rows))
    main(command(pad_to_max_length=True, output_dir=tmp_path / "fixed"))
    first, second = (
        [float(row["prob_positive"]) for row in read_predictions(tmp_path / run)] for run in ("out", "fixed")
    )
    assert np.allclose(first, second, atol=2e-6) and np.std(first) > 1e-4


def test_the_longest_batch_comes_first():
    """Of those that are full: a lack of memory shows in the first step, in every epoch."""
    lengths = np.random.default_rng(1).integers(1, 500, 1000)
    sampler = TrainSampler(1000, batch_size=8, seed=3, lengths=lengths)
    firsts = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        order = list(sampler)
        assert lengths.max() in lengths[order[:8]]
        firsts.append(order[8:16])
    assert firsts[0] != firsts[1] != firsts[2]


@pytest.mark.parametrize(("batches", "alike"), [(18, 1), (48, 4), (600, 50), (900, 50)])
def test_the_fewer_the_batches_the_less_alike_are_their_rows(batches, alike):
    """A chunk of k batches is sorted: a batch spans 1/k of all lengths, give or take. No two epochs share a batch."""
    lengths = np.arange(16 * batches) + 5
    sampler = TrainSampler(len(lengths), batch_size=16, seed=1, lengths=lengths)
    epochs = []
    for epoch in range(2):
        sampler.set_epoch(epoch)
        epochs.append(np.split(np.array(list(sampler)), batches))
    spans = [np.ptp(lengths[batch]) / len(lengths) for batch in epochs[0]]
    assert np.median(spans) == pytest.approx(1 / alike, rel=0.15)
    assert not set(map(frozenset, epochs[0])) & set(map(frozenset, epochs[1]))


def test_batches_are_by_length_unless_it_is_asked_for(command, tmp_path):
    rows = [row | {"text": row["text"] + " the" * (i % 40)} for i, row in enumerate(make_rows(1024, 1))]
    train = write_csv(tmp_path / "uneven.csv", rows)
    main(command(train_file=train, max_seq_length=60))
    main(command(train_file=train, max_seq_length=60, train_sampling_strategy="random", output_dir=tmp_path / "random"))
    shares = [throughput(tmp_path / run)["training"]["padding_share"] for run in ("out", "random")]
    assert shares[0] < 0.1 < shares[1]


def test_no_step_reads_a_figure_back_from_the_device(command, tmp_path, monkeypatch):
    """Loss, gradient norm and counts stay on the device between two lines of the log: on a GPU each reading waits for
    all that was queued. (The one that is left, whether
    a mask masks anything, is the library's.)"""
    readings = []
    for name in ("item", "tolist", "cpu", "numpy", "__bool__", "__float__", "__int__"):
        original = getattr(torch.Tensor, name)

        def read(tensor, *args, _original=original, **kwargs):
            caller = sys._getframe(1).f_code
            readings.append(f"{Path(caller.co_filename).name}:{caller.co_name}")
            return _original(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, read)
    counted = []
    flags = {"do_train": True, "load_best_model_at_end": False, "save_strategy": "no", "eval_strategy": "no"}
    for steps in (4, 8):
        readings.clear()
        main(command(**flags, max_steps=steps, num_train_epochs=None, output_dir=tmp_path / str(steps)))
        counted.append(Counter(readings))
    more = counted[1] - counted[0]
    assert more == {"masking_utils.py:_ignore_bidirectional_mask_sdpa": 4}
