"""What differs between a recorded run and its repetition: before training their inputs, at the end their results."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from typing import Any

from classification.errors import join_first
from classification.messages.log import Line, warning

MOST_LINES = 20  # of changed files and of metrics
TIMES = re.compile(r"(.*_)?(runtime|(samples|steps)_per_second)(_mean|_sd)?")  # these differ in every run
MACHINE = {
    "processor": "processor", "instructions": "instruction set of the CPU", "gpus": "GPUs", "threads": "threads",
    "processes": "processes",
}  # fmt: skip
RECORDED = {  # since format 2
    "files": "contents of files", "machine": "processor and threads", "code": "source of the recipe",
}  # fmt: skip


def describe_differences(then: Mapping[str, object], now: Mapping[str, object]) -> list[Line]:
    """One line for each input of a run that is not as it was `then`.

    Args:
        then, now: contents of run.json. What only one of them has recorded is not compared.
    """
    lines = []
    if "files" in then:
        lines += [Line("files", text) for text in changed_files(mapping(then, "files"), mapping(now, "files"))]
    elif "data" in now:
        lines += [Line("rows", text) for text in changed_rows(mapping(then, "data"), mapping(now, "data"))]
    for name in ("commits", "versions", "decisions"):
        old, new = mapping(then, name), mapping(now, name)
        if name == "versions":  # more libraries are recorded than in the first version
            new = {library: new[library] for library in old if library in new}
        if name in then and name in now:
            lines += [Line(name, text) for text in changed_entries(old, new)]
    lines += [Line("code", text) for text in changed_code(then, now)]
    machines = [{MACHINE[key]: mapping(run, "machine")[key] for key in MACHINE if key in mapping(run, "machine")}
                for run in (then, now)]  # fmt: skip
    for run, machine in zip((then, now), machines, strict=True):
        system = str(run.get("platform", "")).partition("-")[0]
        machine |= {"system": system} if system else {}
    shared = [
        {key: machine[key] for key in machine if key in machines[0] and key in machines[1]} for machine in machines
    ]
    return [*lines, *(Line("machine", text) for text in changed_entries(*shared))]


def not_recorded(then: Mapping[str, object]) -> list[Line]:
    """A line about what the first version did not record."""
    missing = [title for name, title in RECORDED.items() if name not in then]
    return [Line("unknown", f"run.json does not record: {join_first(missing)}")] if missing else []


def describe_place(then: Mapping[str, object], now: Mapping[str, object]) -> list[Line]:
    """A warning if a run is resumed with other threads, processors or libraries: they decide the rounding."""
    texts = [line.text for line in describe_differences(then, now)]
    result = "the result may differ from that of an uninterrupted run, mostly by rounding"
    return (
        [warning(f"resume       since the checkpoint has changed: {join_first(texts, 9)}; {result}")] if texts else []
    )


def mapping(record: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of a record; empty where it is missing or damaged."""
    part = record.get(name)
    return part if isinstance(part, Mapping) else {}


def changed_entries(then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    for name in {**then, **now}:
        if then.get(name) != now.get(name):
            yield f"{name}: {shown(then.get(name))} then, {shown(now.get(name))} now"


def shown(value: object) -> str:
    if isinstance(value, list):
        return join_first(value) or "none"
    return "none" if value is None else str(value)


def changed_code(then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    """Python, and the commit of this recipe or changes that are not committed."""
    if "python" in then and then["python"] != now.get("python"):
        yield f"python: {then['python']} then, {now.get('python')} now"
    if "git_commit" in then and then["git_commit"] != now.get("git_commit"):
        yield f"git commit of the recipe: {shown(then['git_commit'])} then, {shown(now.get('git_commit'))} now"
    elif "code" in then and then["code"] != now.get("code"):
        yield "source files of the recipe have changed since, without a new git commit"


def changed_rows(then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[str]:
    """Splits with another number of rows. The fingerprints of the first version were computed differently."""
    for split in {**then, **now}:
        one, other = mapping(then, split).get("rows"), mapping(now, split).get("rows")
        if one != other:
            yield f"{split}: {shown(one)} rows then, {shown(other)} now"


def changed_files(then: Mapping[str, object], now: Mapping[str, object]) -> list[str]:
    """The files that have other contents, are new or are gone, by the flag that names them."""
    texts = []
    for flag in {**then, **now}:
        if flag != "config":  # the flags of then are in run.json itself
            old, new = by_path(then.get(flag)), by_path(now.get(flag))
            if not old.keys() & new.keys():
                old, new = below_common_folder(old), below_common_folder(new)
            texts += list(changed_files_of(flag, old, new))
    if len(texts) > MOST_LINES:
        texts = [*texts[:MOST_LINES], f"and {len(texts) - MOST_LINES} more files"]
    return texts


def changed_files_of(flag: str, then: Mapping[str, Mapping], now: Mapping[str, Mapping]) -> Iterator[str]:
    if len(then) == len(now) == 1:  # a file under another name is compared too
        then = dict.fromkeys(now, next(iter(then.values())))
    for name in {**then, **now}:
        one, other = then.get(name), now.get(name)
        if one is None or other is None:
            path = (one or other or {}).get("path")
            yield f"--{flag}: {path} was read {'then' if one else 'now'} only"
        elif one.get("sha256") != other.get("sha256"):
            sizes = f"{one.get('size')} bytes then, {other.get('size')} now"
            if one.get("size") == other.get("size"):
                sizes = f"sha256 {str(one.get('sha256'))[:12]} then, {str(other.get('sha256'))[:12]} now"
            yield f"--{flag}: {other.get('path')} has other contents ({sizes})"


def by_path(digests: object) -> dict[str, Mapping]:
    """The digests of one flag by their path; what is no digest is skipped."""
    entries = [entry for entry in digests if isinstance(entry, Mapping)] if isinstance(digests, list) else []
    return {entry["path"]: entry for entry in entries if isinstance(entry.get("path"), str)}


def below_common_folder(digests: Mapping[str, Mapping]) -> dict[str, Mapping]:
    """Digests by their path below the folder that they share: a folder that was moved is the same one."""
    common = os.path.commonpath([os.path.dirname(os.path.abspath(path)) for path in digests]) if digests else ""
    return {os.path.relpath(os.path.abspath(path), common): entry for path, entry in digests.items()}


# ------------------------------------------------------------------------------------------------------------ results


def compare_results(then: Mapping[str, object], now: Mapping[str, object]) -> list[Line]:
    """Whether the metrics and the saved files are bit for bit those of then; if not, which differ and by how much.

    Args:
        then, now: contents of run.json.
    """
    old, new = figures(mapping(then, "results")), figures(mapping(now, "results"))
    if not old:
        return [Line("repeat", "the run that was repeated has no results to compare with"), *compare_files(then, now)]
    changed = [name for name in old if name in new and old[name] != new[name]]
    lines = [Line("", f"  {changed_metric(name, old[name], new[name])}") for name in changed[:MOST_LINES]]
    if len(changed) > MOST_LINES:
        lines.append(Line("", f"  and {len(changed) - MOST_LINES} more metrics"))
    only = {"then": [name for name in old if name not in new], "now": [name for name in new if name not in old]}
    lines += [Line("", f"  {time} only: {join_first(names)}") for time, names in only.items() if names]
    count = len(changed) + len(only["then"]) + len(only["now"])
    first = (
        f"{count} of {len({**old, **new})} metrics differ from the run that was repeated:"
        if count
        else f"all {len(new)} metrics are bit for bit those of the run that was repeated"
    )
    return [Line("repeat", first), *lines, *compare_files(then, now)]


def compare_files(then: Mapping[str, object], now: Mapping[str, object]) -> Iterator[Line]:
    """Whether weights and predictions have the sha256 of then, as far as both runs have recorded it."""
    for title in ("weights", "predictions"):
        one, other = mapping(then, title), mapping(now, title)
        if one and other:
            equal = dict(one) == dict(other)
            names = join_first({**one, **other})
            yield Line("repeat", f"{title}: {names} {'is bit for bit the same' if equal else 'differs'}")


def changed_metric(name: str, old: object, new: object) -> str:
    """Both values, and the difference of numbers."""
    values = [value for value in (old, new) if isinstance(value, int | float) and not isinstance(value, bool)]
    change = f" ({values[1] - values[0]:+.3g})" if len(values) == 2 else ""
    return f"{name}: {shown(old)} then, {shown(new)} now{change}"


def figures(results: Mapping[str, object], prefix: str = "") -> dict[str, object]:
    """The metrics of a run or a study by name, without those that measure time."""
    found: dict[str, object] = {}
    for name, value in results.items():
        if isinstance(value, Mapping):
            found |= figures(value, f"{prefix}{name}/")
        elif not TIMES.fullmatch(name):
            found[prefix + name] = value
    return found
