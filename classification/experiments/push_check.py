"""Before training: a push that cannot succeed ends the run at once."""

from __future__ import annotations

from classification.cli.options import Options
from classification.messages.log import log_lines
from classification.reporting.hub_check import check_hub
from classification.training.finished_run import finished_run
from classification.training.processes import stop_together, this_process


def check_push(options: Options) -> None:
    """Ask the Hub whether the model can be pushed; by one process, and not where nothing is trained.

    Raises:
        UsageError: it cannot.
    """
    if options.push is None or options.run.dry_run:
        return
    if options.run.resume and finished_run(options.output_dir):
        return
    with stop_together():
        if this_process().is_main_process:
            log_lines(check_hub(options.push, options.output_dir))
