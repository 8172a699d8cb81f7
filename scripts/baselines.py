"""Classical methods and a bidirectional LSTM on the same rows, with the same metrics: is the large model worth it?

    python scripts/baselines.py --train_file reviews.csv --test_file test.csv

with the flags of run_classification.py, or with `--baselines` in a training run, whose model then stands in the same
table and is compared with the best of them. Weights come from train alone; validation decides which baseline is the
best, and which epoch of the LSTM; nothing is decided by test.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from accelerate import PartialState

from arguments import parse_arguments
from classification.data.corpus import prepare_rows
from classification.data.findings import refuse, say_findings
from classification.data.readers import work_offline_if_hub_is_unreachable
from classification.errors import UsageError, exit_on_usage_error
from classification.experiments.baselines import run_baselines
from classification.experiments.comparison import FILE, say_baselines, write_baselines
from classification.reporting.console import configure_logging, say_rows
from classification.training.checkpoints import check_output_dir, move_aside
from run_classification import run

logger = logging.getLogger("recipe")


def main(argv: list[str] | None = None) -> dict:
    """The baselines without a model: the command line of run_classification.py, of which the data counts.

    Returns:
        By name the figures of each method, as baselines.json has them.
    """
    argv = [*(sys.argv[1:] if argv is None else map(str, argv))]
    asked = any(word.partition("=")[0] == "--baselines" for word in argv)
    settings = parse_arguments(argv if asked else [*argv, "--baselines=all"])
    for flag in ("dry_run", "suspect_labels"):
        if getattr(settings.run, flag):
            raise UsageError(f"--{flag}: belongs to run_classification.py (also with --check_data). Leave it out here.")
    configure_logging()
    for note in settings.notes:
        logger.info("note         %s", note)
    overwrite = settings.run.overwrite_output_dir
    check_output_dir(settings.output_dir, overwrite=overwrite, resume=None, inputs=settings.inputs)
    if settings.needs_hub:
        work_offline_if_hub_is_unreachable()
    rows = prepare_rows(settings, config=None, fold=None)
    say_rows(rows)
    say_findings(rows.findings)
    refuse(rows.findings, strict=settings.run.strict)
    if overwrite and PartialState().is_main_process:
        move_aside(settings.output_dir)
    results = run_baselines(settings, rows.splits, rows.labels, run)
    if PartialState().is_main_process:
        say_baselines(results, rows.labels)
        write_baselines(settings.output_dir, results, {})
        logger.info("\nWritten to %s", settings.output_dir / FILE)
    return {name: result.as_dict() for name, result in results.items()}


if __name__ == "__main__":
    exit_on_usage_error(main)
