"""The command line as typed values, before its flags are turned into what the stages of the work read."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from types import MappingProxyType
from typing import TYPE_CHECKING

from arguments import DataArguments, ModelArguments, ObjectiveArguments, RunArguments

if TYPE_CHECKING:
    from classification.cli.recorded_run import RecordedRun

BILSTM = "bilstm"  # creates a new LSTM with random weights


class TrainerFlags(Mapping[str, object]):
    """Values for `TrainingArguments` by name, read with their types."""

    def __init__(self, values: Mapping[str, object]):
        self._values = MappingProxyType(dict(values))

    def __getitem__(self, name: str) -> object:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def number(self, name: str, default: float = 0.0) -> float:
        value = self._values.get(name)
        return default if value is None else float(value)  # type: ignore[arg-type]

    def text(self, name: str) -> str:
        return str(self._values.get(name) or "")

    def is_on(self, name: str) -> bool:
        return bool(self._values.get(name))

    def replaced(self, **changes: object) -> TrainerFlags:
        return TrainerFlags({**self._values, **changes})

    def without(self, names: set[str] | frozenset[str]) -> TrainerFlags:
        return TrainerFlags({name: value for name, value in self._values.items() if name not in names})


@dataclass(frozen=True)
class Flags:
    """The command line and preset with the defaults filled in.

    Args:
        given: names of the flags that the command line or the preset gave.
        typed: names of those that the command line gave; of a repeated run, those that its search did not choose too.
        notes: what was translated or decided, one sentence each.
        values: what the command line or the preset gave, for run.json.
        repeats: the earlier run that `--config` names, where it is no preset.
    """

    data: DataArguments
    model: ModelArguments
    objective: ObjectiveArguments
    run: RunArguments
    trainer: TrainerFlags
    given: frozenset[str]
    argv: tuple[str, ...]
    notes: tuple[str, ...] = field(default=())
    values: Mapping[str, object] = field(default_factory=dict)
    repeats: RecordedRun | None = None
    typed: frozenset[str] = frozenset()

    @property
    def files(self) -> dict[str, str]:
        paths = {"train": self.data.train_file, "validation": self.data.validation_file, "test": self.data.test_file}
        return {split: path for split, path in paths.items() if path}

    @property
    def study(self) -> str | None:
        """`seeds` or `folds`, where one command trains several times."""
        return next((name for name in ("seeds", "folds") if getattr(self.run, name) is not None), None)

    @property
    def from_scratch(self) -> bool:
        """Whether the model is made here, wherever the command runs; the folder of that name is `./bilstm`."""
        return self.model.model_name_or_path == BILSTM

    def includes(self, phase: str) -> bool:
        """Whether `--do_train`, `--do_eval` or `--do_predict` was given; without any of them, all are included."""
        phases = {name for name in ("do_train", "do_eval", "do_predict") if self.trainer.is_on(name)}
        return not phases or f"do_{phase}" in phases

    def as_typed(self) -> dict[str, object]:
        """Every flag of this recipe and its value."""
        groups = (self.data, self.model, self.objective, self.run)
        return {f.name: getattr(group, f.name) for group in groups for f in fields(group)}


def comma_separated(text: str | None) -> tuple[str, ...]:
    """`"a, b"` -> `("a", "b")`, the form of every comma-separated flag."""
    return tuple(part.strip() for part in (text or "").split(",") if part.strip())
