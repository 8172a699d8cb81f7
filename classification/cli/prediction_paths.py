"""Paths of predict.py: the model and the input are there, and the outputs can be written."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Iterable, Mapping

from classification.cli.prediction_values import STDIN, STDOUT, word_of
from classification.data.sources.file_formats import PACKED, WRITTEN, format_of_name, looks_like_file
from classification.errors import UsageError, did_you_mean, join_first
from classification.models.google_checkpoints import refuse_tf_checkpoint
from classification.system.files import LONGEST_NAME

HUB_NAME = re.compile(r"[\w][\w.-]*(/[\w][\w.-]*)?")
OUTPUTS = ("output_file", "explain_html", "uncertain_file")


def check_paths(values: dict[str, object]) -> None:
    """Check every path, with `~` replaced in `values`.

    Raises:
        UsageError: names the flag, the path and the remedy.
    """
    for name in ("model", "input", "cache_dir", *OUTPUTS):
        if path := word_of(values, name):
            values[name] = os.path.expanduser(path)
            if max(map(len, os.fsencode(path).split(b"/"))) > LONGEST_NAME:
                flag = name.upper() if name in ("model", "input") else f"--{name}"
                raise UsageError(f"{flag} {path[:50]}...: is too long for a name. Give the name of a file or folder.")
    if model := word_of(values, "model"):
        check_model(model)
    if source := word_of(values, "input"):
        check_input(source)
    outputs = {name: path for name in OUTPUTS if (path := word_of(values, name)) and path != STDOUT}
    if values.get("most_uncertain") and "output_file" in outputs:
        outputs.setdefault("uncertain_file", f"{outputs['output_file']}.uncertain.csv")
    for name, path in outputs.items():
        check_output(f"--{name}", path, values)
    if len({os.path.realpath(path) for path in outputs.values()}) < len(outputs):
        names = " and ".join(f"--{name}" for name in outputs)
        raise UsageError(f"{names}: name the same file. Give each a name of its own.")
    if "output_file" in outputs:
        check_format(outputs["output_file"], values)
    cache = word_of(values, "cache_dir")
    if cache and os.path.exists(cache) and not os.path.isdir(cache):
        raise UsageError(f"--cache_dir {cache}: is a file. Name a folder.")


def check_model(model: str) -> None:
    refuse_tf_checkpoint("MODEL", model)
    if os.path.isdir(model):
        if not os.path.isfile(os.path.join(model, "config.json")):
            inner = sorted(
                name for name in os.listdir(model) if os.path.isfile(os.path.join(model, name, "config.json"))
            )
            hint = f" Did you mean {os.path.join(model, inner[0])}?" if inner else ""
            raise UsageError(f"MODEL {model}: the folder has no config.json. Pass the folder of a saved model.{hint}")
    elif os.path.exists(model):
        raise UsageError(f"MODEL {model}: is a file. Pass the folder of a saved model: it has a config.json.")
    elif not HUB_NAME.fullmatch(model):
        raise UsageError(f"MODEL {model}: there is no such folder.{similar(model, folders=True)} Check its spelling.")


def check_input(source: str) -> None:
    """A name that no file has may be that of a data set on the Hub, unless it looks like a file."""
    if source == STDIN or os.path.exists(source):
        return
    if os.path.islink(source):
        raise UsageError(f"INPUT {source}: is a link to a file that is not there. Correct the link.")
    hint = similar(source)
    if looks_like_file(source) or not HUB_NAME.fullmatch(source):
        raise UsageError(f"INPUT {source}: there is no such file.{hint} Check its spelling.")


def similar(path: str, *, folders: bool = False) -> str:
    """` Did you mean X?` for a file or folder beside `path` that has nearly its name."""
    folder = os.path.dirname(path.rstrip("/")) or "."
    if not os.access(folder, os.R_OK | os.X_OK):
        return ""
    names: Iterable[str] = os.listdir(folder)
    if folders:
        names = [name for name in names if os.path.isdir(os.path.join(folder, name))]
    return did_you_mean(os.path.basename(path.rstrip("/")), names)


def check_output(flag: str, path: str, values: Mapping[str, object]) -> None:
    """An output is a new file in a folder that can be written, and never the input or a file of the model."""
    folder = os.path.dirname(path) or "."
    if os.path.isdir(path) or path.endswith(("/", os.sep)):
        raise UsageError(f"{flag} {path}: is a folder. Name a file in it.")
    if not os.path.isdir(folder):
        is_file = os.path.exists(folder)
        problem = f"{folder} is a file" if is_file else f"the folder {folder} does not exist"
        raise UsageError(f"{flag} {path}: {problem}. {'Name another folder.' if is_file else 'Create it first.'}")
    source, model = word_of(values, "input"), word_of(values, "model")
    if source and os.path.exists(path) and os.path.exists(source) and os.path.samefile(path, source):
        raise UsageError(f"{flag} {path}: is the input, which would be lost. Name another file.")
    if model and os.path.exists(path) and os.path.realpath(folder) == os.path.realpath(model):
        raise UsageError(f"{flag} {path}: is a file of the model's folder. Name another file.")
    if os.path.exists(path) and not os.path.isfile(path):
        return  # a named pipe, or /dev/null
    if os.path.exists(path) and not (values.get("overwrite") or values.get("resume")):
        more = ", --resume to continue an unfinished prediction" if flag == "--output_file" else ""
        raise UsageError(f"{flag} {path}: exists. Pass --overwrite to replace it{more}, or name another file.")
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise UsageError(
            f"{flag} {path}: the folder {folder} cannot be written ({error.strerror}). Name another folder."
        ) from error


def check_format(path: str, values: Mapping[str, object]) -> None:
    """The name of the output tells a format that can be written, or `--format` does."""
    kind, suffix = format_of_name(path), os.path.splitext(path)[1].lower()
    if suffix in PACKED:
        raise UsageError(f"--output_file {path}: compressed files are not written. Leave {suffix} out.")
    if values.get("format"):
        return
    if suffix and kind in (None, "text") and (suffix in (".txt", ".xlsx", ".xls") or not values["input"]):
        raise UsageError(
            f"--output_file {path}: {suffix} is no format that is written. End it in "
            f"{join_first((f'.{name}' for name in WRITTEN), 9)}, or add --format."
        )
