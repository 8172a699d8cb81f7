"""The run.json of an earlier run as a preset: the same flags again, with the commits of then."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from pathlib import Path

from classification.cli.first_record import flags_of_first_record
from classification.cli.flags import BILSTM
from classification.errors import UsageError, first_line, join_first
from classification.messages.redaction import HIDDEN, is_secret
from classification.training.finished_run import FORMAT

MARKS = ({"format", "command"}, {"command", "arguments"})  # keys of a run.json
NEVER_REPEATED = (
    "resume", "resume_from_checkpoint", "resume_anyway", "overwrite_output_dir", "dry_run", "check_data",
    "inject_fault", "config", "debug",
)  # fmt: skip
PUSH = (
    "push_to_hub",
    "hub_token",
    "hub_model_id",
    "hub_revision",
    "hub_private_repo",
    "hub_always_push",
    "hub_strategy",
    "push_report",
)
FILES = ("train_file", "validation_file", "test_file", "unlabelled_file", "costs", "search_space")
NAMES = (  # of the Hub, or local
    "dataset_name", "model_name_or_path", "config_name", "tokenizer_name", "metric_name", "teacher",
)  # fmt: skip
SETTINGS = (  # may name a .json file
    "class_weights", "thresholds", "target_precision", "target_recall", "deepspeed", "fsdp_config",
    "accelerator_config",
)  # fmt: skip
WRITTEN = ("output_dir", "cache_dir", "logging_dir")
HUB_MODELS = ("model_name_or_path", "config_name", "tokenizer_name")
COMMIT = re.compile("[0-9a-f]{40}")


@dataclass(frozen=True)
class RecordedRun:
    """A run.json that `--config` names.

    Args:
        content: the whole of it.
        flags: what was given then, by name.
        changes: how the flags of the present command differ, one sentence each.
    """

    path: Path
    content: Mapping[str, object]
    flags: Mapping[str, object] = field(default_factory=dict)
    changes: tuple[str, ...] = ()

    @property
    def folder(self) -> Path | None:
        """The working directory of then; None where it was not recorded."""
        folder = self.content.get("working_directory")
        return Path(folder) if isinstance(folder, str) else None

    @property
    def searched(self) -> frozenset[str]:
        """The flags whose values `--search` chose."""
        search = self.content.get("search")
        space = search.get("space") if isinstance(search, dict) else None
        return frozenset(space) if isinstance(space, dict) else frozenset()

    @property
    def commits(self) -> dict[str, str]:
        """Flag -> commit of what it named on the Hub."""
        commits = self.content.get("commits")
        entries = commits.items() if isinstance(commits, dict) else ()
        return {name: commit for name, commit in entries if isinstance(commit, str) and COMMIT.fullmatch(commit)}

    def repeated(self, typed: Mapping[str, object]) -> tuple[dict[str, object], list[str]]:
        """The flags that are given again, and notes on what differs from then.

        Args:
            typed: flags of the present command line.

        Raises:
            UsageError: a value has a secret in it and is not typed again.
        """
        notes: list[str] = []
        flags = {name: value for name, value in self.flags.items() if value is not None}
        skipped = [name for name in (*NEVER_REPEATED, *PUSH) if flags.pop(name, None) not in (None, False, "", "end")]
        skipped = [name for name in skipped if name not in (*typed, "config", "debug")]
        if skipped:
            notes.append(f"not repeated: {join_first((f'--{name}' for name in skipped), 9)}")
        hidden = [name for name, value in flags.items() if HIDDEN in str(value)]
        for name in hidden:
            value = flags.pop(name)
            if name not in typed and not is_secret(name):  # without it, the run would be another one
                raise UsageError(
                    f"--config {self.path}: --{name} {value}: a secret in it was not saved. Pass --{name} again."
                )
        if missing := [name for name in hidden if name not in typed]:
            names = join_first((f"--{name}" for name in missing), 9)
            notes.append(f"left out: {names}. Secrets are not saved in run.json; pass them again where they are needed")
        for name in [name for name in flags if name not in typed]:
            flags[name], note = self.found(name, flags[name])
            notes += [note] if note else []
        notes += self.pin_model(flags, typed)
        if commit := self.dataset_commit({**flags, **typed}):
            notes.append(f"--dataset_name {self.flags['dataset_name']}: the commit of then, {commit}")
        return flags, notes

    def found(self, name: str, value: object) -> tuple[object, str | None]:
        """The path that a flag means now, and a note where it is not the one of then; other values as they are."""
        is_settings = name in SETTINGS and str(value).endswith(".json")
        is_local = name in (*FILES, *NAMES) and name not in self.commits and not str(value).startswith("{")
        if not (isinstance(value, str) and (name in WRITTEN or is_settings or is_local)):
            return value, None
        if name == "model_name_or_path" and value == BILSTM:
            return value, None
        path, then, here = Path(os.path.expanduser(value)), self.folder, Path.cwd()
        if not path.is_absolute() and then in (None, here):
            return value, None
        wanted = path if path.is_absolute() or then is None else then / path
        if name in WRITTEN:
            return (value, None) if path.is_absolute() or not (then and then.is_dir()) else (str(wanted), None)
        beside = here / (path.name if path.is_absolute() else path)
        if os.path.exists(wanted):
            return value if path.is_absolute() else str(wanted), None
        if os.path.exists(beside):
            shown = os.path.relpath(beside, here)
            return shown, f"--{name} {value}: is not in {wanted.parent}; {shown} in {here} is used"
        was_local = isinstance(files := self.content.get("files"), dict) and name in files  # not a name of the Hub
        return str(wanted) if name in FILES or is_settings or was_local else value, None

    def pin_model(self, flags: dict[str, object], typed: Mapping[str, object]) -> Iterator[str]:
        """Set `--model_revision` to the commit of then, so that a branch that has moved since makes no difference."""
        if "model_revision" in typed:
            return
        others = [name for name in HUB_MODELS if name in typed and typed[name] != self.flags.get(name)]
        if "model_name_or_path" in others or any(not os.path.exists(str(typed[name])) for name in others):
            if revision := flags.pop("model_revision", None):
                yield f"not repeated: --model_revision {revision}, it belongs to the model of then"
            return
        commits = {name: commit for name, commit in self.commits.items() if name in HUB_MODELS and name not in others}
        revision = flags.get("model_revision", "main")
        if len(set(commits.values())) > 1:
            yield "the models of then are in several repositories, so --model_revision cannot name their commits"
        elif commits and revision != next(iter(commits.values())):
            flags["model_revision"] = next(iter(commits.values()))
            yield f"--model_revision {flags['model_revision']}: the commit of then ({revision} may have moved since)"

    def dataset_commit(self, given: Mapping[str, object]) -> str | None:
        """The commit of the Hub's data set of then, where the `given` flags name the same one."""
        name = self.flags.get("dataset_name")
        return self.commits.get("dataset_name") if name and given.get("dataset_name") == name else None

    def compared(self, then: Mapping[str, object], now: Mapping[str, object]) -> RecordedRun:
        """With the changes between the values that were repeated and those that are given now."""
        changes = [
            f"--{name}: {shown(then, name)} then, {shown(now, name)} now"
            for name in {**then, **now}
            if then.get(name) != now.get(name) and name not in (*NEVER_REPEATED, *PUSH, *WRITTEN, "token")
        ]
        return replace(self, changes=tuple(changes))

    def words(self, flags: Mapping[str, object], list_flags: Set[str]) -> list[str]:
        """Flags as words of a command line, so that types and choices are checked as if they were typed."""
        words: list[str] = []
        for name, value in flags.items():
            if isinstance(value, list) and name in list_flags:
                words += [f"--{name}", *map(spelled, value)]
            elif isinstance(value, list):
                words.append(f"--{name}={','.join(map(spelled, value))}")
            else:
                words.append(f"--{name}={spelled(value)}")
        return words


def shown(values: Mapping[str, object], name: str) -> str:
    return spelled(values[name]) if name in values else "not given"


def spelled(value: object) -> str:
    """A value as it is typed."""
    if isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value).lower() if isinstance(value, bool) else str(value)


def read_recorded_run(path: Path, known: Set[str]) -> RecordedRun | None:
    """The run.json of a run; None where `path` is a preset.

    Args:
        known: names of all flags.

    Raises:
        UsageError: a damaged file, one of a newer version, or a record that no command can repeat.
    """
    path = path.expanduser()
    place = f"--config {path}"
    if path.is_dir() and (path / "run.json").is_file():
        raise UsageError(f"{place}: is a folder. To repeat its run, give the file: --config {path / 'run.json'}")
    if not path.is_file():
        if path.name == "run.json":
            raise UsageError(f"{place}: there is no such file. Give the run.json in the --output_dir of a run.")
        return None
    content = read_record(path, place)
    if content is None or not any(marks <= content.keys() for marks in MARKS):
        if content is None or path.name != "run.json" or content.keys() <= known:
            return None
        raise UsageError(f"{place}: is not the run.json of a run. Give the one in the --output_dir of a run.")
    version = content.get("format", 1)
    if not isinstance(version, int) or version > FORMAT:
        raise UsageError(
            f"{place}: was written by a newer version (format {version}; this one reads up to {FORMAT}). Update the "
            "recipe, or pass the flags under `flags` by hand."
        )
    if reason := content.get("not_repeatable"):
        raise UsageError(f"{place}: {reason}")
    flags = content.get("flags") if version > 1 else flags_of_first_record(content, place)
    check_values(flags, place)
    return RecordedRun(path, content, flags)  # type: ignore[arg-type]


def read_record(path: Path, place: str) -> dict[str, object] | None:
    """The JSON object in a file; None where a file of another name than run.json is none.

    Raises:
        UsageError: run.json is no JSON object.
    """
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError) as error:
        if path.name != "run.json":
            return None
        reason = first_line(error) if not isinstance(error, RecursionError) else "it is nested too deep."
        raise UsageError(
            f"{place}: cannot be read as JSON: {reason} Take it from a copy, or pass the flags."
        ) from error
    if not isinstance(content, dict) and path.name == "run.json":
        raise UsageError(f"{place}: is not the run.json of a run. Give the one in the --output_dir of a run.")
    return content if isinstance(content, dict) else None


def check_values(flags: object, place: str) -> None:
    """Raise a UsageError for flags that are no mapping of names to values."""
    if not isinstance(flags, dict) or not flags:
        raise UsageError(
            f"{place}: has no `flags`, so nothing can be repeated. Take it from a copy, or pass the flags."
        )
    for name, value in flags.items():
        parts = value if isinstance(value, list) else [value]
        if any(isinstance(part, list | dict) and not isinstance(value, dict) for part in parts):
            raise UsageError(f"{place}: flags: {name}: must be a single value or a list. Correct it there.")
