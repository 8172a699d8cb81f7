"""How many new rows per second a trained model labels, from text to label: tokenising, then the forward pass."""

from __future__ import annotations

import logging
import time

from datasets import Dataset

from classification.data.corpus import text_columns
from classification.data.encoding import encode_batch
from classification.data.hub_access import HubAccess
from classification.data.truncation import Truncation
from classification.errors import first_line
from classification.experiments.comparison import SPEED_SPLITS
from classification.experiments.runs import FinishedRun
from classification.models.choice import ModelChoice
from classification.models.tokenization import load_tokenizer
from classification.report.json_fields import mapping_in

logger = logging.getLogger(__name__)

MAX_ROWS = 1000  # that are tokenised once more, because the run may have read their tokens from its cache


def speed_of_run(finished: FinishedRun, choice: ModelChoice) -> float | None:
    """Rows per second of the evaluations of a run, with the time in which one process tokenises; None if unknown."""
    speed = mapping_in(finished.throughput, "evaluation").get("rows_per_second")
    split = next((split for split in SPEED_SPLITS if split in finished.predictions), None)
    if not speed or split is None:
        return None
    try:
        seconds = seconds_to_tokenise(finished, choice, finished.predictions[split].rows)
    except Exception as error:  # whatever a tokenizer raises: the comparison goes on
        logger.warning("rows per second are unknown: %s", first_line(error))
        return None
    return 1 / (1 / speed + seconds)


def seconds_to_tokenise(finished: FinishedRun, choice: ModelChoice, rows: Dataset) -> float:
    """Seconds per row, by the tokenizer that the run has saved."""
    tokenizer = load_tokenizer(str(finished.output_dir), HubAccess())
    truncation = Truncation.choose(choice.truncation_strategy, choice.window_stride)
    step = -(-len(rows) // MAX_ROWS)
    sample = rows.select(range(0, len(rows), step))
    texts = {name: sample[name][:] for name in text_columns(sample)}
    start = time.perf_counter()
    encode_batch(texts, tokenizer=tokenizer, max_length=tokenizer.model_max_length, truncation=truncation)
    return (time.perf_counter() - start) / len(sample)
