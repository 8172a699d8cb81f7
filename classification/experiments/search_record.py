"""search.json: every trial of a search that has ended, in their order; what `--resume auto` goes on with."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, TypeGuard

from classification.errors import UsageError
from classification.experiments.record_files import read_record
from classification.reporting.run_record import write_json
from classification.training.resume_guard import printed

FILE = "search.json"
FORMAT = 1
COMPLETE, PRUNED, FAILED = "complete", "pruned", "failed"
FACTS = {"metric": "--metric_for_best_model", "higher": "--greater_is_better", "seed": "--seed", "space": "the space"}


@dataclass(frozen=True)
class Trial:
    """One trial that has ended.

    Args:
        number: from 1 on. settings: value by flag, None for one that is left out.
        state: complete, pruned (stopped at an evaluation, because others were better there) or failed.
        value: the metric of the search on validation, of the model that was kept; None if it failed or was pruned.
        evaluations: that metric at each evaluation.
        headline: the headline metric on validation. seconds: of the whole trial. problem: why it failed.
    """

    number: int
    settings: Mapping[str, Any]
    state: str = COMPLETE
    value: float | None = None
    evaluations: tuple[float, ...] = ()
    headline: float | None = None
    seconds: float | None = None
    problem: str = ""

    @property
    def name(self) -> str:
        return f"trial-{self.number:03d}"


@dataclass(frozen=True)
class SearchRecord:
    """A search.

    Args:
        metric: `val_loss`, or the name of the metric; higher: whether more of it is better.
        starts_with_own: whether the first trial has the command's own settings, because all of them are in the space.
        asked: how labels are decided, by flag; empty in a file of an older version.
        headline: the name of the headline metric, "" before the first trial has ended.
        seed: of the draws. space: as `Space.as_json`. data: rows and fingerprint of train and validation.
        trials: those that have ended.
    """

    metric: str
    higher: bool
    seed: int
    space: Mapping[str, Any]
    starts_with_own: bool = True
    asked: Mapping[str, Any] = field(default_factory=dict)
    headline: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)
    trials: tuple[Trial, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> SearchRecord | None:
        """The search in a folder; None where there is none.

        Raises:
            UsageError: the file is damaged.
        """

        def build(content: dict[str, Any]) -> SearchRecord:
            trials = (Trial(**{**trial, "evaluations": tuple(trial["evaluations"])}) for trial in content["trials"])
            names = ("metric", "higher", "seed", "space", "starts_with_own", "headline", "data")
            values = {name: content[name] for name in names}
            return cls(**values, asked=content.get("asked", {}), trials=tuple(trials))

        return read_record(folder, FILE, build)

    def write(self, folder: Path) -> None:
        """Write the whole file or nothing."""
        write_json(folder / FILE, self.as_json())

    def as_json(self) -> dict[str, Any]:
        """The content of the file."""
        content = json.loads(json.dumps(asdict(self)))  # a tuple becomes the list that the file has
        return {"format": FORMAT, **content, "best": self.best.name if self.best else None}

    def with_trial(self, trial: Trial) -> SearchRecord:
        return replace(self, trials=(*self.trials, trial))

    @property
    def best(self) -> Trial | None:
        """The complete trial with the best value, the first of several; None without any."""
        complete = [trial for trial in self.trials if trial.state == COMPLETE and trial.value is not None]
        sign = -1 if self.higher else 1
        return min(complete, key=lambda trial: sign * float(trial.value or 0), default=None)

    def check_same(self, new: SearchRecord, folder: Path) -> None:
        """Refuse to continue a search with another space, seed, metric or decision rule.

        Raises:
            UsageError: names the old value, the new one and the remedy.
        """
        pairs = [(flag, getattr(self, name), getattr(new, name)) for name, flag in FACTS.items()]
        names = {**self.asked, **new.asked} if self.asked else {}
        pairs += [(f"--{name}", self.asked.get(name), new.asked.get(name)) for name in names]
        for flag, old, now in pairs:
            if old != now:
                raise UsageError(
                    f"--resume auto: the search in {folder} is another one. {flag}: {in_words(old)} then, "
                    f"{in_words(now)} now. Give the old flags, or choose another --output_dir."
                )


def in_words(value: object) -> str:
    return json.dumps(value) if isinstance(value, Mapping | list) else printed(value)


def is_finite(value: object) -> TypeGuard[float]:
    return isinstance(value, int | float) and math.isfinite(value)
