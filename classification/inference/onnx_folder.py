"""A folder or a repository with an ONNX model in the place of safetensors: how it is found and loaded."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import PreTrainedConfig, PreTrainedTokenizerBase

from classification.data.labels import LabelSpace
from classification.data.truncation import Truncation
from classification.errors import UsageError, join_first
from classification.inference.classifier import Classifier
from classification.inference.onnx_engine import OnnxEngine
from classification.inference.onnx_model import open_model
from classification.messages.log import Line, log_lines, warning
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import find_file
from classification.models.kernels.machine import int8_can_overflow
from classification.models.tokenization import (
    DEFAULT_LENGTH,
    UNBOUNDED,
    check_length,
    check_room,
    fit_pad_token,
    load_tokenizer,
    set_side,
)

ENDING = ".onnx"
PLACES = ("model.onnx", "onnx/model.onnx")
WEIGHTS_BESIDE = (".data", "_data")  # what exporters append to the name of the graph for weights above 2 GB
WEIGHTS = ("model.safetensors", "model.safetensors.index.json", "adapter_config.json")
RECORD = "export.json"
OVERFLOW = (
    "int8: this CPU has no VNNI instructions, and the CPU of the export has. Products of 8-bit weights can overflow "
    "here, and answers can be wrong. Export the model on this machine"
)
# The position table of these begins behind the pad token.
COUNTED_FROM_PAD = {
    "camembert", "data2vec-text", "ibert", "longformer", "luke", "mpnet", "roberta", "roberta-prelayernorm",
    "xlm-roberta", "xlm-roberta-xl", "xmod",
}  # fmt: skip


def find_onnx(choice: ModelChoice) -> Path | None:
    """The ONNX file of a model; None for a model with safetensors, which come first, and for one without both.

    Raises:
        UsageError: several files, none of which has a usual name; or the file is named, not its folder.
    """
    folder = Path(choice.name)
    if folder.is_file() and folder.suffix == ENDING:
        raise UsageError(f"MODEL {choice.name}: is a file. Pass its folder: {folder.parent}")
    if folder.is_dir():
        return None if any((folder / name).is_file() for name in WEIGHTS) else find_in(folder, choice.name)
    if choice.from_scratch or any(find_file(choice, name) for name in WEIGHTS):
        return None
    for place in PLACES:
        if found := find_file(choice, place):
            for end in WEIGHTS_BESIDE:
                find_file(choice, place + end)
            return found
    return None


def find_in(folder: Path, name: str) -> Path | None:
    for place in PLACES:
        if (folder / place).is_file():
            return folder / place
    others = sorted(path for part in (folder, folder / "onnx") for path in part.glob(f"*{ENDING}"))
    if len(others) > 1:
        names = join_first(path.relative_to(folder) for path in others)
        raise UsageError(f"MODEL {name}: has several ONNX models ({names}). Rename the one you mean to {PLACES[0]}.")
    return others[0] if others else None


def load_onnx(
    choice: ModelChoice, path: Path, config: PreTrainedConfig, task: LabelSpace, *, precision: str, variant: str,
    device: str | None, batch_tokens: int | None,
) -> tuple[Classifier, list[Line]]:  # fmt: skip
    """The classifier of an ONNX file; no torch model is made.

    Args:
        precision, variant: as for `load_saved`; only what the file has.

    Raises:
        UsageError: a number format or a device that the file cannot have, or as from `open_model`.
    """
    record = read_record(path.parent)
    own = str(record.get("variant", ""))
    check_format(own, precision, variant)
    if own == "int8" and record.get("reduced_range") is False and int8_can_overflow():
        log_lines([warning(OVERFLOW)])
    model = open_model(path, config, choice.name, device or "cpu")
    tokenizer = load_tokenizer(choice.tokenizer_name or choice.name, choice.hub)
    truncation = Truncation.choose(choice.truncation_strategy, choice.window_stride, trained=config)
    fit_saved_tokenizer(tokenizer, config, choice.max_length, truncation, record)
    check_room(tokenizer, truncation, pairs=False)
    engine = OnnxEngine.make(model, tokenizer, task, batch_tokens)
    if own:
        engine.name = f"onnx {own}"
    text = f"{choice.name}: {path.name}, {model.num_bytes / 1e6:.1f} MB"
    lines = [Line("task", task.describe()), Line("model", text)]
    lines.append(Line("precision", f"{own or 'that of the graph'}, by onnxruntime on {device or 'cpu'}"))
    return Classifier(choice.name, task, tokenizer, model, truncation, engine), lines


def read_record(folder: Path) -> dict[str, Any]:
    """export.json, which `scripts/export_onnx.py` writes; empty for a file of another exporter."""
    try:
        record = json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return {}
    return record if isinstance(record, dict) and "variant" in record else {}


def check_format(own: str, precision: str, variant: str) -> None:
    """Refuse a number format other than that of the file."""
    fixed = f"an ONNX model has the number format of its export{f', {own}' if own else ''}"
    if variant != "default" and variant != own:
        raise UsageError(
            f"--variant {variant}: {fixed}. Leave the flag out, or export the trained model with "
            f"scripts/export_onnx.py --variant {variant}."
        )
    if precision not in ("auto", own):
        raise UsageError(f"--precision {precision}: {fixed}. Leave the flag out, or pass the trained model's folder.")


def fit_saved_tokenizer(
    tokenizer: PreTrainedTokenizerBase, config: PreTrainedConfig, max_length: int | None, truncation: Truncation,
    record: dict[str, Any],
) -> None:  # fmt: skip
    """Let the tokenizer pad and truncate for this model, as `fit_tokenizer` does for a torch model.

    Raises:
        UsageError: no token to pad with, or `max_length` is more than the model reads.
    """
    fit_pad_token(tokenizer, getattr(config.get_text_config(), "vocab_size", None) or UNBOUNDED)
    if getattr(config, "summary_type", None) != "last":  # XLNet
        set_side(tokenizer, "padding_side", "right")
    limit = longest_input(config, tokenizer, record)
    if max_length is None:
        max_length = min(tokenizer.model_max_length, limit or DEFAULT_LENGTH)
    check_length(max_length, limit)
    tokenizer.model_max_length = max_length
    set_side(tokenizer, "truncation_side", truncation.side)
    truncation.write_to(config)


def longest_input(config: PreTrainedConfig, tokenizer: PreTrainedTokenizerBase, record: dict[str, Any]) -> int | None:
    """How many tokens the model can read, None where nothing limits it."""
    saved = record.get("longest_input")
    if isinstance(saved, int) and not isinstance(saved, bool) and saved > 0:
        return saved
    inner = config.get_text_config()
    positions = getattr(inner, "max_position_embeddings", None)
    if positions and positions > 0:
        from_pad = inner.model_type in COUNTED_FROM_PAD and inner.pad_token_id is not None
        return positions - (inner.pad_token_id + 1 if from_pad else 0)
    return tokenizer.model_max_length if tokenizer.model_max_length < UNBOUNDED else None
