"""`main` in a program of somebody else: nothing is left behind, and a run does not notice the runs before it."""

from __future__ import annotations

import csv
import gc
import io
import locale
import logging
import os
import random
import re
import signal
import socket
import subprocess
import sys
import threading
import warnings

import accelerate
import datasets
import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from helpers import ROOT, read_predictions, weights

import run_classification
from classification.errors import UsageError
from run_classification import main


def snapshot() -> dict[str, object]:
    """The state of the process that a caller can see. A second list beside that of the code, to find what it lacks."""
    backends = torch.backends
    loggers = {name: log for name, log in logging.root.manager.loggerDict.items() if isinstance(log, logging.Logger)}
    settings = {name: (list(log.handlers), log.level, log.propagate, log.disabled) for name, log in loggers.items()}
    plain = ([], logging.NOTSET, True, False)  # a library that is imported makes loggers
    constants = [vars(module) for module in (huggingface_hub.constants, datasets.config)]
    return {
        "environment": dict(os.environ),
        "loggers": {name: values for name, values in settings.items() if values != plain},
        "root logger": (list(logging.root.handlers), logging.root.level, logging.root.manager.disable),
        "warnings": (list(warnings.filters), warnings.showwarning),
        "verbosity": (transformers.utils.logging.get_verbosity(), datasets.logging.get_verbosity()),
        "bars": (
            transformers.utils.logging.is_progress_bar_enabled(), datasets.are_progress_bars_disabled(),
            huggingface_hub.utils.are_progress_bars_disabled(),
        ),
        "caching": datasets.is_caching_enabled(),
        "constants": [{name: value for name, value in module.items() if name.isupper()} for module in constants],
        "torch": (
            torch.get_num_threads(), torch.get_default_dtype(), torch.get_deterministic_debug_mode(),
            torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.is_anomaly_enabled(),
            torch.get_float32_matmul_precision(), torch.utils.deterministic.fill_uninitialized_memory,
            backends.cudnn.deterministic, backends.cudnn.benchmark, backends.cudnn.allow_tf32,
            backends.cuda.matmul.allow_tf32, backends.mkldnn.enabled,
        ),
        "random": (random.getstate(), str(np.random.get_state()), torch.get_rng_state().tolist()),
        "hooks": (sys.excepthook, threading.excepthook, sys.stdout, sys.stderr),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "process": (os.getcwd(), list(sys.path), locale.setlocale(locale.LC_ALL), csv.field_size_limit(), umask()),
        "garbage collector": (gc.isenabled(), gc.get_threshold()),
        "accelerate": [
            {name: described(value) for name, value in state._shared_state.items()}
            for state in (accelerate.PartialState, accelerate.state.AcceleratorState, accelerate.state.GradientState)
        ],
        "plots": {name: str(value) for name, value in rc_params().items()},
    }  # fmt: skip


def described(value: object) -> str:
    """As text. A weak reference to what is no longer used turns from alive to dead when Python's collector likes."""
    return re.sub(r"(<weakref at \w+); [^>]*>", r"\1>", str(value))


def umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def rc_params() -> dict:
    import matplotlib

    return {name: dict.__getitem__(matplotlib.rcParams, name) for name in matplotlib.rcParams}


def differences(before: dict, after: dict) -> dict[str, object]:
    return {name: (value, after[name]) for name, value in before.items() if after[name] != value}


LINES = {
    "training in bf16": {"precision": "bf16", "logging_dir": "logs"},
    "a deterministic training": {"full_determinism": True, "enable_jit_checkpoint": True},
    "worker processes": {"dataloader_num_workers": 1, "preprocessing_num_workers": 2},
    "a study": {"seeds": "1,2", "validation_file": None, "dry_run": True},
    "a dry run": {"dry_run": True},
    "the data checks": {"check_data": True},
    "an error of usage": {"learning_rate": -1},
    "an error in the data": {"label_column_name": "nope"},
}


@pytest.mark.parametrize("name", LINES)
def test_nothing_is_left_behind(name, command):
    main(command(check_data=True))  # what a library sets when it is imported is not of this run
    before = snapshot()
    try:
        main(command(**LINES[name]))
    except UsageError:
        assert "error" in name
    else:
        assert "error" not in name
    assert not differences(before, snapshot())


def test_a_hub_that_cannot_be_reached_is_forgotten(command, monkeypatch):
    """The caller may have a network later."""

    def refuse(*args, **kwargs):
        raise OSError("no route to host")

    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr("classification.data.hub_access.getproxies", dict)
    monkeypatch.setattr(socket, "create_connection", refuse)
    before = snapshot()
    with pytest.raises(UsageError, match="nobody/nothing"):
        main(command(model_name_or_path="nobody/nothing"))
    assert not differences(before, snapshot())


def test_a_run_does_not_notice_the_run_before_it(command, tmp_path, finished):
    """Another seed, precision, task and order of operations before it: the weights are those of the run alone."""
    alone = finished(seed=3, model_name_or_path="bilstm", max_seq_length=None)
    main(command(seed=7, precision="bf16", full_determinism=True, output_dir=tmp_path / "before"))
    torch.manual_seed(11)
    again = {"seed": 3, "model_name_or_path": "bilstm", "max_seq_length": None, "output_dir": tmp_path / "again"}
    main(command(**again))
    first, second = weights(alone.folder), weights(tmp_path / "again")
    assert first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)
    assert alone.predictions == read_predictions(tmp_path / "again")


def test_a_model_that_the_caller_keeps_has_plain_layers(command, monkeypatch):
    kept = []
    real = run_classification.build_trainer
    monkeypatch.setattr(
        run_classification, "build_trainer", lambda *args, **kwargs: kept.append(real(*args, **kwargs)) or kept[-1]
    )
    main(command(attention_dropout=0.25, dry_run=True))
    layers = [layer for layer in kept[0].model.modules() if getattr(layer, "p", 0) == 0.25]
    assert layers and {type(layer) for layer in layers} == {torch.nn.Dropout}


@pytest.fixture(scope="module")
def chinese(tmp_path_factory):
    """A training file whose labels are Chinese and try to colour the terminal."""
    path = tmp_path_factory.mktemp("chinese") / "评论.csv"
    rows = [(f"{'good' if i % 2 else 'bad'} film {i}", "好评" if i % 2 else "\x1b[31m差评") for i in range(40)]
    with path.open("w", encoding="utf-8", newline="") as handle:
        csv.writer(handle).writerows([("text", "label"), *rows])
    return path


def test_a_console_of_another_encoding_costs_no_run(chinese, command):
    line = command(train_file=chinese, validation_file=None, test_file=None, check_data=True)
    words = [sys.executable, str(ROOT / "run_classification.py"), *line]
    environment = os.environ | {"PYTHONIOENCODING": "cp1252"}
    done = subprocess.run(words, capture_output=True, timeout=120, env=environment)
    assert done.returncode == 0 and b"Traceback" not in done.stderr, done.stderr
    assert rb"\u597d\u8bc4" in done.stdout and b"\x1b" not in done.stdout


def test_files_are_utf8_whatever_the_console_is(chinese, command, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding="cp1252"))
    main(command(train_file=chinese, validation_file=None, test_file=chinese))
    assert {row["label"] for row in read_predictions(tmp_path / "out")} == {"好评", "\x1b[31m差评"}
    for path in (tmp_path / "out").glob("*.[jcs][sv]*"):
        path.read_text(encoding="utf-8")


@pytest.mark.parametrize("stream", ["none", "closed", "bare"])
def test_a_run_needs_no_console(stream, command, tmp_path, monkeypatch):
    """As under pythonw, in a service, or in a notebook's stand-in for standard output."""
    out = {"none": None, "closed": open(os.devnull, "w"), "bare": type("Bare", (), {"write": lambda *text: None})()}[
        stream
    ]
    if stream == "closed":
        out.close()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", out)
    main(command(dry_run=True, disable_tqdm=False))
