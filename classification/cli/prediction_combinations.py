"""Flags of predict.py that contradict each other or have no effect: each is refused by name, with the remedy."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path

from classification.cli.prediction_values import STDIN, STDOUT, word_of, words_of
from classification.data.named_columns import bare_names
from classification.data.sources.file_formats import format_of_name
from classification.errors import UsageError
from classification.system.files import is_device

EXAMPLE = "python predict.py MODEL INPUT"
OF_FILES = (  # flags about an input or output file
    "output_file", "format", "input_format", "text_column_names", "text_column_delimiter", "label_column_name",
    "label_column_names", "label_delimiter", "dataset_config_name", "split", "dataset_revision", "output_prefix",
    "csv_safe", "on_bad_row", "resume", "overwrite", "shard", "join", "batch_tokens", "most_uncertain",
    "uncertain_file",
)  # fmt: skip
OF_JOINING = ("output_file", "join", "overwrite", "format")  # the parts have decided all others
UNCERTAIN_ENDINGS = (".csv", ".tsv", ".jsonl")
OF_HUB_DATA = ("dataset_config_name", "split", "dataset_revision")


def check_combinations(values: Mapping[str, object], places: Sequence[str]) -> None:
    """Check the flags that were given (name -> value) and the words that belong to no flag.

    Raises:
        UsageError: the first contradiction.
    """
    given = {name: value for name, value in values.items() if value is not False}
    if "join" in given:
        check_joining(given, places)
    else:
        check_places(given, places)
    source = places[1] if len(places) > 1 else None
    check_terminal(given, source)
    if not {"join", "text", "interactive"} & given.keys():
        check_streams(given, str(source))
        check_columns(given, str(source))
    check_rest(given)


def refuse(name: str, value: object, problem: str, remedy: str) -> None:
    words = "" if value is True else f" {'/'.join(map(str, value)) if isinstance(value, tuple) else value}"
    raise UsageError(f"--{name}{words}: {problem}. {remedy}")


def check_joining(given: Mapping[str, object], places: Sequence[str]) -> None:
    folders = ",".join(words_of(given, "join"))
    if places:
        raise UsageError(f"--join {folders}: {places[0]} has no effect: parts are joined as they are. Leave it out.")
    other = next((name for name in given if name not in OF_JOINING), None)
    if other:
        raise UsageError(f"--join {folders}: --{other} has no effect: the parts are predicted already. Leave it out.")
    if "output_file" not in given:
        raise UsageError(f"--join {folders}: where should the whole go? Add -o OUT.")


def check_places(given: Mapping[str, object], places: Sequence[str]) -> None:
    """One model, and one input unless the texts come from the command line or the terminal."""
    empty = next((word for word in places if not word.strip()), None)
    if empty is not None:
        raise UsageError(f"{('MODEL', 'INPUT')[min(places.index(empty), 1)]} {empty!r}: is empty. Call: {EXAMPLE}")
    if not places:
        raise UsageError(f"No model: give the folder of a trained model, then the input: {EXAMPLE}")
    if len(places) > 2:
        raise UsageError(
            f"{places[2]}: one input at a time ({places[1]} is given already). Predict each file by itself."
        )
    if len(places) == 1 and not {"text", "interactive"} & given.keys():
        if os.path.isfile(places[0]):
            raise UsageError(
                f"MODEL {places[0]}: is a file. The model comes first: {EXAMPLE.replace('INPUT', places[0])}"
            )
        raise UsageError(
            f"No input: python predict.py {places[0]} INPUT, or --text TEXT, or --interactive. INPUT is a file, a "
            "folder, a data set on the Hub, or - for standard input."
        )


def check_terminal(given: Mapping[str, object], source: str | None) -> None:
    flag = next((name for name in ("text", "interactive") if name in given), None)
    pairs, texts = words_of(given, "text_pair"), words_of(given, "text")
    if flag and source is not None:
        raise UsageError(f"--{flag}: INPUT {source} would not be read. Leave one of them out.")
    if "text" in given and "interactive" in given:
        raise UsageError("--interactive and --text: give one or the other.")
    if pairs and len(pairs) != len(texts):
        raise UsageError(
            f"--text_pair: is given {len(pairs)} times, and --text {len(texts)} times. Give one to each --text."
        )
    of_files = set(OF_FILES) - ({"overwrite"} if "explain_html" in given else set())
    other = next((name for name in given if flag and name in of_files), None)
    if other:
        refuse(other, given[other], f"has no effect with --{flag}", "Leave it out.")
    if flag and int(os.environ.get("WORLD_SIZE", 1)) > 1:
        raise UsageError(f"--{flag}: every process would answer. Start predict.py without accelerate launch.")


def check_streams(given: Mapping[str, object], source: str) -> None:
    """Standard input can be read once; standard output cannot be continued."""
    is_many, out = int(os.environ.get("WORLD_SIZE", 1)) > 1, word_of(given, "output_file")
    is_stream = out == STDOUT or is_device(Path(out))
    for name in ("resume", "shard"):
        if source == STDIN and name in given:
            refuse(name, given[name], "standard input can be read only once", "Save it to a file, and give the file.")
        if is_stream and name in given:
            title = "standard output" if out == STDOUT else out
            refuse(name, given[name], f"{title} cannot be continued", "Name a file: -o OUT.")
    if is_many and (source == STDIN or is_stream):
        raise UsageError("accelerate launch: several processes need a file as INPUT and as -o OUT. Name both.")
    if is_many and "shard" in given:
        refuse("shard", given["shard"], "accelerate launch shards the rows already", "Leave one of them out.")
    if "resume" in given and "overwrite" in given:
        raise UsageError("--resume and --overwrite contradict each other: continue, or start again. Give one.")
    if source == STDIN or os.path.isfile(source):
        for name in OF_HUB_DATA:
            if name in given:
                refuse(name, given[name], "has no effect with a file", "Leave it out.")
    to_stdout = given.get("output_file", STDOUT if source == STDIN else "") == STDOUT
    if to_stdout and sys.stdout is None:
        raise UsageError("-o -: standard output is closed. Name a file: -o OUT.")
    if "most_uncertain" in given and to_stdout and "uncertain_file" not in given:
        refuse("most_uncertain", given["most_uncertain"], "standard output has no name", "Add --uncertain_file FILE.")


def check_columns(given: Mapping[str, object], source: str) -> None:
    text = word_of(given, "text_column_names")
    names = bare_names(text)
    if text and not names:
        raise UsageError(f"--text_column_names {text}: names no column. Name the text column.")
    if len(set(names)) < len(names):
        raise UsageError(f"--text_column_names {text}: names a column twice. Name each once.")
    if len(names) > 2 and "text_column_delimiter" not in given:
        raise UsageError(
            f"--text_column_names {text}: one column is a single text and two are a pair. To join more, pass "
            "--text_column_delimiter ' '."
        )
    check_label_columns(given)
    out = word_of(given, "output_file") or STDOUT
    written = given.get("format") or (None if out == STDOUT else format_of_name(out))
    if "csv_safe" in given and written not in (None, "csv", "tsv", "text"):
        refuse("csv_safe", True, f"no spreadsheet runs the cells of {written}", "Leave it out.")


def check_label_columns(given: Mapping[str, object]) -> None:
    """One form of labels."""
    several = word_of(given, "label_column_names")
    for other in ("label_column_name", "label_delimiter"):
        if several and other in given:
            refuse("label_column_names", several, f"is another form of labels than --{other}", "Give one of them.")
    names = bare_names(several)
    if several and len(set(names)) < max(2, len(names)):
        refuse("label_column_names", several, "names fewer than two columns, or one twice", "Name each once.")
    if given.get("label_delimiter") == "":
        raise UsageError("--label_delimiter '': must be the text between two names, such as '|'.")


def check_rest(given: Mapping[str, object]) -> None:
    if given.get("variant") == "int8":
        if "explain" in given or "explain_html" in given:
            raise UsageError("--explain: needs gradients, which --variant int8 does not have. Leave --variant out.")
        if given.get("precision", "auto") != "auto":
            refuse("precision", given["precision"], "--variant int8 has its own number format", "Give one of the two.")
    if {"explain", "explain_html"} & given.keys() and find_spec("captum") is None:
        raise UsageError("--explain: captum is not installed: pip install -r requirements-extras.txt")
    if "explain_html" in given and not {"text", "interactive"} & given.keys():
        refuse("explain_html", given["explain_html"], "is a page about --text",
               "Use --explain: the output has a column explanation.")  # fmt: skip
    if "uncertain_file" in given and "most_uncertain" not in given:
        refuse("uncertain_file", given["uncertain_file"], "has no effect alone", "Add --most_uncertain N.")
    if "uncertain_file" in given and not word_of(given, "uncertain_file").lower().endswith(UNCERTAIN_ENDINGS):
        refuse("uncertain_file", given["uncertain_file"], "is no format of rows to label",
               f"End its name in {', '.join(UNCERTAIN_ENDINGS)}.")  # fmt: skip
