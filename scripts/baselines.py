"""Classical methods and a bidirectional LSTM on the same rows, with the same metrics: is the large model worth it?

    python scripts/baselines.py --train_file reviews.csv --test_file test.csv

takes the flags of run_classification.py. With `--baselines` in a training run, the run's model joins the table and is
compared with the best baseline. All methods are fitted on train only. Validation selects the best baseline, and the
epoch of the LSTM; test selects nothing.
"""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.command import run_command, start_command
from classification.cli.flags import Flags
from classification.cli.parser import checked_flags
from classification.errors import UsageError


def read_flags(argv: list[str]) -> Flags:
    """The flags of a command line, with all baselines unless `--baselines` names some."""
    are_named = any(word.partition("=")[0] == "--baselines" for word in argv)
    flags = checked_flags(argv if are_named else [*argv, "--baselines=all"])
    for flag in ("dry_run", "suspect_labels", "learning_curve", "search"):
        if getattr(flags.run, flag):
            raise UsageError(f"--{flag}: belongs to run_classification.py. Leave it out here.")
    return flags


if __name__ == "__main__":  # before the imports below, which take seconds
    start_command(sys.argv[1:], read_flags)

from accelerate import PartialState

from classification.cli.build_options import build_options
from classification.cli.options import Options
from classification.data.findings import refuse, summary_of
from classification.experiments.baselines import run_baselines
from classification.experiments.comparison import FILE, Comparison, Result
from classification.experiments.run_parts import forget_predictions
from classification.messages.log import Line, log_lines
from classification.messages.shown_texts import texts_shown
from classification.reporting.console import console
from classification.reporting.output_folder import OutputFolder, output_guarded
from classification.reporting.run_result import raise_lost
from classification.training.processes import stop_together
from data_utils import load_corpus
from run_classification import run


def main(argv: list[str] | None = None) -> dict[str, dict]:
    """Fit the baselines without a model; the command line is that of run_classification.py.

    Returns:
        The metrics of each method by its name, as in baselines.json.
    """
    options = build_options(read_flags(sys.argv[1:] if argv is None else [str(word) for word in argv]))
    shown = texts_shown(options.run.report_texts)
    with console(quiet=options.is_quiet), output_guarded(options.output_dir), shown:
        log_lines(options.note_lines())
        with stop_together():
            folder = OutputFolder.claim(
                options.output_dir,
                options.guarded_dir,
                overwrite=options.run.overwrite_output_dir,
                resume=None,
                inputs=options.inputs,
            )
        return fit_and_report(options, folder)


def fit_and_report(options: Options, folder: OutputFolder) -> dict[str, dict]:
    with stop_together():
        corpus = load_corpus(options)
        log_lines([*corpus.summary(), *summary_of(corpus.findings)])
        refuse(corpus.findings, strict=options.run.strict)
    results: dict[str, Result] = {}
    lost: list[str] = []
    with folder.room(lambda: bool(results)):  # in every process: they wait for each other
        results |= run_baselines(options, corpus, run, lost=lost)
        comparison = Comparison(results)
        if PartialState().is_main_process:
            comparison.log(corpus.task)
            comparison.write(options.output_dir)
            if not lost:
                forget_predictions(options.for_bilstm_baseline().output_dir)
            log_lines([Line("", f"\nSaved in {options.output_dir / FILE}")])
    raise_lost(lost, options.output_dir, "")
    return comparison.results_as_dict()


if __name__ == "__main__":
    run_command(main)
