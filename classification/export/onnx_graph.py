"""A trained classifier as an ONNX graph: any number of texts of any length in, the logits of its saved files out."""

from __future__ import annotations

import logging
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from inspect import signature
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.export import Dim
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from classification.errors import UsageError, first_line
from classification.inference.padded_engine import ENCODED, random_rows

# B texts, T tokens, C labels.

LIBRARIES = ("onnx", "onnxscript", "onnxruntime")
LOGITS, BATCH, TOKENS = "logits", "batch", "tokens"
LARGEST = 2_000_000_000  # bytes of weights inside the file; a protocol buffer ends at 2 GiB
EXAMPLES, SHORTER = 3, 19  # rows of the trace, and the tokens of the last one


class SavedOutputs(nn.Module):
    """Gives what the model's own files give: `logits * scale + shift`.

    Args:
        names: of the inputs, in their order. scale, shift: [C] or [1]; None for the logits as they are.
    """

    def __init__(
        self, model: PreTrainedModel, names: Sequence[str], scale: torch.Tensor | None, shift: torch.Tensor | None
    ) -> None:
        super().__init__()
        self.model, self.names = model, tuple(names)
        self.register_buffer("scale", scale)
        self.register_buffer("shift", shift)
        accepted = signature(model.forward).parameters
        self.constants: dict[str, bool] = {"return_dict": True}
        if "use_cache" in accepted:
            self.constants["use_cache"] = False

    def forward(self, *values: torch.Tensor) -> torch.Tensor:
        """Token ids, mask and segments [B, T] -> float32 [B, C]."""
        logits = self.model(**dict(zip(self.names, values, strict=True)), **self.constants).logits.float()
        logits = logits if self.scale is None else logits * self.scale
        return logits if self.shift is None else logits + self.shift


def check_libraries() -> None:
    """Raise a UsageError for a library that exporting needs."""
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"{' and '.join(missing)}: needed to export, and not installed: pip install {' '.join(missing)}"
        )


def input_names(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """What the graph reads: of the usual inputs those that the model uses and the tokenizer gives."""
    accepted = signature(model.forward).parameters
    given = {*tokenizer.model_input_names, "attention_mask"}
    if not getattr(model.config.get_text_config(), "type_vocab_size", 1):  # DeBERTa ignores segments
        given.discard("token_type_ids")
    return [name for name in ENCODED if name in accepted and name in given]


def export_graph(
    outputs: SavedOutputs, tokenizer: PreTrainedTokenizerBase, path: Path, name: str, *, largest: int = LARGEST
) -> None:
    """Write the graph with its weights; above `largest` bytes they are in a file beside it.

    Args:
        name: of the model, for errors.

    Raises:
        UsageError: the model cannot be exported; says why.
    """
    if problem := why_not_exported(outputs.model):
        raise cannot_export(name, problem)
    values = example(outputs, tokenizer)
    shapes = tuple({0: Dim.DYNAMIC, 1: Dim.DYNAMIC} for _ in values)
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                outputs.eval(), values, dynamo=True, dynamic_shapes=(shapes,), input_names=list(outputs.names),
                output_names=[LOGITS], verbose=False, external_data=False,
            )  # fmt: skip
    except Exception as error:  # of any step of the exporter
        raise cannot_export(name, reason_of(error)) from error
    assert program is not None
    share_weights(program.model)
    program.save(str(path), external_data=weight_bytes(outputs.model) > largest)
    tidy(path)


def why_not_exported(model: PreTrainedModel) -> str:
    """Why a model has no graph for texts of any length, "" where it may have one."""
    if any(isinstance(module, nn.RNNBase) for module in model.modules()):
        return "the exporter writes an LSTM token by token, so that its graph has one length only"
    return ""


def cannot_export(name: str, problem: str) -> UsageError:
    return UsageError(
        f"MODEL {name}: cannot be exported to ONNX: {problem.rstrip('.')}. Use the folder itself with predict.py."
    )


def reason_of(error: BaseException) -> str:
    """The innermost cause, in one line: the exporter wraps it several times."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {first_line(error)}" if isinstance(error, Exception) else str(error)


def example(outputs: SavedOutputs, tokenizer: PreTrainedTokenizerBase) -> tuple[torch.Tensor, ...]:
    """Rows of random tokens, one of them padded: the graph must depend on the mask."""
    rows = random_rows(outputs.model, tokenizer, outputs.names)[:EXAMPLES]
    length = len(rows[0]["input_ids"]) if rows else SHORTER
    batch = {name: torch.zeros((EXAMPLES, length), dtype=torch.long) for name in outputs.names}
    batch["attention_mask"] = torch.ones((EXAMPLES, length), dtype=torch.long)
    for place, row in enumerate(rows):
        batch["input_ids"][place] = torch.tensor(row["input_ids"])
    end = min(SHORTER, length - 1)
    batch["attention_mask"][-1, end:] = 0
    batch["input_ids"][-1, end:] = tokenizer.pad_token_id or 0
    if "token_type_ids" in batch:
        batch["token_type_ids"][0, length // 2 :] = 1
    return tuple(batch[name] for name in outputs.names)


def weight_bytes(model: PreTrainedModel) -> int:
    """Bytes of the weights, each tensor once."""
    tensors = {tensor.data_ptr(): tensor.nbytes for tensor in model.state_dict().values() if tensor.numel()}
    return sum(tensors.values())


def share_weights(model: Any) -> None:
    """Keep equal weights once: of layers that share theirs (ALBERT), the exporter writes a copy for each."""
    from onnx_ir.passes.common import DeduplicateInitializersPass

    DeduplicateInitializersPass(size_limit=LARGEST)(model)


def tidy(path: Path) -> None:
    """Name the free sizes of the graph, and remove what it says about the machine of the export."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    graph = model.graph
    names: dict[str, str] = {}
    for value in graph.input:
        for dim, ours in zip(value.type.tensor_type.shape.dim, (BATCH, TOKENS), strict=True):
            names[dim.dim_param] = ours
    for value in (*graph.input, *graph.output, *graph.value_info):
        del value.metadata_props[:]
        for dim in value.type.tensor_type.shape.dim:
            if dim.HasField("dim_param"):
                dim.dim_param = re.sub(r"\w+", lambda match: names.get(match.group(), match.group()), dim.dim_param)
    for part in (model, graph, *graph.node, *graph.initializer, *model.functions):
        del part.metadata_props[:]
        part.ClearField("doc_string")
    onnx.save(model, str(path))


@contextmanager
def quiet() -> Iterator[None]:
    """Inside, libraries neither warn nor log: what they say is about their own code."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def last_nodes(model: Any) -> list[str]:
    """The names of the nodes of the head: its last product and what follows it."""
    makers = {output: node for node in model.graph.node for output in node.output}
    found: list[str] = []
    waiting = [model.graph.output[0].name]
    while waiting and (node := makers.get(waiting.pop())) is not None:
        found.append(node.name)
        if node.op_type not in ("Gemm", "MatMul", "Constant"):
            waiting += [name for name in node.input if name in makers][:1]
    return found
