"""Whatever a run changes in its process has its old value afterwards."""

from __future__ import annotations

import csv
import logging
import multiprocessing
import os
import random
import signal
import sys
import warnings

import datasets
import huggingface_hub
import numpy as np
import pytest
import torch
import transformers
from accelerate import Accelerator
from accelerate.state import AcceleratorState
from torch import nn

from classification.models.kernels.cpu_dropout import FastDropout
from classification.models.kernels.replaced_layers import replace_class
from classification.reporting.process_state import SETTINGS, process_state_restored


def set_environment():
    os.environ["ANY_VARIABLE"] = "set inside"
    del os.environ["HOME"]


def set_signals():
    signal.signal(signal.SIGTERM, lambda number, frame: None)


def draw_random_numbers():
    random.random(), np.random.rand(), torch.rand(())


def go_offline():
    huggingface_hub.constants.HF_HUB_OFFLINE = "changed"
    datasets.config.HF_DATASETS_CACHE = "changed"


def set_torch():
    torch.set_num_threads(torch.get_num_threads() + 1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.benchmark = not torch.backends.cudnn.benchmark
    torch.backends.fp32_precision = "tf32"


def set_bars():
    transformers.utils.logging.disable_progress_bar()
    huggingface_hub.utils.disable_progress_bars("any")


def set_loggers():
    logging.getLogger("matplotlib").setLevel(1)
    logging.getLogger("transformers").addHandler(logging.NullHandler())
    logging.root.handlers = []


def use_accelerate():
    AcceleratorState._reset_state(reset_partial_state=True)
    Accelerator(cpu=True, mixed_precision="bf16")


CHANGES = {
    "environment": set_environment,
    "loggers": set_loggers,
    "standard streams": lambda: setattr(sys, "stdout", sys.stderr),
    "level of all loggers": lambda: logging.disable(logging.ERROR),
    "module path": lambda: sys.path.insert(0, "/anywhere"),
    "handlers of signals": set_signals,
    "field size of csv": lambda: csv.field_size_limit(7),
    "start of processes": lambda: multiprocessing.set_start_method("spawn", force=True),
    "random numbers": draw_random_numbers,
    "constants of the Hub's libraries": go_offline,
    "bars of the Hub": set_bars,
    "bars of transformers": lambda: transformers.utils.logging.disable_progress_bar(),
    "bars of datasets": lambda: datasets.disable_progress_bars(),
    "cache of datasets": lambda: datasets.disable_caching(),
    "torch": set_torch,
    "accelerate": use_accelerate,
    "layers of models": lambda: replace_class(LAYER, FastDropout),
}
LAYER = nn.Dropout(0.5)


@pytest.fixture(autouse=True)
def usual_state():
    """Other tests may have turned the bars off, or left an accelerator of theirs."""
    transformers.utils.logging.enable_progress_bar()
    datasets.enable_progress_bars()
    AcceleratorState._reset_state(reset_partial_state=True)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("setting", SETTINGS, ids=lambda setting: setting.name)
def test_a_setting_is_restored(setting, fails):
    before = setting.read()
    try:
        with process_state_restored():
            CHANGES[setting.name]()
            assert setting.read() != before, "the change is not seen"
            if fails:
                raise RuntimeError
    except RuntimeError:
        assert fails
    assert setting.read() == before


def test_filters_of_warnings_are_restored():
    before = list(warnings.filters)
    with process_state_restored():
        warnings.simplefilter("error")
    assert warnings.filters == before


def test_random_numbers_of_the_caller_go_on_as_if_nothing_had_run():
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    expected = torch.rand(3), random.random(), np.random.rand()
    torch.manual_seed(5), random.seed(5), np.random.seed(5)
    with process_state_restored():
        transformers.set_seed(1)
    assert torch.equal(torch.rand(3), expected[0]) and (random.random(), np.random.rand()) == expected[1:]


def test_the_accelerator_of_the_caller_still_works(tmp_path):
    """The Trainer's arguments reset the state that all accelerators share."""
    own = Accelerator(cpu=True)
    with process_state_restored():
        transformers.TrainingArguments(output_dir=tmp_path, use_cpu=True, report_to="none").device  # noqa: B018
    assert own.num_processes == 1 and own.mixed_precision == "no" and own.state.device.type == "cpu"


def test_the_next_run_turns_tf32_on_again():
    """The library's function is cached: called again with the same value it does nothing (transformers 5.23)."""
    for _ in range(2):
        with process_state_restored():
            transformers.utils.import_utils.enable_tf32(True)
            assert torch.backends.fp32_precision == "tf32"
        assert torch.backends.fp32_precision != "tf32"


def test_handlers_of_dead_workers_are_set_again_by_the_next_run():
    """torch sets its handler once per process: without it a killed worker would go unnoticed."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    torch.utils.data._utils.signal_handling._SIGCHLD_handler_set = False
    for _ in range(2):
        with process_state_restored():
            torch.utils.data._utils.signal_handling._set_SIGCHLD_handler()
            assert callable(signal.getsignal(signal.SIGCHLD))
        assert signal.getsignal(signal.SIGCHLD) == signal.SIG_DFL
