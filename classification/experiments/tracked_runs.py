"""How a run is called in the trackers of `--report_to`, and which flags they show."""

from __future__ import annotations

from contextlib import AbstractContextManager

from classification.cli.options import Options
from classification.messages.redaction import hide_secrets, secrets_in, secrets_of
from classification.reporting.run_result import Prepared
from classification.training.tracker_kinds import TrackedRun
from classification.training.trackers import tracked

NOT_SHOWN = ("resume", "resume_anyway", "overwrite_output_dir", "inject_fault")  # others when the run continues


def tracking(options: Options, prepared: Prepared) -> AbstractContextManager[None]:
    """Inside, the run is tracked; see `tracked`."""
    return tracked(
        prepared.trainer, tracked_run(options, prepared.result.task.headline), prepared.result.metrics,
        resumes=prepared.folder.checkpoint is not None,
    )  # fmt: skip


def tracked_run(options: Options, headline: str) -> TrackedRun:
    """A run has the name of `--run_name` or of its folder; in a study, also that of the part."""
    flags = {name: value for name, value in options.as_typed.items() if name not in NOT_SHOWN}
    secrets = tuple([*secrets_of(options.argv), *secrets_in({**flags, **options.trainer})])
    part = options.output_dir.name if options.member_of else None
    given = str(options.trainer.get("run_name") or "")
    folder = options.output_dir.resolve()
    name = given or (folder.parent.name if part else folder.name)
    name = hide_secrets(name, secrets)
    return TrackedRun(
        f"{name}-{part}" if part else name, options.output_dir, group=name if part else None, part=part, flags=flags,
        secrets=secrets, metrics=(f"test/{headline}", f"eval/final_{headline}", f"eval/{headline}", "eval/loss"),
    )  # fmt: skip
