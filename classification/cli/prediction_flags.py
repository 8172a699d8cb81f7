"""The command line of predict.py: every flag in one table, read into a frozen value without a library that is slow."""

from __future__ import annotations

import sys
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from classification.cli.flag_table import FALSE, TRUE
from classification.cli.help_text import NAME_COLUMN, wants_help
from classification.cli.prediction_combinations import check_combinations
from classification.cli.prediction_paths import check_paths
from classification.cli.prediction_values import READERS, Reader, default_output
from classification.errors import UsageError, did_you_mean
from classification.messages.streams import write_line

USAGE = """predict.py MODEL INPUT [-o OUT] [--flag value ...]
       predict.py MODEL --text TEXT | --interactive
       predict.py --join A.parts,B.parts -o OUT"""
DESCRIPTION = """Predict texts with a trained classifier: a folder that training saved, or a model on the Hub.

  python predict.py out reviews.csv                    # writes reviews.predictions.csv
  python predict.py out reviews.jsonl -o labelled.parquet
  cat reviews.txt | python predict.py out - > answers.csv
  python predict.py out --text "A wonderful film"
  python predict.py out --interactive

INPUT is a CSV, TSV, JSON, JSONL, Parquet, Arrow or text file (one text per line), a folder, a data set on the Hub, or
- for standard input. Labels are not needed; where the input has them, the predictions are scored.
"""


@dataclass(frozen=True)
class PredictionFlag:
    """One flag: how its value is read, and what `--help` says.

    Args:
        reader: turns the word into a value; None for a switch that is on or off.
        word: what stands for the value in `--help`.
        repeats: each use adds a value; else the last one counts.
    """

    name: str
    group: str
    help: str
    reader: Reader | None = None
    word: str | None = None
    repeats: bool = False
    short: str = ""


@dataclass(frozen=True)
class PredictionOptions:
    """The checked command line of predict.py. Each field has the name of its flag; None or empty was not given.

    Args:
        output_file: with the default filled in; `-` is standard output.
        shard: number and count of shards, from (1, N) to (N, N).
        argv: the words as typed.
    """

    model: str = ""
    input: str | None = None
    output_file: str = "-"
    format: str | None = None
    input_format: str | None = None
    text_column_names: str | None = None
    text_column_delimiter: str | None = None
    label_column_name: str | None = None
    label_column_names: str | None = None
    label_delimiter: str | None = None
    dataset_config_name: str | None = None
    split: str | None = None
    model_revision: str = "main"
    dataset_revision: str | None = None
    token: str | None = field(default=None, repr=False)
    cache_dir: str | None = None
    trust_remote_code: bool = False
    top_k: int | None = None
    abstain_below: float | None = None
    output_prefix: str = ""
    csv_safe: bool = False
    on_bad_row: str = "error"
    resume: bool = False
    overwrite: bool = False
    shard: tuple[int, int] | None = None
    join: tuple[str, ...] = ()
    precision: str = "auto"
    variant: str = "default"
    batch_tokens: int | None = None
    max_seq_length: int | None = None
    truncation_strategy: str | None = None
    text: tuple[str, ...] = ()
    text_pair: tuple[str, ...] = ()
    interactive: bool = False
    explain: bool = False
    explain_html: str | None = None
    most_uncertain: int | None = None
    uncertain_file: str | None = None
    argv: tuple[str, ...] = field(default=(), repr=False)

    @property
    def is_at_terminal(self) -> bool:
        """Whether the texts come from the command line or from a person, and no file is read."""
        return bool(self.text) or self.interactive


INPUT, OUTPUT, MODEL, LARGE, TERMINAL, MORE = (
    "input", "output", "model", "large inputs", "at the terminal", "more about the rows"
)  # fmt: skip
R = READERS
FLAGS = (
    PredictionFlag("text_column_names", INPUT, "Text column; two, comma separated, for pairs. Default: as in training, "
                   "else a usual name.", R["name"], "A[,B]"),
    PredictionFlag("text_column_delimiter", INPUT, "Join the text columns with this into one text.", R["any"], "TEXT"),
    PredictionFlag("label_column_name", INPUT, "Labels to score against. Default: as in training, else a usual name.",
                   R["name"], "NAME"),
    PredictionFlag("label_column_names", INPUT, "Labels to score against: one 0/1 column per label. Default: as in "
                   "training.", R["name"], "A,B"),
    PredictionFlag("label_delimiter", INPUT, "Text between the labels of one cell. Default: as in training.", R["any"],
                   "TEXT"),
    PredictionFlag("input_format", INPUT, "Format of the input where its name does not tell.", R["input_format"]),
    PredictionFlag("on_bad_row", INPUT, "A row that cannot be read or has no text: stop, keep it with an empty "
                   "prediction and a column error, or leave it out (default: error).", R["on_bad_row"]),
    PredictionFlag("split", INPUT, "Split of a data set. Default: the only one, or test.", R["name"], "NAME"),
    PredictionFlag("dataset_config_name", INPUT, "Configuration of a data set on the Hub.", R["name"], "NAME"),
    PredictionFlag("dataset_revision", INPUT, "Branch, tag or commit of a data set on the Hub.", R["name"], "NAME"),
    PredictionFlag("output_file", OUTPUT, "Where the predictions go; - is standard output. Default: INPUT.predictions "
                   "in this folder.", R["name"], "OUT", short="-o"),
    PredictionFlag("format", OUTPUT, "Format of the output. Default: by the name of OUT, else the input's.",
                   R["format"]),
    PredictionFlag("top_k", OUTPUT, "Only the K most probable labels, with their probabilities.", R["count"], "K"),
    PredictionFlag("abstain_below", OUTPUT, "No prediction where the model is less sure than this probability.",
                   R["probability"], "P"),
    PredictionFlag("output_prefix", OUTPUT, "Put this before the names of the new columns.", R["name"], "TEXT"),
    PredictionFlag("csv_safe", OUTPUT, "Put an apostrophe before cells that a spreadsheet would run."),
    PredictionFlag("overwrite", OUTPUT, "Replace OUT if it exists."),
    PredictionFlag("max_seq_length", MODEL, "Tokens per text or window. Default: as in training.", R["length"], "N"),
    PredictionFlag("truncation_strategy", MODEL, "What is read of long texts. Default: as in training.",
                   R["truncation"]),
    PredictionFlag("precision", MODEL, "Number format of the products (default: auto).", R["precision"]),
    PredictionFlag("variant", MODEL, "int8 is faster on a CPU and prints how often it agrees (default: default).",
                   R["variant"]),
    PredictionFlag("batch_tokens", MODEL, "Tokens per batch. Default: by the device.", R["count"], "N"),
    PredictionFlag("model_revision", MODEL, "Branch, tag or commit of a model on the Hub.", R["name"], "NAME"),
    PredictionFlag("token", MODEL, "Access token of the Hub. Better: the variable HF_TOKEN.", R["name"], "TOKEN"),
    PredictionFlag("cache_dir", MODEL, "Folder of downloads.", R["name"], "FOLDER"),
    PredictionFlag("trust_remote_code", MODEL, "Run code that comes with the model."),
    PredictionFlag("resume", LARGE, "Continue a prediction that was stopped."),
    PredictionFlag("shard", LARGE, "Predict part I of N only, for N machines.", R["shard"], "I/N"),
    PredictionFlag("join", LARGE, "Join the parts of all shards into OUT.", R["folders"], "DIR,DIR"),
    PredictionFlag("text", TERMINAL, "A text to predict; repeat it for more.", R["text"], "TEXT", repeats=True),
    PredictionFlag("text_pair", TERMINAL, "The second text of each --text.", R["text"], "TEXT", repeats=True),
    PredictionFlag("interactive", TERMINAL, "Ask for texts until an empty line."),
    PredictionFlag("explain", MORE, "Mark the words that carried each decision."),
    PredictionFlag("explain_html", MORE, "Write the explanations of --text to this page.", R["name"], "FILE"),
    PredictionFlag("most_uncertain", MORE, "Also write the N rows most worth labelling.", R["count"], "N"),
    PredictionFlag("uncertain_file", MORE, "Where they go. Default: OUT.uncertain.csv.", R["name"], "FILE"),
)  # fmt: skip
BY_NAME = {flag.name: flag for flag in FLAGS}


def read_prediction_flags(argv: Sequence[str]) -> PredictionOptions:
    """The checked command line; imports no library that takes long, and reads no data.

    Raises:
        UsageError: a flag that is wrong, unknown or contradicts another; names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    words = list(argv)
    if wants_help(words):
        write_line(help_text().rstrip("\n"), sys.stdout)
        raise SystemExit(0)
    values, places = parse(words)
    check_combinations(values, places)
    model, source = (*places, None, None)[:2]
    for name in ("text", "text_pair"):
        values[name] = tuple(values.get(name, ()))
    values |= {"model": model or "", "input": source, "argv": tuple(words)}
    values.setdefault("output_file", default_output(source, values))
    check_paths(values)
    return PredictionOptions(**values)


def parse(words: Sequence[str], known: Mapping[str, PredictionFlag] = BY_NAME) -> tuple[dict, list[str]]:
    """The values of the flags that are given, by name, and the words that belong to no flag.

    Args:
        known: all flags, by name.

    Raises:
        UsageError: an unknown flag, or a flag without a value or with a wrong one.
    """
    values: dict = {}
    places: list[str] = []
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if word == "--":
            places += rest
            break
        flag, given = find_flag(word, known)
        if flag is None:
            places.append(word)
        elif flag.reader is None:
            if given is None and rest and rest[0].lower() in ("true", "false"):
                given = rest.pop(0)
            values[flag.name] = read_switch(flag.name, given)
        else:
            if given is None and (not rest or find_flag(rest[0], known, strict=False)[0]):
                raise UsageError(f"--{flag.name}: needs a value. Give one: --{flag.name} {flag.word or 'VALUE'}")
            value = flag.reader(flag.name, rest.pop(0) if given is None else given)
            values[flag.name] = [*values.get(flag.name, []), value] if flag.repeats else value
    return values, places


def find_flag(
    word: str, known: Mapping[str, PredictionFlag] = BY_NAME, *, strict: bool = True
) -> tuple[PredictionFlag | None, str | None]:
    """The flag that a word names, and the value behind its `=`; None for a word that is no flag.

    Args:
        strict: whether an unknown flag is an error.
    """
    if word == "-" or not word.startswith("-"):
        return None, None
    name, equals, value = word.partition("=")
    by_short = {flag.short: flag for flag in known.values() if flag.short}
    flag = by_short.get(name) or (known.get(name[2:].replace("-", "_")) if name.startswith("--") else None)
    if flag is None and not word.startswith("--") and (short := by_short.get(word[:2])):  # -oOUT
        return short, word[2:]
    if flag is None and strict:
        hint = did_you_mean(name.lstrip("-").replace("-", "_"), known)
        raise UsageError(f"{name}: there is no such flag.{hint} --help lists all flags.")
    return flag, value if equals else None


def read_switch(name: str, word: str | None) -> bool:
    if word is not None and word.lower() not in (*TRUE, *FALSE):
        raise UsageError(f"--{name} {word}: must be true or false. --{name} alone means true.")
    return word is None or word.lower() in TRUE


def help_text(
    usage: str = USAGE, description: str = DESCRIPTION, flags: Sequence[PredictionFlag] = FLAGS
) -> str:  # fmt: skip
    """The answer to `--help`."""
    parser = ArgumentParser(
        usage=usage, description=description, add_help=False,
        formatter_class=lambda prog: RawDescriptionHelpFormatter(prog, max_help_position=NAME_COLUMN),
    )  # fmt: skip
    groups = {flag.group: parser.add_argument_group(flag.group) for flag in flags}
    for flag in flags:
        names = ([flag.short] if flag.short else []) + [f"--{flag.name}"]
        if flag.reader is None:
            groups[flag.group].add_argument(*names, action="store_true", help=flag.help)
        else:
            word = flag.word or f"{{{','.join(flag.reader.choices)}}}"
            groups[flag.group].add_argument(*names, metavar=word, help=flag.help)
    return parser.format_help()
