"""What a run leaves beside the model: predictions.csv, all_results.json and run.json."""

from __future__ import annotations

import csv
import json
import math
import platform
import subprocess
import sys
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

import numpy as np
from datasets import Dataset

from classification.data.labels import LabelSpace
from classification.data.splitting import text_columns
from classification.evaluation import decisions
from classification.files import replacing
from data_utils import fingerprint

SECRETS = ("token", "hub_token", "push_to_hub_token")
LIBRARIES = (
    "torch", "transformers", "datasets", "accelerate", "evaluate", "peft", "scikit-learn", "numpy", "matplotlib",
)  # fmt: skip


@dataclass
class Predictions:
    """The rows of a split and what was computed for each: logits [B, C], the tokens that the model read [B], and the
    tokens of the whole text [B]."""

    rows: Dataset
    logits: np.ndarray
    tokens: np.ndarray
    full_tokens: np.ndarray

    @property
    def truncated(self) -> np.ndarray:
        """Whether each text was cut, bool [B]."""
        return self.full_tokens > self.tokens


def write_predictions(path: Path, predictions: Predictions, labels: LabelSpace) -> None:
    """`id, text[, text_pair], label, prediction, prob_<name>..., tokens, truncated`: one row a row, in their order."""
    rows, logits = predictions.rows, predictions.logits
    decided = decisions.decide(logits, labels)
    texts = text_columns(rows)
    scores = [] if labels.is_regression else decisions.probabilities(logits, labels)
    header = ["id", *texts, "label", "prediction", *(f"prob_{name}" for name in labels.names if len(scores))]
    given = rows["label"][:] if "label" in rows.column_names else [None] * len(rows)
    with replacing(path) as handle:
        writer = csv.writer(handle)
        writer.writerow([*header, "tokens", "truncated"])
        contents = zip(*(rows[name] for name in ("id", *texts)), strict=True)
        for row, content in enumerate(contents):
            cells = [labels.decode(given[row]), labels.decode(decided[row])]
            cells += [f"{value:.6f}" for value in scores[row]] if len(scores) else []
            writer.writerow([*content, *cells, int(predictions.tokens[row]), bool(predictions.truncated[row])])


def write_json(path: Path, content: dict) -> None:
    """Write whole or not at all; numbers that JSON lacks (nan, inf) become null."""
    with replacing(path) as handle:
        handle.write(json.dumps(_plain(content), indent=2, ensure_ascii=False) + "\n")


def _plain(value):
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, str | int | float | bool | None) else str(value)


def redact(arguments: dict) -> dict:
    """The arguments, nested ones too, with tokens and secrets replaced by `<redacted>`."""
    return {
        name: redact(value) if isinstance(value, dict) else "<redacted>" if name in SECRETS and value else value
        for name, value in arguments.items()
    }


def redact_command(argv: list[str]) -> list[str]:
    """The command line with the values of secret flags replaced, in both spellings (`--token X`, `--token=X`)."""
    shown, hide = [], False
    for word in argv:
        name, equals, _ = word.partition("=")
        secret = name.startswith("--") and name[2:].replace("-", "_") in SECRETS
        shown.append("<redacted>" if hide else f"{name}=<redacted>" if secret and equals else word)
        hide = secret and not equals
    return shown


def write_run(run) -> None:
    """Write all_results.json, run.json and the plots of a `run_classification.Run`."""
    if not run.trainer.is_world_process_zero():
        return
    from classification.reporting.plots import (
        draw,  # matplotlib loads in a third of a second: not before the first step
    )

    folder = run.settings.output_dir
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "all_results.json", run.results)
    write_json(folder / "run.json", account_of_run(run))
    draw(folder, run.results, run.trainer.epoch_lines.epochs, run.labels)


def account_of_run(run) -> dict:
    """What run.json holds: what was asked for and decided, what the run read and found, how it went."""
    settings, args, state = run.settings, run.trainer.args, run.trainer.state
    return account(
        settings.argv,
        settings.as_dict() | {"trainer": args.to_dict()},
        data={split: {"rows": len(rows), "fingerprint": fingerprint(rows)} for split, rows in run.splits.items()},
        labels=run.labels.names,
        tokens=run.tokens,
        findings=[finding.as_dict() for finding in run.findings],
        seeds={"seed": args.seed, "data_seed": args.data_seed, "shuffle_seed": settings.data.shuffle_seed},
        seconds=run.seconds,
        throughput=run.throughput,
        baselines={name: result.as_dict() for name, result in run.baselines.items()},
        comparison=run.comparison,
        epochs=run.trainer.epoch_lines.epochs,
        results=run.results,
        best_step=state.best_global_step,
        best_metric=state.best_metric,
        log_history=state.log_history,
    )


def account(argv: list[str], arguments: dict, **facts) -> dict:
    """The command and arguments without secrets, the environment, and `facts`."""
    return {
        "command": ["run_classification.py", *redact_command(argv)],
        "arguments": redact(arguments),
        **environment(),
        **facts,
    }


def environment() -> dict:
    """Library versions, machine and git commit: what someone needs to run it again."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "versions": {name: version(name) for name in LIBRARIES},
        "git_commit": git_commit(),
    }


def git_commit() -> str | None:
    """The commit of this code, marked `-dirty` where files differ from it; None outside a checkout or without git."""
    command = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
