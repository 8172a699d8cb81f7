"""Training on the accelerator of this machine: exact in fp32, close to fp32 in half precision, repeatable.

    TEST_DEVICE=cuda python -m pytest -m device

The tests run on the first GPU. Without a GPU they run on the CPU, except the tests that compare the two.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from corpus import make_rows, write_csv
from helpers import SGD, account, largest_difference, make_bert, make_tokenizer, read_predictions, weights

from run_classification import main

# A deterministic run needs this variable before the first matrix product of the process. The value is the one that
# `--full_determinism` sets: with another one at first, the workspace would shrink between two runs of this process, and
# cuBLAS would choose other kernels.
os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":16:8"

pytestmark = pytest.mark.device
on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU to compare with the CPU")

# TF32 rounds the factors of a product to 10 bits, so that an equality to 1e-5 would fail.
EXACT = {"tf32": False, **SGD}
KINDS = {
    "one label": {},
    "windows": {"truncation_strategy": "window", "max_seq_length": 16, "window_stride": 8},
    "pooled head": {"pooling": "mean"},
    "LoRA": {"lora_r": 2},
    "class weights": {"class_weights": '{"positive": 3}'},
}


@pytest.fixture
def command(command):
    """Without loader workers: each is a fork of a process that holds a GPU, which takes longer than a tiny training."""
    return lambda **flags: command(**{"dataloader_num_workers": 0} | flags)


def probabilities(folder: Path) -> list[float]:
    """Of the class `positive`, per row of predictions.csv."""
    return [float(row["prob_positive"]) for row in read_predictions(folder)]


def encoder_update(before: str, after: Path) -> torch.Tensor:
    """What training added to the weights of the encoder, as one vector."""
    old, new = weights(before), weights(after)
    names = sorted(name for name in old if f"bert.{name}" in new)
    return torch.cat([(new[f"bert.{name}"] - old[name]).flatten() for name in names])


@pytest.fixture
def determinism_restored(monkeypatch):
    """`--full_determinism` changes torch and the environment of the whole process."""
    for name in ("CUDA_LAUNCH_BLOCKING", "CUBLAS_WORKSPACE_CONFIG", "FLASH_ATTENTION_DETERMINISTIC"):
        monkeypatch.setenv(name, os.environ.get(name, "0"))
    benchmark, deterministic = torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic
    yield
    torch.use_deterministic_algorithms(False)
    torch.backends.cudnn.benchmark, torch.backends.cudnn.deterministic = benchmark, deterministic


@pytest.mark.parametrize("precision", ["bf16", pytest.param("fp16", marks=on_gpu)])
def test_a_step_in_half_precision_equals_a_step_in_fp32(command, tiny_model, tmp_path, precision):
    """To 2% of its length. fp16 scales the loss: a gradient that overflows would lose the step, and its update is 0."""
    one_step = {**EXACT, "max_steps": 1, "warmup_steps": 0, "lr_scheduler_type": "constant"}
    updates = []
    for name in ("fp32", precision):
        main(command(**one_step, precision=name, output_dir=tmp_path / name))
        updates.append(encoder_update(tiny_model, tmp_path / name))
    assert updates[0].norm() > 1e-3
    assert (updates[1] - updates[0]).norm() < 0.02 * updates[0].norm()
    assert (tmp_path / precision / "checkpoint-1" / "scaler.pt").exists() == (precision == "fp16")


def test_accumulated_micro_batches_equal_one_batch_on_the_device(command, tmp_path):
    """27 rows: the last batch of an epoch is short."""
    common = {**EXACT, "train_file": write_csv(tmp_path / "uneven.csv", make_rows(27, seed=5))}
    result = main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "one"))
    micro = {"per_device_train_batch_size": 2, "gradient_accumulation_steps": 4}
    accumulated = main(command(**common, **micro, output_dir=tmp_path / "accumulated"))
    assert largest_difference(tmp_path / "one", tmp_path / "accumulated") < 1e-5
    assert accumulated["eval_loss"] == pytest.approx(result["eval_loss"], abs=1e-5)


def test_val_loss_on_the_device_is_the_mean_over_rows(command, tmp_path):
    """24 rows in batches of 7 give the loss that one row at a time gives on the CPU."""
    result = main(command(tf32=False, per_device_eval_batch_size=7, pad_to_max_length=True))
    alone = main(command(model_name_or_path=tmp_path / "out", train_file=None, test_file=None, do_eval=True,
                         max_seq_length=None, per_device_eval_batch_size=1, use_cpu=True,
                         output_dir=tmp_path / "alone"))  # fmt: skip
    assert result["eval_loss"] == pytest.approx(alone["eval_loss"], abs=1e-5)


@pytest.mark.parametrize("kind", ["windows", "pooled head", "LoRA", "bilstm"])
def test_the_saved_model_gives_the_same_predictions_on_the_cpu(command, long_files, tmp_path, kind):
    scratch = {"model_name_or_path": "bilstm", "per_device_train_batch_size": 4}
    train = long_files | {"tf32": False, "num_train_epochs": 2}
    main(command(**train | (KINDS | {"bilstm": scratch})[kind]))
    reload = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
    flags = {**reload, "test_file": long_files["test_file"], "use_cpu": True}
    main(command(**flags, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "cpu"))
    here, cpu = probabilities(tmp_path / "out"), probabilities(tmp_path / "cpu")
    tolerance = 2e-3 if kind == "bilstm" else 1e-5  # cuDNN keeps TF32 on in an LSTM
    assert here == pytest.approx(cpu, abs=tolerance) and max(here) - min(here) > 10 * tolerance


def test_class_weights_move_to_the_device(command, files, tmp_path):
    """Weights that stay as they are: the training loss of the device is the objective that the CPU has for its rows."""
    still = {"learning_rate": 1e-12, "validation_file": files["train"], "tf32": False}
    result = main(command(**still, **KINDS["class weights"]))
    epoch = account(tmp_path / "out")["epochs"][0]
    assert epoch["train_loss"] == pytest.approx(result["eval_objective"], abs=1e-5)
    assert abs(result["eval_objective"] - result["eval_loss"]) > 1e-4


def test_a_resumed_run_has_the_same_weights(command, determinism_restored, tmp_path):
    """Bit for bit, with dropout, from the middle of the second epoch."""
    make_bert(hidden_dropout_prob=0.2).bert.save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    flags = {"model_name_or_path": tmp_path / "model", "num_train_epochs": 3, "full_determinism": True}
    flags |= {"eval_strategy": "steps", "save_strategy": "steps", "eval_steps": 3, "save_steps": 3}
    main(command(**flags, save_total_limit=20, output_dir=tmp_path / "whole"))
    (tmp_path / "cut").mkdir()
    for step in (9, 12):
        shutil.copytree(tmp_path / "whole" / f"checkpoint-{step}", tmp_path / "cut" / f"checkpoint-{step}")
    main(command(**flags, save_total_limit=20, output_dir=tmp_path / "cut", resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") == 0
    assert probabilities(tmp_path / "whole") == probabilities(tmp_path / "cut")


@on_gpu
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_on_the_gpu_equals_the_run_on_the_cpu(command, long_files, tmp_path, kind):
    results = []
    for device in ("gpu", "cpu"):
        flags = long_files | EXACT | KINDS[kind] | {"max_steps": 6, "use_cpu": device == "cpu"}
        results.append(main(command(**flags, output_dir=tmp_path / device)))
    assert largest_difference(tmp_path / "gpu", tmp_path / "cpu") < 1e-4
    for figure in ("train_loss", "eval_loss", "test_loss"):
        assert results[0][figure] == pytest.approx(results[1][figure], abs=1e-4), figure
    assert probabilities(tmp_path / "gpu") == pytest.approx(probabilities(tmp_path / "cpu"), abs=1e-4)


@on_gpu
def test_the_speed_of_the_gpu_is_measured(command, tmp_path):
    main(command(precision="auto", num_train_epochs=2, dataloader_num_workers=None))
    figures = account(tmp_path / "out")["throughput"]
    assert 0 < figures["training"]["mfu"] < 1 and 0 < figures["evaluation"]["mfu"] < 1
    assert 1e5 < figures["peak_memory_bytes"] < torch.cuda.get_device_properties(0).total_memory


# --------------------------------------------------------------------------------------------------- lack of memory

INJECTED = {  # the forward passes of training that fail -> rows and micro-batches of a step
    "oom@train=1": (8, 1),
    "oom@train=4": (4, 2),  # the second micro-batch of the second step
    "oom@train=3,oom@train=9": (8, 1),  # and again in halves
}


@pytest.fixture
def wide_model(tmp_path) -> Path:
    """Large enough for its activations to fill more than the pieces in which an allocator takes memory."""
    make_bert(hidden_size=256, num_hidden_layers=4, num_attention_heads=4, intermediate_size=1024).bert.save_pretrained(
        tmp_path / "model"
    )
    make_tokenizer().save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@contextmanager
def memory_limited_to(share: float, needed: int) -> Iterator[None]:
    """Inside, this process may take a share of the bytes that it has needed on the GPU."""
    assert needed > 1e8
    gc.collect()
    torch.cuda.empty_cache()
    torch.cuda.set_per_process_memory_fraction(share * needed / torch.cuda.get_device_properties(0).total_memory)
    try:
        yield
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)


def train_with_less_memory(command, flags: dict, folder: Path) -> None:
    """A training that may take 60% of the memory that another one took ends with the weights of that one.

    The process needs more memory afterwards, once, for the fastest matrix product of the GPU: the peak is that of the
    training alone.
    """
    torch.cuda.reset_peak_memory_stats()
    main(command(**flags, output_dir=folder / "whole"))
    with memory_limited_to(0.6, account(folder / "whole")["throughput"]["peak_memory_bytes"]):
        main(command(**flags, output_dir=folder / "limited"))
    assert largest_difference(folder / "whole", folder / "limited") < 1e-6


@on_gpu
@pytest.mark.parametrize("fault", INJECTED)
def test_an_injected_lack_of_memory_changes_no_result(command, fault, capfd, tmp_path):
    rows, micro = INJECTED[fault]
    flags = {**EXACT, "num_train_epochs": 2, "per_device_train_batch_size": rows, "gradient_accumulation_steps": micro}
    main(command(**flags, output_dir=tmp_path / "whole"))
    main(command(**flags, output_dir=tmp_path / "cut", inject_fault=fault))
    assert "".join(capfd.readouterr()).count("out of memory at") == 1 + fault.count(",")
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-6
    for one, other in zip(*(account(tmp_path / name)["epochs"] for name in ("whole", "cut")), strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-6)
        assert one["train_accuracy"] == other["train_accuracy"]


@on_gpu
def test_a_step_that_does_not_fit_into_memory_gives_the_same_weights(command, wide_model, tmp_path, capfd):
    flags = {**EXACT, "learning_rate": 0.01, "model_name_or_path": wide_model, "pad_to_max_length": True,
             "max_seq_length": 64, "per_device_train_batch_size": 48, "max_steps": 3}  # fmt: skip
    train_with_less_memory(command, flags, tmp_path)
    assert "out of memory at" in "".join(capfd.readouterr())


@on_gpu
def test_a_batch_that_does_not_fit_into_memory_is_found_before_step_1(command, wide_model, tmp_path, capfd):
    """The rows are read in the order of the file, whose last batch alone is long."""
    short = [row | {"text": "bad plot"} for row in make_rows(48, seed=1)]
    rows = [*short, *(row | {"text": "good plot bad film " * 16} for row in make_rows(48, seed=2))]
    flags = {**EXACT, "learning_rate": 0.01, "model_name_or_path": wide_model, "max_seq_length": 64,
             "train_file": write_csv(tmp_path / "rows.csv", rows), "train_sampling_strategy": "sequential",
             "per_device_train_batch_size": 48}  # fmt: skip
    train_with_less_memory(command, flags, tmp_path)
    assert "out of memory at step 1 of 2" in "".join(capfd.readouterr())


@on_gpu
def test_predictions_that_do_not_fit_into_memory_are_the_same(command, wide_model, tmp_path, capfd):
    main(
        command(**EXACT, model_name_or_path=wide_model, max_seq_length=64, max_steps=1, output_dir=tmp_path / "trained")
    )
    rows = write_csv(tmp_path / "many.csv", make_rows(768, seed=4))
    flags = {"model_name_or_path": tmp_path / "trained", "train_file": None, "validation_file": None, "test_file": rows,
             "do_predict": True, "tf32": False, "per_device_eval_batch_size": 768, "pad_to_max_length": True,
             "max_seq_length": 64}  # fmt: skip
    gc.collect()
    torch.cuda.reset_peak_memory_stats()
    main(command(**flags, output_dir=tmp_path / "whole"))
    with memory_limited_to(0.6, torch.cuda.max_memory_allocated()):
        main(command(**flags, output_dir=tmp_path / "limited"))
    assert "out of memory in evaluation" in "".join(capfd.readouterr())
    assert probabilities(tmp_path / "limited") == pytest.approx(probabilities(tmp_path / "whole"), abs=1e-5)
