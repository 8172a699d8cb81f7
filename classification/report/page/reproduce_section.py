"""How to repeat the run and how to use its model: commands, versions, commits and digests."""

from __future__ import annotations

import shlex
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from classification.models.usage_lines import usage
from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import count, size
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles

MOST_FILES = 40


def reproduce_section(run: RunFiles) -> Section:
    command = [str(word) for word in list_in(run.record, "command")]
    files = list(files_of(run.record))
    values = {
        "repeat": repeat_command(run),
        "not_repeatable": str(run.record.get("not_repeatable") or ""),
        "command": "python " + shlex.join(command) if command else "",
        "usage": usage_of(run),
        "seeds": [(name.replace("_", " "), str(value)) for name, value in mapping_in(run.record, "seeds").items()],
        "facts": list(commits_of(run.record)),
        "versions": sorted((str(name), str(version)) for name, version in mapping_in(run.record, "versions").items()),
        "files": files[:MOST_FILES],
        "rest": max(0, len(files) - MOST_FILES),
    }
    return Section("reproduce", "Repeat the run, use the model", "reproduce.html.j2", values)


def repeat_command(run: RunFiles) -> str:
    """The command that repeats the run with its recorded flags; "" where the run cannot be repeated by itself."""
    if run.record.get("not_repeatable") or not run.record.get("command"):
        return ""
    file = shlex.quote(str(run.folder / "run.json"))
    return f"python run_classification.py --config {file} --output_dir {shlex.quote(f'{run.folder}-again')}"


def usage_of(run: RunFiles) -> str:
    """The lines of Python that load the model; "" where its folder has none, and the run used none of its own."""
    if not any(run.folder.glob("*.safetensors")):
        return ""
    return textwrap.dedent(usage(str(run.folder), run.task))


def commits_of(record: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What the run was made with."""
    if record.get("git_commit"):
        yield "Commit of the code", str(record["git_commit"])
    for name, commit in mapping_in(record, "commits").items():
        yield f"Commit of {str(name).removesuffix('_or_path').replace('_', ' ')}", str(commit)
    for key, title in (("python", "Python"), ("platform", "System")):
        if record.get(key):
            yield title, str(record[key])
    for split, facts in mapping_in(record, "data").items():
        if isinstance(facts, Mapping) and facts.get("fingerprint"):
            yield f"Fingerprint of {split}", str(facts["fingerprint"])


def files_of(record: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Path, size and sha256 of each file that the run read."""
    for digests in mapping_in(record, "files").values():
        for digest in digests if isinstance(digests, list) else ():
            if isinstance(digest, Mapping):
                many = f" ({count(digest['files'])} files)" if digest.get("files") else ""
                yield f"{digest.get('path')}{many}", size(digest.get("size")), str(digest.get("sha256") or "not read")
