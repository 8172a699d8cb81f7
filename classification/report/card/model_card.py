"""README.md of a model in the Hub's format, written from run.json, all_results.json and config.json alone."""

from __future__ import annotations

import hashlib
import re
import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from classification.messages.log import Line, log_lines
from classification.models.usage_lines import usage
from classification.report.card.card_facts import facts_of, is_pair
from classification.report.card.card_markdown import Plain, card_templates, fenced
from classification.report.card.card_metadata import metadata_of, model_title, origin, repository
from classification.report.json_fields import mapping_in, read_json
from classification.report.run_files import RunFiles, task_of
from classification.system.files import replacing

CARD = "README.md"
HERE, BASE = ".", "BASE_MODEL"  # in the place of local paths
MARK = re.compile(
    r"\n<!-- Written by run_classification\.py, and again by a later run unless it is edited: ([0-9a-f]{64}) -->\n?\Z"
)
TEXTS = '["An evening I will not forget."]'


def write_card(folder: Path, run_folder: Path | None = None) -> Path | None:
    """Write the card of the model in `folder`.

    A README.md that somebody has written or edited stays. One of ours is known by the digest in its last line.

    Args:
        run_folder: holds run.json and all_results.json of the run that has trained the model; None for `folder`.

    Returns:
        The file; None where the run has trained no model that is in the folder, or where the user's file stays.

    Raises:
        UsageError: a file of the run is damaged.
        OSError: the disk refuses the file.
    """
    run = read_card_files(folder, run_folder or folder)
    if run is None or not holds_model_of(run):
        return None
    file = folder / CARD
    if file.exists() and not is_ours(file.read_text(encoding="utf-8", errors="replace")):
        log_lines([Line("model card", f"{file} is not ours or was edited, so it stays as it is")])
        return None
    content = draw_card(run)
    with replacing(file) as handle:
        handle.write(content)
    return file


def read_card_files(folder: Path, run_folder: Path) -> RunFiles | None:
    """What the card is made of, without the predictions, which have texts; None where there is no run."""
    record = read_json(run_folder / "run.json")
    if record is None or "study" in record:
        return None
    if run_folder != folder:
        record = with_repository(record, read_json(folder / "run.json") or {})
    metrics = read_json(run_folder / "all_results.json") or mapping_in(record, "results")
    task = task_of(folder, record, metrics)
    return RunFiles(folder, record, metrics, task, predictions=None, neighbours={})


def with_repository(record: dict[str, Any], study: Mapping[str, Any]) -> dict[str, Any]:
    """The record of a run of a study, which pushes the model that it keeps."""
    flags = mapping_in(study, "flags")
    pushes = str(flags.get("push_to_hub", False)).lower() == "true"
    return {**record, "asked": {**mapping_in(record, "asked"), "push": flags.get("hub_model_id") if pushes else None}}


def holds_model_of(run: RunFiles) -> bool:
    """Whether the folder has the weights that the run has trained."""
    names = mapping_in(run.record, "weights") or {"model.safetensors": None}
    return run.metrics.get("train_loss") is not None and any((run.folder / name).is_file() for name in names)


def is_ours(text: str) -> bool:
    """Whether a card is as we have written it. Line ends may have changed on the way."""
    text = text.replace("\r\n", "\n")
    mark = MARK.search(text)
    return mark is not None and digest_of(text[: mark.start()]) == mark[1]


def digest_of(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def draw_card(run: RunFiles) -> str:
    """The whole card: metadata, text, and the line by which we know it again."""
    base, data = origin(run, "base_model"), origin(run, "dataset")
    metadata = metadata_of(run).to_yaml(line_break="\n")
    body = card_templates().get_template("card.md.j2").render(
        **facts_of(run),
        title=model_title(run),
        base_link=Plain(base or ""),
        data_link=Plain(data or ""),
        code=fenced(loading_code(run)),
        placeholder=repository(run) is None,
    )  # fmt: skip
    body = re.sub(r"\n{3,}", "\n\n", body).strip()
    text = f"---\n{metadata}\n---\n\n{body}\n"
    return (
        f"{text}\n<!-- Written by run_classification.py, and again by a later run unless it is edited: "
        f"{digest_of(text)} -->\n"
    )


def loading_code(run: RunFiles) -> str:
    """The lines that the end of the run printed, with names in the place of local paths."""
    title = repository(run) or HERE
    base = origin(run, "base_model") or BASE
    lines = usage(str(run.folder), run.task, pairs=is_pair(run), title=title, base_title=base)
    code = textwrap.dedent(lines).replace("\npython ", "\n# python ")
    rule = run.task.usage_rule(read_json(run.folder / "config.json") or {}, TEXTS)
    return code if not rule or rule[-1] in code else "\n".join([code, *rule])
