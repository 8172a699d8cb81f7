"""What stays of the trials of a search: records and predictions of each; checkpoints of the best one until its run."""

from __future__ import annotations

from pathlib import Path

from classification.experiments.run_parts import tidy_part
from classification.experiments.search_record import SearchRecord
from classification.experiments.study_closing import files_of_model
from classification.reporting.output_folder import TRIALS
from classification.reporting.run_lock import remove_stale_lock


def tidy_losers(folder: Path, record: SearchRecord, *, keep_best: bool = True) -> None:
    """Delete the checkpoints and models of all trials that have ended, but the best one's checkpoints.

    Only in the main process, after the record is written: what is deleted is never needed again.
    """
    best = record.best
    for trial in record.trials:
        place = folder / TRIALS / trial.name
        if not (keep_best and best is not None and trial.number == best.number):
            tidy_part(place)
        for file in files_of_model(place):
            file.unlink()
        remove_stale_lock(place)
