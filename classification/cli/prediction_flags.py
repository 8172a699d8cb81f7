"""The command line of predict.py: every flag in one table, read into a frozen value without a library that is slow."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from classification.cli.command_table import CommandTable, TableFlag
from classification.cli.loading_flags import BATCH_TOKENS, DOWNLOADS, MODEL, PRECISION, READING, REVISION
from classification.cli.prediction_combinations import check_combinations
from classification.cli.prediction_paths import check_paths
from classification.cli.prediction_values import READERS, default_output

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


INPUT, OUTPUT, LARGE, TERMINAL, MORE = "input", "output", "large inputs", "at the terminal", "more about the rows"
R = READERS
FLAGS = (
    TableFlag("text_column_names", INPUT, "Text column; two, comma separated, for pairs. Default: as in training, "
                   "else a usual name.", R["name"], "A[,B]"),
    TableFlag("text_column_delimiter", INPUT, "Join the text columns with this into one text.", R["any"], "TEXT"),
    TableFlag("label_column_name", INPUT, "Labels to score against. Default: as in training, else a usual name.",
                   R["name"], "NAME"),
    TableFlag("label_column_names", INPUT, "Labels to score against: one 0/1 column per label. Default: as in "
                   "training.", R["name"], "A,B"),
    TableFlag("label_delimiter", INPUT, "Text between the labels of one cell. Default: as in training.", R["any"],
                   "TEXT"),
    TableFlag("input_format", INPUT, "Format of the input where its name does not tell.", R["input_format"]),
    TableFlag("on_bad_row", INPUT, "A row that cannot be read or has no text: stop, keep it with an empty "
                   "prediction and a column error, or leave it out (default: error).", R["on_bad_row"]),
    TableFlag("split", INPUT, "Split of a data set. Default: the only one, or test.", R["name"], "NAME"),
    TableFlag("dataset_config_name", INPUT, "Configuration of a data set on the Hub.", R["name"], "NAME"),
    TableFlag("dataset_revision", INPUT, "Branch, tag or commit of a data set on the Hub.", R["name"], "NAME"),
    TableFlag("output_file", OUTPUT, "Where the predictions go; - is standard output. Default: INPUT.predictions "
                   "in this folder.", R["name"], "OUT", short="-o"),
    TableFlag("format", OUTPUT, "Format of the output. Default: by the name of OUT, else the input's.",
                   R["format"]),
    TableFlag("top_k", OUTPUT, "Only the K most probable labels, with their probabilities.", R["count"], "K"),
    TableFlag("abstain_below", OUTPUT, "No prediction where the model is less sure than this probability.",
                   R["probability"], "P"),
    TableFlag("output_prefix", OUTPUT, "Put this before the names of the new columns.", R["name"], "TEXT"),
    TableFlag("csv_safe", OUTPUT, "Put an apostrophe before cells that a spreadsheet would run."),
    TableFlag("overwrite", OUTPUT, "Replace OUT if it exists."),
    *READING,
    PRECISION,
    TableFlag("variant", MODEL, "int8 is faster on a CPU and prints how often it agrees (default: default).",
                   R["variant"]),
    BATCH_TOKENS,
    REVISION,
    TableFlag("token", MODEL, "Access token of the Hub. Better: the variable HF_TOKEN.", R["name"], "TOKEN"),
    *DOWNLOADS,
    TableFlag("resume", LARGE, "Continue a prediction that was stopped."),
    TableFlag("shard", LARGE, "Predict part I of N only, for N machines.", R["shard"], "I/N"),
    TableFlag("join", LARGE, "Join the parts of all shards into OUT.", R["folders"], "DIR,DIR"),
    TableFlag("text", TERMINAL, "A text to predict; repeat it for more.", R["text"], "TEXT", repeats=True),
    TableFlag("text_pair", TERMINAL, "The second text of each --text.", R["text"], "TEXT", repeats=True),
    TableFlag("interactive", TERMINAL, "Ask for texts until an empty line."),
    TableFlag("explain", MORE, "Mark the words that carried each decision."),
    TableFlag("explain_html", MORE, "Write the explanations of --text to this page.", R["name"], "FILE"),
    TableFlag("most_uncertain", MORE, "Also write the N rows most worth labelling.", R["count"], "N"),
    TableFlag("uncertain_file", MORE, "Where they go. Default: OUT.uncertain.csv.", R["name"], "FILE"),
)  # fmt: skip
TABLE = CommandTable(USAGE, DESCRIPTION, FLAGS)


def read_prediction_flags(argv: Sequence[str]) -> PredictionOptions:
    """The checked command line; imports no library that takes long, and reads no data.

    Raises:
        UsageError: a flag that is wrong, unknown or contradicts another; names the flag, the value and the remedy.
        SystemExit: after `--help`.
    """
    values, places = TABLE.read(argv)
    check_combinations(values, places)
    model, source = (*places, None, None)[:2]
    for name in ("text", "text_pair"):
        values[name] = tuple(values.get(name, ()))
    values |= {"model": model or "", "input": source, "argv": tuple(argv)}
    values.setdefault("output_file", default_output(source, values))
    check_paths(values)
    return PredictionOptions(**values)
