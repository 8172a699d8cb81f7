"""What a run has decided by its hardware: stored in each checkpoint and in run.json, and used again when it resumes."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from transformers import PreTrainedModel, TrainingArguments

from classification.training.finished_run import finished_run
from classification.training.run_state import read_run_state


def run_decisions(device: str, precision: str, model: PreTrainedModel, args: TrainingArguments) -> dict[str, object]:
    """Device, number format, attention implementation, TF32 and compilation, as plain JSON."""
    return {
        "device": device,
        "precision": precision,
        "attention": getattr(model.base_model.config, "_attn_implementation", None),
        "tf32": bool(args.tf32),
        "torch_compile": args.torch_compile,
    }


def stored_facts(checkpoint: str | None, output_dir: Path) -> Mapping[str, object]:
    """What a checkpoint, or else the finished run in `output_dir`, holds about its run; empty where neither has any.

    The names are `fingerprint`, `decisions`, `resumed_anyway`, and `environment` of a checkpoint.
    """
    facts = finished_run(output_dir) if checkpoint is None else read_run_state(checkpoint).get("facts", {})
    return {
        name: facts[name] for name in ("fingerprint", "decisions", "resumed_anyway", "environment") if name in facts
    }


def stored_decisions(checkpoint: str | None, output_dir: Path, *, resumes: bool) -> Mapping[str, object]:
    """The decisions of the run that is continued; empty for a run that begins."""
    decisions = stored_facts(checkpoint, output_dir).get("decisions", {}) if resumes else {}
    return decisions if isinstance(decisions, Mapping) else {}
