"""From the command line of predict.py to the values that the lower floors take."""

from __future__ import annotations

from pathlib import Path

from classification.cli.prediction_flags import PredictionOptions
from classification.cli.prediction_stop import job_command
from classification.cli.prediction_values import STDOUT
from classification.data.column_names import Columns
from classification.data.hub_access import HubAccess
from classification.data.named_columns import split_names
from classification.data.sources.row_batches import EXPLAINED_ROWS, InputSource
from classification.inference.answer_columns import AnswerChoice
from classification.inference.file_prediction import RowsRequest
from classification.inference.jobs import Shard
from classification.inference.output_job import Target

CHANGE_OUTPUT = (  # flags that change it, beside the model, the layout and the columns
    "top_k", "abstain_below", "on_bad_row", "precision", "variant", "label_column_name", "label_column_names",
    "label_delimiter", "explain", "most_uncertain",
)  # fmt: skip


def input_source(options: PredictionOptions) -> InputSource:
    return InputSource(
        str(options.input), options.input_format, keep_bad_rows=options.on_bad_row != "error",
        part_rows=EXPLAINED_ROWS if options.explain else None,
        config_name=options.dataset_config_name, split=options.split, revision=options.dataset_revision,
        token=HubAccess(token=options.token).token, cache_dir=options.cache_dir,
    )  # fmt: skip


def rows_request(options: PredictionOptions) -> RowsRequest:
    target = None
    if options.output_file != STDOUT:
        shard = None if options.shard is None else Shard(*options.shard)
        target = Target(Path(options.output_file), options.resume, options.overwrite, shard)
    choice = AnswerChoice(options.top_k, options.abstain_below, options.output_prefix, explains=options.explain)
    labels = Columns(
        label=options.label_column_name, labels=split_names(options.label_column_names),
        label_delimiter=options.label_delimiter,
    )  # fmt: skip
    flags = {f"--{name}": str(getattr(options, name)) for name in CHANGE_OUTPUT}
    return RowsRequest(
        options.output_file, target, choice, options.text_column_names, options.text_column_delimiter,
        labels, options.on_bad_row, options.format, options.csv_safe, options.most_uncertain,
        options.uncertain_file, flags, job_command(options.argv),
    )  # fmt: skip
