"""What run.json records of a run's inputs, and how a repeated run (`--config OUT/run.json`) compares with then."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from classification.cli.options import Options
from classification.cli.recorded_run import RecordedRun
from classification.data.hub_access import cached_commit
from classification.messages.log import Line, log_lines
from classification.models.adapters import base_of_adapter, choose_base
from classification.reporting.data_digests import Digest, digest_data, digest_file, digest_model, digest_outputs
from classification.reporting.differences import compare_results, describe_differences, not_recorded
from classification.reporting.environment import environment
from classification.reporting.run_record import hub_commits, plain
from classification.reporting.run_result import RunResult
from classification.training.processes import this_process

DATA = ("train_file", "validation_file", "test_file", "dataset_name", "unlabelled_file")
MODELS = ("model_name_or_path", "config_name", "tokenizer_name", "teacher")
SETTINGS = (
    "config", "class_weights", "thresholds", "target_precision", "target_recall", "costs", "metric_name", "deepspeed",
    "fsdp_config", "accelerator_config", "search_space",
)  # fmt: skip
PART = "is one part of a larger run, and no command trains it alone. Repeat the whole: give the run.json of the folder "


def record_and_compare(options: Options, result: RunResult, facts: Mapping[str, object]) -> dict[str, object]:
    """The inputs of one run for run.json; of a repeated run, log what differs from then.

    Only the main process reads the files; the others return nothing.

    Args:
        facts: what the Trainer keeps, with the `decisions` of the run.
    """
    if not this_process().is_main_process:
        return {}
    inputs = record_inputs(options)
    if options.repeats:
        log_differences(options.repeats, inputs, result, facts.get("decisions"))
    return inputs


def record_inputs(options: Options) -> dict[str, object]:
    """What was given and read: flags, digests of all local files, commits of the Hub, and where the run takes place.

    The code and the versions are those that this process has loaded: during a long run, both may change on the disk.
    """
    inputs: dict[str, object] = {
        **environment(),
        "flags": dict(options.values),
        "working_directory": working_directory(),
        "files": files_of(options),
        "commits": commits_of(options),
    }
    if not options.values:
        inputs["not_repeatable"] = PART + ("of the study." if options.member_of else "of the run that it belongs to.")
    return inputs


def working_directory() -> str | None:
    """None where it has been deleted."""
    try:
        return os.getcwd()
    except OSError:
        return None


def record_inputs_of_study(options: Options, names: Iterable[str]) -> dict[str, object]:
    """As for one run; the files are those that its first run has read, which may have changed since."""
    inputs = record_inputs(options)
    for name in names:
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            record = json.loads((options.output_dir / name / "run.json").read_text(encoding="utf-8"))
            return inputs | {"files": record["files"]}
    return inputs


def log_differences(repeated: RecordedRun, inputs: Mapping[str, object], result: RunResult, decisions: object) -> None:
    then, now = repeated.content, dict(inputs)
    if decisions:
        now["decisions"] = decisions
    if "files" not in then and "data" in then:
        now["data"] = result.data_facts
    lines = [Line("flags", text) for text in repeated.changes] + describe_differences(then, now)
    if not lines:
        return log_lines([Line("repeat", f"nothing differs from the run in {repeated.path}"), *not_recorded(then)])
    log_lines([*lines, *not_recorded(then)], title=f"differences from the run in {repeated.path}")


def log_equality(options: Options, results: Mapping[str, object]) -> None:
    """At the end of a repeated run, log whether its results are those of then.

    Args:
        results: what all_results.json holds.
    """
    if options.repeats and not options.is_part and this_process().is_main_process:
        now = {"results": plain(results), **digest_outputs(options.output_dir)}
        log_lines(compare_results(options.repeats.content, now), title="repetition")


def files_of(options: Options) -> dict[str, list[Digest]]:
    """Path, size and sha256 of every local file that the run reads, by the flag that names it."""
    given = {**options.trainer, **options.as_typed}
    paths = {name: str(given[name]) for name in (*DATA, *MODELS, *SETTINGS) if given.get(name)}
    if options.model.from_scratch:
        paths.pop("model_name_or_path", None)
    files = {name: digest_data(paths[name]) for name in DATA if name in paths}
    files |= {name: digest_model(paths[name]) for name in MODELS if name in paths}
    for name in SETTINGS:
        path = os.path.expanduser(paths.get(name, ""))
        if os.path.isfile(path) and (digest := digest_file(Path(path))):  # else it is a name or a value
            files[name] = [digest]
    if "model_name_or_path" in paths and (base := base_of_adapter(paths["model_name_or_path"])):
        files["base_model"] = digest_model(base)
    return {name: digests for name, digests in files.items() if digests}


def commits_of(options: Options) -> dict[str, str]:
    """Flag -> commit of the models and the data set that are from the Hub."""
    commits = {} if options.model.from_scratch else hub_commits(options.as_typed)
    base = None if options.model.from_scratch else choose_base(options.model)
    if base and (commit := cached_commit(base.name, base.hub.revision, base.hub.cache_dir)):
        commits["base_model"] = commit  # of an adapter
    if "commit" in options.source.found:
        commits["dataset_name"] = options.source.found["commit"]
    return commits
