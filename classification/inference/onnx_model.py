"""An ONNX file and the session that runs it: what a `Classifier` has in the place of a torch model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from transformers import PreTrainedConfig

from classification.errors import UsageError, first_line, join_first

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

NEEDED_INPUTS = {"input_ids": "so that it reads no text", "attention_mask": "so that padding changes its answers"}
KNOWN_INPUTS = (*NEEDED_INPUTS, "token_type_ids")
INTEGERS = ("tensor(int64)", "tensor(int32)")
LOGITS = "logits"
EXPORT_AGAIN = "Export it again with scripts/export_onnx.py."
BYTES_AT_ONCE = 1 << 22
NO_WEIGHTS = (".csv", ".json", ".jsonl", ".md", ".onnx", ".py", ".txt")  # ends of files that are not weights of a graph


@dataclass(frozen=True)
class OnnxModel:
    """A graph that was checked: it reads any number of tokens, and gives one logit per label.

    Args:
        path: of the ONNX file; large weights are in files beside it.
        session: of onnxruntime.
    """

    path: Path
    config: PreTrainedConfig
    session: InferenceSession

    @property
    def inputs(self) -> dict[str, str]:
        """Name -> type of each input."""
        return {each.name: each.type for each in self.session.get_inputs()}

    @property
    def files(self) -> list[Path]:
        """The file of the graph, and those beside it that the graph names: they may have its weights."""
        beside = [path for path in self.path.parent.iterdir() if path.is_file() and path.suffix not in NO_WEIGHTS]
        with self.path.open("rb") as handle, mmap(handle.fileno(), 0, access=ACCESS_READ) as graph:
            return [self.path, *sorted(path for path in beside if graph.find(path.name.encode()) >= 0)]

    @property
    def num_bytes(self) -> int:
        return sum(path.stat().st_size for path in self.files)

    def content(self) -> Iterator[bytes]:
        """All bytes that decide the logits."""
        for path in self.files:
            with path.open("rb") as handle:
                while some := handle.read(BYTES_AT_ONCE):
                    yield some


def open_model(path: Path, config: PreTrainedConfig, name: str, device: str = "cpu") -> OnnxModel:
    """Open an ONNX file, which may come from any exporter.

    Args:
        name: of the model, for errors. device: `cpu`, or `cuda` with or without a number.

    Raises:
        UsageError: onnxruntime is not installed or has no such device; a file that is damaged, or whose inputs or
            outputs are not those of a text classifier with the labels of the config.
    """
    session = open_session(path, name, device)
    problem = find_problem(session, config)
    if problem:
        raise UsageError(f"MODEL {name}: {path.name} {problem}. {EXPORT_AGAIN}")
    return OnnxModel(path, config, session)


def open_session(path: Path, name: str, device: str) -> InferenceSession:
    if find_spec("onnxruntime") is None:
        raise UsageError(f"MODEL {name}: is an ONNX model, which onnxruntime runs: pip install onnxruntime")
    import onnxruntime

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads, settings.inter_op_num_threads = torch.get_num_threads(), 1
    settings.enable_mem_pattern = False  # onnxruntime keeps one pattern per shape of a batch, for ever
    settings.log_severity_level = 3  # errors
    try:
        return onnxruntime.InferenceSession(str(path), settings, providers=providers_of(device))
    except UsageError:
        raise
    except Exception as error:  # its classes have no base of their own
        raise UsageError(f"MODEL {name}: {path.name} does not load: {first_line(error)} {EXPORT_AGAIN}") from error


def providers_of(device: str) -> list[str | tuple[str, dict[str, str]]]:
    """What runs the graph on a device; raises a UsageError where this onnxruntime has nothing for it."""
    import onnxruntime

    kind, _, number = device.partition(":")
    if kind == "cpu":
        return ["CPUExecutionProvider"]
    provider = f"{kind.upper()}ExecutionProvider"
    if kind != "cuda" or provider not in onnxruntime.get_available_providers():
        raise UsageError(f"device {device}: this onnxruntime does not have it. Pass cpu, or leave it out.")
    return [(provider, {"device_id": number or "0"}), "CPUExecutionProvider"]


def find_problem(session: InferenceSession, config: PreTrainedConfig) -> str:
    """What keeps a graph from being used, in words that follow its name; "" for nothing."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    names = [each.name for each in inputs]
    if unknown := [name for name in names if name not in KNOWN_INPUTS]:
        return f"has the inputs {join_first(unknown)}, and only {join_first(KNOWN_INPUTS)} can be given"
    for name, consequence in NEEDED_INPUTS.items():
        if name not in names:
            return f"has no input {name}, {consequence}"
    for each in inputs:
        if each.type not in INTEGERS:
            return f"has the input {each.name} of type {each.type}, not int64"
        if len(each.shape) != 2 or any(isinstance(size, int) for size in each.shape):
            return f"reads batches of a fixed shape, {each.name} {each.shape}"
    logits = next((each for each in outputs if each.name == LOGITS), None)
    if logits is None:
        return f"has no output {LOGITS}, but {join_first(each.name for each in outputs)}"
    labels = config.num_labels
    if len(logits.shape) != 2 or (isinstance(logits.shape[1], int) and logits.shape[1] != labels):
        return f"gives {logits.name} {logits.shape}, not one logit for each of the {labels} labels in config.json"
    return ""
