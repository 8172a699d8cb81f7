"""Reading labelled text from wherever it lies: files, folders, the Hub. Errors name the flag, the file and the line."""

from __future__ import annotations

import csv
import glob
import json
import logging
import os
import socket
import sys
from pathlib import Path
from urllib.parse import urlparse
from urllib.request import getproxies

import datasets
import huggingface_hub
from datasets import Dataset, DatasetDict, Features, Value
from datasets.exceptions import DatasetGenerationError, DatasetNotFoundError

from classification.cli.options import READERS
from classification.errors import UsageError, some

logger = logging.getLogger(__name__)

READ_ERRORS = (DatasetGenerationError, ValueError, StopIteration, OSError, TypeError, KeyError, RuntimeError)
UNLABELLED_FOLDERS = ("unsup",)  # of aclImdb, the folder layout that most tutorials download


def read_file(path: str, *, flag: str, cache_dir: str | None = None) -> Dataset:
    """One split from a CSV, TSV, JSON(L), Parquet or Arrow file, or a folder of text files per class.

    Every CSV field is a string: "NA", "null" and "007" stay what they are.

    Raises:
        UsageError: the file is empty, has no rows, is not UTF-8, or has a broken line; names `flag`, file and line.
    """
    file = Path(path)
    if file.is_dir():
        return read_class_folders(file, flag)
    if file.stat().st_size == 0:
        raise UsageError(f"{flag} {path}: the file is empty. Give a file with a header and at least one row.")
    options = {}
    kind = READERS[file.suffix.lower()]
    if kind == "csv":
        delimiter = "\t" if file.suffix.lower() == ".tsv" else ","
        # A column without a name is an index that pandas wrote; it is called what pandas calls it.
        columns = [name if name.strip() else f"Unnamed: {i}" for i, name in enumerate(check_csv(file, delimiter, flag))]
        features = Features({column: Value("string") for column in columns})
        options = {"sep": delimiter, "keep_default_na": False, "features": features}
    elif kind == "json":
        check_encoding(file, flag)
    try:
        pattern = glob.escape(str(file))  # a name such as `reviews[1].csv` is a file, not a pattern
        return datasets.load_dataset(kind, data_files=pattern, split="train", cache_dir=cache_dir, **options)
    except READ_ERRORS as error:
        raise UsageError(f"{flag} {path}: {why_unreadable(file, kind, error)}") from error


def check_encoding(file: Path, flag: str) -> None:
    """Raise a UsageError that names the first line of `file` that is not UTF-8."""
    with file.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                raise UsageError(
                    f"{flag} {file}: line {number} is not valid UTF-8 (byte {error.start + 1} of the line). "
                    "Convert the file, for example with: iconv -f WINDOWS-1252 -t UTF-8 OLD > NEW"
                ) from error


def check_csv(file: Path, delimiter: str, flag: str) -> list[str]:
    """The header of a CSV file, after a pass that finds what the fast reader would mend in silence.

    The fast reader fills short rows with nulls and renames duplicate columns.

    Raises:
        UsageError: wrong encoding, duplicate column names, no rows, a row with too few or too many fields.
    """
    check_encoding(file, flag)
    csv.field_size_limit(sys.maxsize)
    with file.open(encoding="utf-8-sig", newline="") as handle:
        rows = csv.reader(handle, delimiter=delimiter, strict=True)
        try:
            header = next(rows)
            duplicates = sorted({column for column in header if column.strip() and header.count(column) > 1})
            if duplicates:
                raise UsageError(
                    f"{flag} {file}: the header has a duplicate column {some(map(repr, duplicates))}. "
                    "Rename or remove one of them."
                )
            count = 0
            start = rows.line_num + 1
            for row in rows:
                if row and len(row) != len(header):
                    raise UsageError(
                        f"{flag} {file}: line {start} has {len(row)} fields where the header has {len(header)}. "
                        f"Quote fields that contain {'a tab' if delimiter == chr(9) else 'commas'} or line breaks."
                    )
                count += bool(row)
                start = rows.line_num + 1
        except csv.Error as error:
            raise UsageError(
                f"{flag} {file}: line {rows.line_num}: {error}. A quote is opened and never closed, or text follows "
                'a closing quote; inside a quoted field, write a quote as "".'
            ) from error
    if count == 0:
        raise UsageError(f"{flag} {file}: a header but no rows. Add rows, or leave {flag} out.")
    return header


def why_unreadable(file: Path, kind: str, error: Exception) -> str:
    """The cause of a failed read in one line, with the line number where a JSON lines file is broken."""
    if kind == "json":
        with file.open(encoding="utf-8-sig") as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line) if line.strip() else {}
                except json.JSONDecodeError as broken:
                    if number == 1 and line.lstrip().startswith("["):
                        break  # one array over several lines
                    return f"line {number} is not JSON ({broken.msg} at column {broken.colno}). Mend or remove it."
                if not isinstance(row, dict):
                    return f"line {number} is not an object with named fields. Write one {{...}} a line."
    cause = error.__cause__ or error
    return f"cannot be read as {kind}: {type(cause).__name__}: {str(cause).splitlines()[0] if str(cause) else ''}"


def read_class_folders(folder: Path, flag: str) -> Dataset:
    """A folder with one sub-folder of .txt files per class, such as aclImdb/train/{pos,neg}; ids are pos/0_9."""
    classes = sorted(entry for entry in folder.iterdir() if entry.is_dir())
    ids, texts, names = [], [], []
    for class_folder in classes:
        if class_folder.name in UNLABELLED_FOLDERS:
            logger.info("%s %s: folder '%s' is left out, it is unlabelled", flag, folder, class_folder.name)
            continue
        files = sorted(class_folder.glob("*.txt"))
        if not files:
            raise UsageError(f"{flag} {folder}: the class folder '{class_folder.name}' holds no .txt files. Remove it.")
        for file in files:
            try:
                texts.append(file.read_text(encoding="utf-8"))
            except UnicodeDecodeError as error:
                raise UsageError(f"{flag}: {file} is not valid UTF-8 ({error.reason}). Convert it.") from error
            ids.append(f"{class_folder.name}/{file.stem}")
            names.append(class_folder.name)
    if not texts:
        raise UsageError(
            f"{flag} {folder}: a folder must hold one sub-folder of .txt files per class "
            f"(such as pos/ and neg/); found {some(sorted(e.name for e in folder.iterdir())) or 'nothing'}."
        )
    return Dataset.from_dict({"id": ids, "text": texts, "label": names})


def full_name(name: str, *, cache_dir: str | None, token: str | None) -> str:
    """`imdb` -> `stanfordnlp/imdb`: the Hub still knows the old names, `load_dataset` no longer takes them.

    https://github.com/huggingface/datasets/issues/8612. Offline, the cache is asked. What is not found stays as it is.
    """
    if "/" in name or Path(name).exists():
        return name
    if huggingface_hub.constants.HF_HUB_OFFLINE:
        cached = list(Path(cache_dir or datasets.config.HF_DATASETS_CACHE).glob(f"*___{name}"))
        return cached[0].name.replace("___", "/") if len(cached) == 1 else name
    try:
        return huggingface_hub.HfApi(token=token).dataset_info(name).id
    except (huggingface_hub.errors.HfHubHTTPError, OSError):
        return name


def read_hub(name: str, config: str | None, *, cache_dir: str | None, token: str | None = None) -> DatasetDict:
    """Every split of a Hub data set, or of a local folder with the Hub's layout or from `save_to_disk`.

    Raises:
        UsageError: not found, unreachable, or a configuration must be chosen; names `--dataset_name` and the remedy.
    """
    folder = Path(name)
    try:
        if (folder / "dataset_dict.json").is_file():
            return DatasetDict.load_from_disk(str(folder))
        full = full_name(name, cache_dir=cache_dir, token=token)
        loaded = datasets.load_dataset(full, config, cache_dir=cache_dir, token=token)
    except (DatasetNotFoundError, ConnectionError, FileNotFoundError) as error:
        offline = huggingface_hub.constants.HF_HUB_OFFLINE
        remedy = (
            "The Hub cannot be reached, and the data set is neither a local folder nor in the cache. Give local files "
            "with --train_file, or connect to the network (and unset HF_HUB_OFFLINE)."
            if offline
            else "Check the spelling, pass --token if it is private, or give local files with --train_file."
        )
        raise UsageError(f"--dataset_name {name}: {remedy}") from error
    except READ_ERRORS as error:
        reason = str(error.__cause__ or error).strip().splitlines()
        hint = " Choose one with --dataset_config_name." if "onfig name is missing" in str(error) else ""
        raise UsageError(f"--dataset_name {name}: {' '.join(reason[:3])}{hint}") from error
    if not isinstance(loaded, DatasetDict):
        raise UsageError(f"--dataset_name {name}: holds no named splits. Give files with --train_file.")
    return loaded


def work_offline_if_hub_is_unreachable(timeout: float = 5.0) -> None:
    """Fall back on the local cache at once where the Hub's host cannot be reached.

    The libraries would try for half a minute before they say so. A proxy is trusted to know better.
    """
    endpoint = urlparse(huggingface_hub.constants.ENDPOINT)
    if huggingface_hub.constants.HF_HUB_OFFLINE or getproxies():
        return
    try:
        port = endpoint.port or (80 if endpoint.scheme == "http" else 443)
        socket.create_connection((endpoint.hostname, port), timeout=timeout).close()
    except OSError:
        logger.warning("the Hub cannot be reached: using the local cache only")
        os.environ["HF_HUB_OFFLINE"] = "1"  # for the processes that we start
        huggingface_hub.constants.HF_HUB_OFFLINE = True
        datasets.config.HF_HUB_OFFLINE = True
