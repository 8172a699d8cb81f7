"""Runs of the first version, which recorded no fingerprint: what is known of them, and whether one is finished."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path

import torch
from datasets import Dataset, DatasetDict
from safetensors import safe_open
from transformers import PreTrainedConfig

from classification.data.fingerprints import fingerprint
from classification.data.tasks import task_from_config
from classification.errors import UsageError
from classification.training.run_fingerprint import (
    LABELS,
    PARAMETERS,
    STEPS,
    TASK,
    Fingerprint,
    describe_labels,
    describe_shapes,
)
from classification.training.unsealed_checkpoint import WEIGHTS

RESULTS = {"train": "train_loss", "eval": "eval_samples", "predict": "test_samples"}  # a metric of each phase
ADDED = ("baselines", "suspect_labels", "metric_name", "tune_thresholds", "thresholds", "lora_merge")
NEW_RULES = ("target_precision", "target_recall", "costs")  # flags that the first version did not have


def what_is_known(checkpoint: str, new: Fingerprint, shapes: Mapping[str, tuple[int, ...]]) -> Fingerprint:
    """Of a checkpoint without a fingerprint, what its other files tell, in the form of `new`.

    Args:
        shapes: of this run's weights, by name.
    """
    folder = Path(checkpoint)
    state = json.loads((folder / "trainer_state.json").read_text(encoding="utf-8"))
    known: Fingerprint = {STEPS: state.get("max_steps"), "--per_device_train_batch_size": state.get("train_batch_size")}
    epochs, given = state.get("num_train_epochs"), new.get("--num_train_epochs")
    if isinstance(given, int | float):
        known["--num_train_epochs"] = given if math.ceil(given) == epochs else epochs
    known = {name: value for name, value in known.items() if value is not None}
    return known | labels_of(folder) | rates_of(folder) | shapes_of(folder, new, shapes)


def labels_of(folder: Path) -> Fingerprint:
    file = folder / "config.json"
    if not file.is_file():
        return {}
    try:
        task = task_from_config(PreTrainedConfig.from_dict(json.loads(file.read_text(encoding="utf-8"))))
    except (UsageError, ValueError, KeyError, TypeError, AttributeError):
        return {}
    return {TASK: task.problem_type, LABELS: describe_labels(task)}


def rates_of(folder: Path) -> Fingerprint:
    """The learning rate, which a resumed run would take from the schedule's state."""
    try:
        rates = set(torch.load(folder / "scheduler.pt", weights_only=True)["base_lrs"])
    except Exception:  # a schedule without such rates, or a file that another check refuses
        return {}
    return {"--learning_rate": rates.pop()} if len(rates) == 1 else {}


def shapes_of(folder: Path, new: Fingerprint, shapes: Mapping[str, tuple[int, ...]]) -> Fingerprint:
    """The parameters: those of `new`, unless a shape in the file of weights is another one."""
    file = next((folder / name for name in WEIGHTS if (folder / name).is_file()), None)
    if file is None:
        return {}
    with safe_open(file, "pt") as weights:
        saved = {name: tuple(weights.get_slice(name).get_shape()) for name in weights.keys()}  # noqa: SIM118
    differ = any(saved[name] != shapes[name] for name in saved.keys() & shapes.keys())
    return {PARAMETERS: describe_shapes(saved) if differ else new[PARAMETERS]}


def was_finished(folder: Path, splits: DatasetDict, phases: Collection[str], flags: Mapping[str, object]) -> bool:
    """Whether a folder has all results of a run of the first version with these splits, phases and flags."""
    try:
        record = json.loads((folder / "run.json").read_text(encoding="utf-8"))
        results, data, arguments = record["results"], record["data"], record["arguments"]
        is_old = "fingerprint" not in record and "asked" not in record
        wanted = [RESULTS[phase] for phase in phases if phase != "predict" or "test" in splits]
        return (
            is_old
            and (folder / "all_results.json").is_file()
            and all(name in results for name in wanted)
            and all(arguments.get(name) == flags.get(name) for name in ADDED if name in arguments)
            and not any(flags.get(name) for name in NEW_RULES)
            and data.keys() == splits.keys()
            and all(data[name]["fingerprint"] in (fingerprint(rows), first_hash(rows)) for name, rows in splits.items())
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return False


def first_hash(data: Dataset) -> str:
    """The hash of texts and labels that run.json of the first version has."""
    digest = hashlib.blake2b(digest_size=16)
    for column in ("text", "text_pair", "label"):
        if column in data.column_names:
            digest.update(f"\x1d{column}".encode())
            for batch in data.select_columns([column]).iter(1000):
                digest.update("".join(f"{value}\x1e" for value in batch[column]).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()
