"""What a run changes in its process and its libraries, and how all of it gets its old value back."""

from __future__ import annotations

import contextlib
import csv
import logging
import multiprocessing
import os
import random
import signal
import sys
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple, cast

import datasets
import huggingface_hub
import numpy as np
import torch
import transformers
from accelerate.state import AcceleratorState, GradientState, PartialState
from torch.utils.data._utils import signal_handling
from transformers.utils.import_utils import enable_tf32

from classification.messages.log import OUR_LOGGERS
from classification.models.kernels.replaced_layers import replaced_layers, restore_class

SET_LOGGERS = (*OUR_LOGGERS, "datasets", "matplotlib")  # a run sets them, and may be the first to use them


class Setting(NamedTuple):
    """One piece of global state. `write` is called only where `read` gives another value than before the run."""

    name: str
    read: Callable[[], Any]
    write: Callable[[Any], object]


@contextlib.contextmanager
def process_state_restored() -> Iterator[None]:
    """On exit, also after an error, every setting of `SETTINGS` has the value that it had before."""
    before = [(setting, setting.read()) for setting in SETTINGS]
    try:
        with warnings.catch_warnings():
            yield
    finally:
        for setting, value in reversed(before):
            if setting.read() != value:
                setting.write(value)


# -------------------------------------------------------------------------------------------- the process and Python


def read_environment() -> dict[str, str]:
    return dict(os.environ)


def write_environment(before: dict[str, str]) -> None:
    for name in os.environ.keys() - before.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in before.items() if os.environ.get(name) != value})


def read_loggers() -> dict[logging.Logger, tuple]:
    loggers = [logging.getLogger(name) for name in SET_LOGGERS]
    loggers += [log for log in logging.root.manager.loggerDict.values() if isinstance(log, logging.Logger)]
    return {
        log: (log.handlers, list(log.handlers), list(log.filters), log.level, log.propagate, log.disabled)
        for log in (logging.root, *loggers)
    }


def write_loggers(before: dict[logging.Logger, tuple]) -> None:
    """Loggers that are new, of a library that the run imported, stay as their library made them."""
    for log, (own_list, handlers, filters, level, propagate, disabled) in before.items():
        own_list[:], log.filters[:] = handlers, filters
        log.handlers, log.propagate, log.disabled = own_list, propagate, disabled
        log.setLevel(level)


def write_module_path(before: list[str]) -> None:
    sys.path[:] = before


def read_handlers_of_signals() -> dict[int, Any]:
    """Only the main thread may write them."""
    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.getsignal(number) for number in signal.valid_signals()}


def write_handlers_of_signals(before: dict[int, Any]) -> None:
    for number, handler in before.items():
        if handler is not None and signal.getsignal(number) != handler:
            signal.signal(number, handler)
            if number == getattr(signal, "SIGCHLD", None):
                # torch's handler for dead loader workers is set once per process: the next run sets it again.
                signal_handling._SIGCHLD_handler_set = False


# ------------------------------------------------------------------------------------------------- random numbers


def read_random_numbers() -> tuple:
    """Of Python, numpy and torch; as values that `==` compares."""
    name, keys, *rest = cast(tuple[Any, ...], np.random.get_state())
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else ()
    return (
        random.getstate(), (name, tuple(keys.tolist()), *rest), tuple(torch.get_rng_state().tolist()),
        tuple(tuple(state.tolist()) for state in cuda),
    )  # fmt: skip


def write_random_numbers(before: tuple) -> None:
    python, (name, keys, *rest), on_cpu, on_cuda = before
    random.setstate(python)
    np.random.set_state((name, np.array(keys, dtype=np.uint32), *rest))
    torch.set_rng_state(torch.tensor(on_cpu, dtype=torch.uint8))
    if on_cuda:
        torch.cuda.set_rng_state_all([torch.tensor(state, dtype=torch.uint8) for state in on_cuda])


# ------------------------------------------------------------------------------------------------------ libraries


def read_constants() -> dict[Any, dict[str, Any]]:
    """The constants of the Hub's libraries: offline mode, folders, limits of time."""
    modules = [huggingface_hub.constants, datasets.config, sys.modules.get("evaluate.config")]
    return {
        module: {name: value for name, value in vars(module).items() if name.isupper()}
        for module in modules
        if module is not None
    }


def write_constants(before: dict[Any, dict[str, Any]]) -> None:
    for module, constants in before.items():
        vars(module).update(constants)


def read_hub_bars() -> dict[str, bool]:
    return dict(sys.modules["huggingface_hub.utils.tqdm"].progress_bar_states)


def write_hub_bars(before: dict[str, bool]) -> None:
    states = sys.modules["huggingface_hub.utils.tqdm"].progress_bar_states
    states.clear()
    states.update(before)


def read_torch() -> dict[str, Any]:
    backends = torch.backends
    return {
        "threads": torch.get_num_threads(),
        "dtype": torch.get_default_dtype(),
        "deterministic": (
            torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
        ),
        "cudnn": (backends.cudnn.enabled, backends.cudnn.benchmark, backends.cudnn.deterministic),
        "formats": [place.fp32_precision for place in places_of_formats()],
    }  # fmt: skip


def write_torch(before: dict[str, Any]) -> None:
    if torch.get_num_threads() != before["threads"]:
        torch.set_num_threads(before["threads"])
    torch.set_default_dtype(before["dtype"])
    enabled, warn_only = before["deterministic"]
    torch.use_deterministic_algorithms(enabled, warn_only=warn_only)
    cudnn = torch.backends.cudnn
    cudnn.enabled, cudnn.benchmark, cudnn.deterministic = before["cudnn"]
    for place, precision in zip(places_of_formats(), before["formats"], strict=True):
        if place.fp32_precision != precision:
            place.fp32_precision = precision
    if hasattr(enable_tf32, "cache_clear"):  # the library calls it for --tf32: a cached call would not do it again
        enable_tf32.cache_clear()


def places_of_formats() -> list[Any]:
    """Where torch keeps TF32 or not, from the general place to the special ones."""
    backends: Any = torch.backends
    groups = (backends, backends.cuda, backends.cudnn, backends.mkldnn)
    places = [getattr(group, name, None) for group in groups[1:] for name in ("matmul", "conv", "rnn")]
    return [place for place in (*groups, *places) if hasattr(place, "fp32_precision")]


def read_accelerate() -> list[dict]:
    return [dict(state._shared_state) for state in (PartialState, AcceleratorState, GradientState)]


def write_accelerate(before: list[dict]) -> None:
    """Processes that were started together keep their connection: they still have to wait for each other."""
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        return
    for state, values in zip((PartialState, AcceleratorState, GradientState), before, strict=True):
        state._shared_state.clear()
        state._shared_state.update(values)


def write_datasets_bars(disabled: bool) -> None:
    (datasets.disable_progress_bars if disabled else datasets.enable_progress_bars)()


def write_datasets_cache(enabled: bool) -> None:
    (datasets.enable_caching if enabled else datasets.disable_caching)()


def write_transformers_bars(enabled: bool) -> None:
    bars = transformers.utils.logging
    (bars.enable_progress_bar if enabled else bars.disable_progress_bar)()


def write_layers(before: set[torch.nn.Module]) -> None:
    for layer in replaced_layers() - before:
        restore_class(layer)


def write_streams(before: tuple[Any, Any]) -> None:
    sys.stdout, sys.stderr = before


SETTINGS = (  # written from the last to the first
    Setting("environment", read_environment, write_environment),
    Setting("loggers", read_loggers, write_loggers),
    Setting("standard streams", lambda: (sys.stdout, sys.stderr), write_streams),
    Setting("level of all loggers", lambda: logging.root.manager.disable, logging.disable),
    Setting("module path", lambda: list(sys.path), write_module_path),
    Setting("handlers of signals", read_handlers_of_signals, write_handlers_of_signals),
    Setting("field size of csv", csv.field_size_limit, csv.field_size_limit),
    Setting(
        "start of processes",
        lambda: multiprocessing.get_start_method(allow_none=True),
        lambda method: multiprocessing.set_start_method(method, force=True),
    ),
    Setting("random numbers", read_random_numbers, write_random_numbers),
    Setting("constants of the Hub's libraries", read_constants, write_constants),
    Setting("bars of the Hub", read_hub_bars, write_hub_bars),
    Setting("bars of transformers", transformers.utils.logging.is_progress_bar_enabled, write_transformers_bars),
    Setting("bars of datasets", datasets.are_progress_bars_disabled, write_datasets_bars),
    Setting("cache of datasets", datasets.is_caching_enabled, write_datasets_cache),
    Setting("torch", read_torch, write_torch),
    Setting("accelerate", read_accelerate, write_accelerate),
    Setting("layers of models", replaced_layers, write_layers),
)
