"""What a folder says about its export: README.md for people and the Hub, export.json for programs."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from classification.data.findings import quantity
from classification.export.export_parity import NUMBER_TOLERANCE, Parity
from classification.export.export_target import FILES
from classification.export.onnx_variants import FP32
from classification.inference.onnx_folder import RECORD
from classification.messages.log import Line
from classification.system.files import replacing
from classification.system.installed import installed_versions

CARD = "README.md"
PACKAGES = ("torch", "transformers", "onnx", "onnxscript", "onnxruntime")


@dataclass(frozen=True)
class ExportFacts:
    """One export.

    Args:
        variant: `fp32`, `fp16` or `int8`. source: what the model is called. hub_name: on the Hub; None for a folder.
        task: the task, described. longest_input: tokens that the model reads; None where nothing limits it.
        reduced_range: whether the int8 weights have 7 bits.
        sizes: bytes of the model's weights in fp32, and of the ONNX files. has_numbers: whether it predicts a number.
        min_agreement: share of the rows that must agree.
    """

    variant: str
    source: str
    hub_name: str | None
    task: str
    longest_input: int | None
    reduced_range: bool
    sizes: tuple[int, int]
    has_numbers: bool
    parity: Parity
    min_agreement: float

    def table(self) -> list[tuple[str, str, str]]:
        """Rows of the card: what, of the model in PyTorch, of the export."""
        parity, (before, after), (slow, fast) = self.parity, self.sizes, self.parity.rows_per_second
        near = f"the same number (within {NUMBER_TOLERANCE:g} standard deviations of the label)"
        alike = near if self.has_numbers else "the same answer"
        rows = [
            ("size", f"{before / 1e6:.1f} MB", f"{after / 1e6:.1f} MB"),
            ("rows per second", f"{slow:,.4g}", f"{fast:,.4g}"),
            (f"rows with {alike}", "", f"{parity.agreeing} of {parity.rows} ({parity.percent})"),
            ("largest difference of a logit", "", f"{parity.difference:.2g}"),
        ]
        if parity.scores is not None:
            model, export = parity.scores
            rows.append((parity.metric, f"{model:.4f}", f"{export:.4f}"))
        return rows

    def lines(self) -> list[Line]:
        """The same for the log."""
        parity, (before, after), (slow, fast) = self.parity, self.sizes, self.parity.rows_per_second
        alike = "the same number" if self.has_numbers else "the same answer"
        texts = [
            ("size", f"{before / 1e6:.1f} MB in PyTorch, {after / 1e6:.1f} MB as {self.variant}"),
            ("speed", f"{slow:,.4g} rows/s in PyTorch fp32, {fast:,.4g} rows/s as {self.variant}, by turns"),
            ("agreement", f"{parity.agreeing} of {parity.rows} rows ({parity.percent}) have {alike}"),
            ("difference", f"of logits at most {parity.difference:.2g}"),
        ]
        if parity.scores is not None:
            model, export = parity.scores
            texts.append((parity.metric[:12], f"{model:.4f} in PyTorch, {export:.4f} as {self.variant}"))
        return [Line(topic, text) for topic, text in texts]

    def record(self) -> dict[str, Any]:
        """The content of export.json."""
        parity = self.parity
        rates, sizes = parity.rows_per_second, self.sizes
        scores = None if parity.scores is None else [finite(each) for each in parity.scores]
        return {
            "format": 1,
            "variant": self.variant,
            "source": self.source,
            "longest_input": self.longest_input,
            "reduced_range": self.reduced_range,
            "versions": installed_versions(PACKAGES),
            "cpu": torch.backends.cpu.get_cpu_capability(),
            "threads": torch.get_num_threads(),
            "check": {
                "rows": parity.rows,
                "different_texts": parity.different,
                "agreeing": parity.agreeing,
                "min_agreement": self.min_agreement,
                "largest_difference": finite(parity.difference),
                "relative_difference": finite(parity.relative),
                "metric": parity.metric or None,
                "scores": scores and {"pytorch": scores[0], "onnx": scores[1]},
                "bytes": {"pytorch": sizes[0], "onnx": sizes[1]},
                "rows_per_second": {"pytorch": float(f"{rates[0]:.4g}"), "onnx": float(f"{rates[1]:.4g}")},
            },
        }


def finite(value: float) -> float | None:
    return value if np.isfinite(value) else None


def write_record(folder: Path, facts: ExportFacts) -> dict[str, Any]:
    """Write export.json, with the names of all files in the folder, and return its content."""
    record = facts.record() | {FILES: sorted({RECORD, *(path.name for path in folder.iterdir())})}
    with replacing(folder / RECORD) as handle:
        json.dump(record, handle, indent=2, allow_nan=False)
        handle.write("\n")
    return record


def write_card(folder: Path, facts: ExportFacts, old: Path | None) -> None:
    """README.md, with the metadata of the model's own card.

    Args:
        old: that card; None without one.
    """
    from huggingface_hub import ModelCardData

    metadata = new_metadata(old_metadata(old), facts)
    head = ModelCardData(**metadata, ignore_metadata_errors=True).to_yaml()
    with replacing(folder / CARD) as handle:
        handle.write(f"---\n{head.strip()}\n---\n\n{card_text(facts)}")


def old_metadata(path: Path | None) -> dict[str, Any]:
    """The YAML at the head of a card; empty where it has none, or one that cannot be read."""
    from huggingface_hub import ModelCard

    try:
        content = path.read_text(encoding="utf-8") if path is not None and path.is_file() else ""
        return ModelCard(content, ignore_metadata_errors=True).data.to_dict() if content.startswith("---") else {}
    except Exception:  # YAML has errors of many kinds, and a card is only described here
        return {}


def new_metadata(old: Mapping[str, Any], facts: ExportFacts) -> dict[str, Any]:
    """Metadata of an export: scores of the model are those of the export only in fp32."""
    kept = {name: value for name, value in old.items() if name != "model-index" or facts.variant == FP32}
    tags = kept.get("tags") or []
    added = ["onnx", *([facts.variant] if facts.variant != FP32 else [])]
    kept["tags"] = [*dict.fromkeys([*([tags] if isinstance(tags, str) else tags), *added])]
    kept |= {"library_name": "onnx", "pipeline_tag": kept.get("pipeline_tag", "text-classification")}
    if facts.hub_name:
        kept["base_model"] = facts.hub_name
    return kept


def card_text(facts: ExportFacts) -> str:
    rows = "\n".join(f"| {name} | {model} | {export} |" for name, model, export in facts.table())
    title = f"{facts.source}, ONNX {facts.variant}"
    parity, threads = facts.parity, quantity(torch.get_num_threads(), "CPU thread")
    texts = quantity(parity.rows, "row")
    if parity.different < parity.rows:
        texts += f" with {quantity(parity.different, 'different text')}"
    return f"""# {title}

A text classifier for ONNX Runtime: {facts.task}. It was exported from the PyTorch model `{facts.source}`, and compared
with it on {texts} before it was kept. Both were timed by turns on one machine, with {threads}.

| | PyTorch fp32 | ONNX {facts.variant} |
|---|--:|--:|
{rows}

`model.onnx` reads `input_ids`, `attention_mask` and, if it has this input, `token_type_ids`: any number of texts of any
length, as int64 [batch, tokens], and gives `logits`, float32 [batch, labels]. The probabilities that follow from these
logits are calibrated if the model was. `config.json` has the names of the labels and the decision rule,
`tokenizer.json` the tokenizer, and `export.json` the figures above.
"""
