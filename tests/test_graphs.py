"""Recorded steps: the same training as without, every row seen, and a word where they end.

What records them here runs them again, as a GPU does with a recording: on the tensors that were there when it was made.
With `--gpu -m gpu` the real one is tested."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from conftest import make_bert, make_rows, write_csv
from safetensors.torch import load_file

from classification import graphs, trainer
from classification.graphs import StepGraphs, masks_as_recorded, waits_for_gpu, why_unrecorded
from run_classification import main

SGD = {"optim": "sgd", "learning_rate": 0.2}


def run_again(step):
    """Stands in for a recording."""
    result = torch.zeros(())
    return lambda: result.copy_(step()), result


@pytest.fixture
def recorded(monkeypatch) -> list:
    """Steps are recorded by `run_again`; the list has an entry a recording."""
    made = []
    monkeypatch.setattr(graphs, "Recorder", lambda: lambda step: made.append(1) or run_again(step))
    monkeypatch.setattr(trainer, "why_unrecorded", lambda args: None)
    return made


def epochs(folder) -> list[dict]:
    return json.loads((Path(folder) / "run.json").read_text(encoding="utf-8"))["epochs"]


def largest_difference(first, second) -> float:
    first, second = (load_file(Path(folder) / "model.safetensors") for folder in (first, second))
    return max((first[name] - second[name]).abs().max().item() for name in first)


@pytest.mark.parametrize(
    "flags",
    [
        {},
        {"gradient_accumulation_steps": 3},
        {"class_weights": "balanced", "label_smoothing_factor": 0.1},
        {"lora_r": 2},
        {"freeze_layers": 1},
    ],
    ids=str,
)
def test_recorded_steps_train_as_steps_do(command, recorded, tmp_path, flags):
    """To rounding, and count the same rows: with micro-batches, and a last batch that is short."""
    rows = write_csv(tmp_path / "rows.csv", make_rows(61, seed=5)[1:])
    common = {"train_file": rows, "num_train_epochs": 3, "per_device_train_batch_size": 7, **SGD, **flags}
    main(command(**common, cuda_graphs=True, output_dir=tmp_path / "with"))
    assert 2 <= len(recorded) < 15  # far fewer than steps
    main(command(**common, output_dir=tmp_path / "without"))
    assert largest_difference(tmp_path / "with", tmp_path / "without") < 1e-6
    for one, other in zip(epochs(tmp_path / "with"), epochs(tmp_path / "without"), strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-6)
        assert one["train_accuracy"] == other["train_accuracy"]
    figures = [json.loads((tmp_path / run / "run.json").read_text())["throughput"] for run in ("with", "without")]
    for name in ("rows", "padding_share"):
        assert figures[0]["training"][name] == figures[1]["training"][name]


def batch(rows: int, length: int) -> dict[str, torch.Tensor]:
    ids = torch.randint(4, 30, (rows, length))
    return {"input_ids": ids, "attention_mask": torch.ones_like(ids), "labels": torch.randint(0, 2, (rows,))}


def plain_step(model, inputs, items):
    loss = torch.nn.functional.cross_entropy(
        model(input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"]).logits,
        inputs["labels"],
        reduction="sum",
    )
    (loss / items).backward()
    return loss.detach() / items


def test_gradients_are_added_to_what_is_there_and_no_others_appear():
    """An optimizer leaves out a parameter that has none: it must not get one of zeros, nor keep that of the step
    before."""
    torch.manual_seed(0)
    model, batches = make_bert(), [batch(3, 6), batch(3, 6), batch(3, 6), batch(2, 5), batch(3, 6)]
    unused = torch.nn.Parameter(torch.ones(2))
    model.register_parameter("unused", unused)
    steps, items = StepGraphs(lambda: run_again), torch.tensor(9)
    for parts in ([0], [1], [2, 3], [3, 4], [4, 2, 1]):
        model.zero_grad()
        for part in parts:
            plain_step(model, batches[part], items)
        wanted = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
        model.zero_grad()
        for part in parts:
            steps(plain_step, model, batches[part], items)
        for name, parameter in model.named_parameters():
            if name == "unused":
                assert parameter.grad is None
            else:
                torch.testing.assert_close(parameter.grad, wanted[name], rtol=1e-5, atol=1e-7)
    assert len(steps.graphs) == 2
    steps.clear()
    assert not steps.graphs and not steps.gradients


def test_a_step_that_waits_ends_the_recording_and_training_goes_on(monkeypatch, caplog):
    def waits():
        import contextlib

        return contextlib.nullcontext(["called a synchronizing CUDA operation"])

    monkeypatch.setattr(graphs, "waits_for_gpu", waits)
    model, steps = make_bert(), StepGraphs(lambda: run_again)
    for _ in range(3):
        steps(plain_step, model, batch(3, 6), torch.tensor(3))
    assert not steps.graphs and "graphs       off from here on: the model waits for the GPU" in caplog.text


def test_a_step_that_cannot_be_recorded_names_the_flag():
    def fails(step):
        raise RuntimeError("operation not permitted when stream is capturing")

    model, steps = make_bert(), StepGraphs(lambda: fails)
    steps(plain_step, model, batch(3, 6), torch.tensor(3))
    with pytest.raises(graphs.UsageError, match="not permitted when stream.*Pass --cuda_graphs false"):
        steps(plain_step, model, batch(3, 6), torch.tensor(3))


def test_when_steps_are_not_recorded():
    plain = {
        "device": torch.device("cuda"), "world_size": 1, "torch_compile": False, "gradient_checkpointing": False,
        "fp16": False,
    }  # fmt: skip
    assert why_unrecorded(SimpleNamespace(**plain)) is None
    for name, value in (
        ("device", torch.device("cpu")), ("world_size", 2), ("torch_compile", True), ("gradient_checkpointing", True),
        ("fp16", True),
    ):  # fmt: skip
        assert why_unrecorded(SimpleNamespace(**plain | {name: value}))


def test_a_run_says_where_there_is_nothing_to_record_for(command, capsys):
    main(command(cuda_graphs=True, dry_run=True))
    assert "graphs       off: no CUDA GPU" in capsys.readouterr().out
    main(command(dry_run=True))
    assert "graphs  " not in capsys.readouterr().out


def test_a_mask_that_hides_nothing_is_made_as_in_a_recording():
    """And the logits do not depend on it."""
    model, inputs = make_bert(), {name: values for name, values in batch(3, 6).items() if name != "labels"}
    masks = []
    model.bert.encoder.layer[0].register_forward_pre_hook(lambda _, arguments: masks.append(arguments[1]))
    without = model(**inputs).logits
    with masks_as_recorded():
        given = model(**inputs).logits
    assert masks[0] is None and masks[1].all()
    torch.testing.assert_close(without, given)
    model(**inputs)
    assert masks[2] is None


# ------------------------------------------------------------------------------------------------------ on a CUDA GPU


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_run_on_a_gpu_is_the_same_with_and_without(command, tmp_path, precision, capsys):
    rows = write_csv(tmp_path / "rows.csv", make_rows(160, seed=5)[1:])
    common = {"train_file": rows, "num_train_epochs": 4, "precision": precision, "tf32": False, **SGD}
    results = [
        main(command(**common, cuda_graphs=wanted, output_dir=tmp_path / str(wanted))) for wanted in (True, False)
    ]
    assert "graphs       a step for every shape" in capsys.readouterr().out
    assert largest_difference(tmp_path / "True", tmp_path / "False") < (1e-4 if precision == "fp32" else 5e-2)
    assert results[0]["eval_loss"] == pytest.approx(results[1]["eval_loss"], abs=1e-4 if precision == "fp32" else 2e-2)
    assert [e["train_loss"] for e in epochs(tmp_path / "True")] == pytest.approx(
        [e["train_loss"] for e in epochs(tmp_path / "False")], abs=1e-4 if precision == "fp32" else 2e-2
    )


@pytest.mark.gpu
def test_a_replay_drops_other_states_than_the_one_before():
    model, steps = make_bert(hidden_dropout_prob=0.5).cuda().train(), StepGraphs()
    inputs = {name: values.cuda() for name, values in batch(8, 6).items()}
    losses = {steps(plain_step, model, inputs, torch.tensor(8, device="cuda")).item() for _ in range(6)}
    assert len(steps.graphs) == 1 and len(losses) == 6


@pytest.mark.gpu
def test_recordings_share_one_memory_which_goes_with_them():
    """Ten shapes take no more than the largest, and the next training records anew."""
    model, steps, items = make_bert(hidden_size=512).cuda(), StepGraphs(), torch.tensor(8, device="cuda")
    reserved = []
    for _ in range(2):
        for length in (64, 63, 62, 61, 60, 59, 58, 57, 56):
            inputs = {name: values.cuda() for name, values in batch(64, length).items()}
            for _ in range(3):
                model.zero_grad()
                steps(plain_step, model, inputs, items)
            reserved.append(torch.cuda.memory_reserved())
        assert len(steps.graphs) == 9
        steps.clear()
    assert reserved[8] < 1.3 * reserved[0]


@pytest.mark.gpu
def test_a_step_that_reads_from_the_gpu_is_seen():
    value = torch.ones((), device="cuda")
    with waits_for_gpu() as waits:
        value + 1
    assert not waits
    with waits_for_gpu() as waits:
        value.item()
    assert waits
