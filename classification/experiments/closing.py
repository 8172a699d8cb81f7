"""The end of a run whose model and results are saved: speed, label errors, other methods, push."""

from __future__ import annotations

from classification.cli.options import Options
from classification.errors import cosmetic
from classification.experiments.baselines import compare_with_baselines
from classification.experiments.label_errors import report_label_errors
from classification.experiments.runs import Run
from classification.log import log_lines
from classification.reporting.hub_push import push_model
from classification.reporting.run_result import Prepared, write_results
from classification.reporting.summary import log_results
from classification.training.loaders import end_workers
from classification.training.processes import stop_together


def close_run(options: Options, prepared: Prepared, run: Run) -> None:
    """Measure the speed, compare the model with other methods if asked, save and print what the run found."""
    result = prepared.result
    end_workers(prepared.trainer)
    with cosmetic("speed"):
        result.throughput = prepared.trainer.throughput(pads_to_max=options.encoding.pad_to_max_length)
    with stop_together(), cosmetic("--suspect_labels", result.lost):  # the other processes wait
        if options.run.suspect_labels and result.is_main_process:
            log_lines(report_label_errors(options, result.corpus.splits, result.task))
    if options.run.baselines:
        with cosmetic("--baselines", result.lost):
            result.comparison = compare_with_baselines(options, result.corpus, result, run)
    write_results(result, options.argv, options.as_typed)
    if result.is_main_process:
        log_results(result)
        push_model(options.push, options.output_dir)
