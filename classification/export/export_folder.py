"""A trained model -> a folder for ONNX Runtime with the same answers, checked on real rows before it is kept."""

from __future__ import annotations

import copy
import shlex
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import PreTrainedConfig, PreTrainedModel

from classification.data.labels import LabelSpace
from classification.data.saved_temperatures import FOLDED, KEY
from classification.data.statistics_format import FILE as STATISTICS
from classification.errors import UsageError
from classification.export.check_rows import CheckRows, read_check_rows
from classification.export.export_card import CARD, ExportFacts, write_card, write_record
from classification.export.export_parity import check_parity, compare, describe_doubts, wanted_agreement
from classification.export.export_target import check_target, put_in_place, staged
from classification.export.onnx_graph import (
    SavedOutputs,
    check_libraries,
    export_graph,
    input_names,
    weight_bytes,
)
from classification.export.onnx_variants import FP32, INT8, make_variant
from classification.inference.classifier import Classifier
from classification.inference.data_statistics import find_statistics
from classification.inference.onnx_folder import PLACES, find_onnx
from classification.inference.onnx_model import OnnxModel
from classification.inference.saved_classifier import load_saved, words_of_prediction
from classification.messages.log import Line, log_lines, warning
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import find_file
from classification.models.kernels.machine import int8_can_overflow
from classification.models.loading import load_config
from classification.models.regression_head import saved_scale
from classification.models.tokenization import longest_input

GRAPH = PLACES[0]
OF_THE_MACHINE = ("auto_map", "_name_or_path")  # fields of a config that mean files which do not travel along
LEFT_IN_FP32 = 0.4  # of the size in fp32; an int8 file above it still has large weights in fp32


@dataclass(frozen=True)
class ExportRequest:
    """What to export.

    Args:
        out: the folder that is made. variant: `fp32`, `fp16` or `int8`.
        check_file: rows to compare on; None for the predictions in the model's folder.
        text_columns, label_column: of this file, as named by the user; None to find them.
        rows: how many at most. min_agreement: share that must agree; None for the usual one.
        overwrite: replace a folder that an earlier export has made.
    """

    choice: ModelChoice
    out: Path
    variant: str = FP32
    check_file: str | None = None
    text_columns: str | None = None
    label_column: str | None = None
    rows: int = 500
    min_agreement: float | None = None
    overwrite: bool = False


def export_model(request: ExportRequest) -> dict[str, Any]:
    """Export, compare and keep, or keep nothing.

    Returns:
        The content of export.json.

    Raises:
        UsageError: the model, the rows or the folder do not allow it, or too few answers agree.
    """
    check_target(request.out, overwrite=request.overwrite)
    check_libraries()
    choice = request.choice
    with words_of_prediction():
        config = load_config(choice)
    if find_onnx(choice):
        raise UsageError(f"MODEL {choice.name}: is an ONNX model already. Pass the folder of the trained model.")
    scale = saved_scale(config)  # loading the model changes its config
    model, lines = load_saved(choice, precision=FP32, device="cpu")
    log_lines(lines, title="model")
    assert isinstance(model.model, PreTrainedModel)
    statistics = find_statistics(choice)
    rows = read_check_rows(
        choice, model.task, statistics, request.check_file, request.text_columns, request.rows,
        label_column=request.label_column,
    )  # fmt: skip
    log_lines([Line("rows", f"{len(rows.texts)} of {rows.source}")], title="export")
    with staged(request.out) as staging:
        fill(staging, request, model, scale)
        facts = compare_both(staging, request, model, rows)
        log_lines(facts.lines())
        check_parity(facts.parity, rows, request.variant, request.min_agreement)
        log_lines([*describe_size(facts), *describe_doubts(facts.parity)])
        write_card(staging, facts, find_file(choice, CARD))
        record = write_record(staging, facts)
        put_in_place(staging, request.out, overwrite=request.overwrite)
    log_lines([Line("folder", f"{request.out}: python predict.py {shlex.quote(str(request.out))} INPUT")])
    return record


def fill(staging: Path, request: ExportRequest, model: Classifier, scale: tuple[float, float] | None) -> None:
    """Write graph, config, tokenizer and statistics.

    Args:
        scale: standard deviation and mean of the labels, where the saved model predicts numbers in their units.
    """
    torch_model, tokenizer = model.model, model.tokenizer
    assert isinstance(torch_model, PreTrainedModel)
    outputs = SavedOutputs(torch_model, input_names(torch_model, tokenizer), *output_scale(model.task, scale))
    saved_config(torch_model.config, model.task, scale).save_pretrained(staging)
    tokenizer.save_pretrained(staging)
    if (path := find_file(request.choice, STATISTICS)) and path.is_file():
        shutil.copyfile(path, staging / STATISTICS)
    write_graph(outputs, request.variant, staging, model)


def compare_both(staging: Path, request: ExportRequest, model: Classifier, rows: CheckRows) -> ExportFacts:
    """Compare the model with what loads from the folder."""
    export, _ = load_saved(ModelChoice(str(staging)), device="cpu")
    assert isinstance(export.model, OnnxModel) and isinstance(model.model, PreTrainedModel)
    is_hub = not Path(request.choice.name).exists()
    return ExportFacts(
        variant=request.variant,
        source=request.choice.name if is_hub else Path(request.choice.name).resolve().name,
        hub_name=request.choice.name if is_hub else None,
        task=model.task.describe(),
        longest_input=longest_input(model.model, model.tokenizer),
        reduced_range=request.variant == INT8 and int8_can_overflow(),
        sizes=(weight_bytes(model.model), export.model.num_bytes),
        has_numbers=model.task.output_scale is not None,
        parity=compare(model, export, rows),
        min_agreement=wanted_agreement(request.variant, request.min_agreement),
    )


def write_graph(outputs: SavedOutputs, variant: str, staging: Path, model: Classifier) -> None:
    if variant == FP32:
        export_graph(outputs, model.tokenizer, staging / GRAPH, model.name)
        return
    with tempfile.TemporaryDirectory(prefix=".fp32-", dir=staging) as folder:
        source = Path(folder) / GRAPH
        export_graph(outputs, model.tokenizer, source, model.name)
        make_variant(variant, source, staging / GRAPH)


def output_scale(
    task: LabelSpace, scale: tuple[float, float] | None
) -> tuple[torch.Tensor | None, torch.Tensor | None]:
    """Factor and summand of the graph's outputs: calibrated logits, or numbers in their own units."""
    if scale is not None:
        return torch.tensor([scale[0]], dtype=torch.float32), torch.tensor([scale[1]], dtype=torch.float32)
    return (1 / torch.tensor(task.temperatures, dtype=torch.float32), None) if task.temperatures else (None, None)


def saved_config(config: PreTrainedConfig, task: LabelSpace, scale: tuple[float, float] | None) -> PreTrainedConfig:
    """The config of the export: it says that the outputs are calibrated, or in the units of the labels."""
    saved = copy.deepcopy(config)
    if scale is not None:
        saved.label_own_units = True
    if task.temperatures:
        saved.calibration = {**getattr(saved, KEY, {}), FOLDED: True}
    for name in OF_THE_MACHINE:
        if hasattr(saved, name):
            delattr(saved, name)
    return saved


def describe_size(facts: ExportFacts) -> list[Line]:
    """A warning where int8 has hardly made the files smaller."""
    before, after = facts.sizes
    if facts.variant != INT8 or after <= LEFT_IN_FP32 * before or before < 1e6:
        return []
    return [warning(f"int8 files have {after / before:.0%} of the size in fp32: some weights could not be converted")]
