"""Before the first step: what the run is, whether it may resume, and whether there is anything left to do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from transformers import AutoConfig

from classification.cli.checks.trainer_table import repeated_arguments
from classification.cli.hardware import Hardware, decide_hardware
from classification.cli.options import Options
from classification.data.fingerprints import fingerprint
from classification.data.slice_columns import slice_columns
from classification.data.tasks import task_from_config
from classification.errors import UsageError, cosmetic
from classification.experiments.closing import forget_parts
from classification.experiments.finished_results import makes_again
from classification.experiments.search_closing import record_search_again
from classification.messages.log import Line, log_lines, warning
from classification.reporting.differences import describe_place, mapping
from classification.reporting.environment import environment
from classification.reporting.output_folder import OutputFolder
from classification.reporting.run_result import Prepared
from classification.reporting.summary import log_metrics
from classification.training.finished_run import finished_run
from classification.training.resume_guard import printed, resume_as, steps_done, with_later_flags
from classification.training.run_decisions import run_decisions, stored_decisions, stored_facts
from classification.training.run_fingerprint import (
    STEPS,
    Fingerprint,
    chooses_best,
    describe_rows,
    run_fingerprint,
    use_fingerprint,
)
from classification.training.schedule import Schedule
from classification.training.unmarked_runs import was_finished, what_is_known

ROWS = "rows"
UNRECORDED = (ROWS, "hub_revision")  # of what is asked, what older finished runs do not say


def claim_and_decide(options: Options) -> tuple[OutputFolder, Hardware]:
    """Lock the output folder, find the checkpoint, and decide by flags and hardware.

    A run that is resumed keeps its earlier decisions.

    Raises:
        UsageError: the folder, the checkpoint or a flag cannot be used.
    """
    folder = OutputFolder.claim(
        options.output_dir,
        options.guarded_dir,
        resume=options.run.resume,
        inputs=options.inputs,
        overwrite=options.run.overwrite_output_dir,
        check=not options.run.dry_run,
    )
    resumes = options.run.resume is not None
    return folder, decide_hardware(options, stored_decisions(folder.checkpoint, folder.path, resumes=resumes))


def guard_run(options: Options, prepared: Prepared, hardware: Hardware) -> Prepared:
    """Give the run its fingerprint, and refuse to resume another run.

    A run that is finished has the results of then, and `RunResult.is_finished_before` is true.

    Raises:
        UsageError: `--resume`, and data, labels or flags are not those of the checkpoint.
    """
    trainer, result, folder = prepared.trainer, prepared.result, prepared.folder
    decisions = run_decisions(hardware.device, hardware.precision.name, trainer.model, hardware.args)
    new = fingerprint_of(options, prepared, decisions)
    facts = {"decisions": decisions, "fingerprint": new}
    trainer.facts.update(facts, environment=environment())
    result.facts = {**facts, "asked": what_is_asked(options, prepared)}
    if options.run.resume is None:
        return prepared
    record = as_recorded_now(finished_run(folder.path), result.facts)
    begins = folder.checkpoint is None and options.run.overwrite_output_dir
    is_alike = bool(record) and record["fingerprint"] == new
    is_same = is_alike and record["asked"] == result.facts["asked"]
    if not is_same and options.trains and (folder.checkpoint is not None or (record and not begins)):
        guard_resume(options, prepared, new)
        is_same = was_finished_by_first_version(options, prepared, new)
    if is_same and not options.is_part and makes_again(options, prepared, record):
        return prepared
    if is_same:
        use_finished(options, prepared)
    elif record and folder.checkpoint is None and not begins:
        has_model = options.trains and not options.is_part
        use = f"pass --do_predict --model_name_or_path {folder.path} and" if has_model else "choose"
        raise UsageError(
            f"--resume {options.run.resume}: the run in {folder.path} is finished and has no checkpoint, so that this "
            f"command, which asks for other results ({other_results(record, result.facts)}), cannot continue it. "
            f"Give the old values, or {use} another --output_dir."
        )
    elif is_alike:
        what = f"this command asks for other results ({other_results(record, result.facts)})"
        log_lines([Line("resume", f"the run is finished, and {what}: nothing is trained")])
    return prepared


def as_recorded_now(record: Mapping[str, object], facts: Mapping[str, object]) -> dict[str, object]:
    """run.json of a finished run as this version writes it: what an older one did not record counts as equal.

    Args:
        record: empty where no run is finished. facts: of this run, `fingerprint` and `asked`.
    """
    if not record:
        return {}
    asked = mapping(facts, "asked")
    return {
        **record,
        "fingerprint": with_later_flags(mapping(record, "fingerprint"), mapping(facts, "fingerprint")),
        "asked": {name: asked[name] for name in UNRECORDED} | dict(mapping(record, "asked")),
    }


def other_results(then: Mapping[str, object], now: Mapping[str, object]) -> str:
    """What a command asks for in another way than the finished run, with both values."""
    old, new = flat_facts(then), flat_facts(now)
    names = [name for name in {**old, **new} if old.get(name) != new.get(name)]
    return "; ".join(f"{name}: {printed(old.get(name))} then, {printed(new.get(name))} now" for name in names)


def flat_facts(facts: Mapping[str, object]) -> dict[str, object]:
    """The fingerprint, and what is asked for, by flag."""
    found: dict[str, object] = dict(mapping(facts, "fingerprint"))
    for name, value in mapping(facts, "asked").items():
        if name == "test":
            found["test rows"] = describe_rows(value) if isinstance(value, Mapping) else None
        elif isinstance(value, Mapping) and name == ROWS:
            found |= {f"ids and slices of {split}": digest for split, digest in value.items()}
        else:
            text = ", ".join(map(str, value)) or None if isinstance(value, list) else value
            found[name if name == "phases" else f"--{name}"] = text
    return found


def was_finished_by_first_version(options: Options, prepared: Prepared, new: Fingerprint) -> bool:
    folder, splits = prepared.folder, prepared.result.corpus.splits
    is_last = steps_done(folder.checkpoint) >= int(str(new[STEPS])) or options.training.patience is not None
    return is_last and was_finished(folder.path, splits, options.phases, options.as_typed)


def guard_resume(options: Options, prepared: Prepared, new: Fingerprint) -> None:
    """Compare the run with the one that it resumes.

    Raises:
        UsageError: they differ.
    """
    checkpoint, trainer = prepared.folder.checkpoint, prepared.trainer
    facts = stored_facts(checkpoint, prepared.folder.path)
    old = facts.get("fingerprint")
    if not isinstance(old, Mapping):
        assert checkpoint is not None
        shapes = {name: tuple(tensor.shape) for name, tensor in trainer.model.state_dict().items()}
        old = what_is_known(checkpoint, new, shapes)
        known = ", ".join(old)
        log_lines(
            [warning(f"resume       {checkpoint} does not say what it was trained with: only {known} are compared")]
        )
    anyway = options.run.resume_anyway if checkpoint is not None and not options.is_part else None
    source = checkpoint or str(options.run.resume)
    resume_as(trainer, source, facts, old, new, anyway=anyway, done=steps_done(checkpoint))
    if checkpoint:
        log_lines(describe_place(mapping(facts, "environment"), environment()))
    if "resumed_anyway" in trainer.facts:
        prepared.result.facts["resumed_anyway"] = trainer.facts["resumed_anyway"]


def fingerprint_of(options: Options, prepared: Prepared, decisions: Mapping[str, object]) -> Fingerprint:
    trainer, pads = prepared.trainer, options.encoding.pad_to_max_length
    if not options.trains:
        return use_fingerprint(trainer, prepared.result.data_facts, pads_to_max=pads, decisions=decisions)
    with_best = chooses_best(trainer.args, options.training.patience)
    return run_fingerprint(
        trainer,
        prepared.result.data_facts,
        options.training,
        options.model,
        pads_to_max=pads,
        arguments=repeated_arguments(with_best=with_best),
        decisions=decisions,
        steps=Schedule.from_args(trainer.args, prepared.result.corpus.num_train_rows).steps,
    )


def what_is_asked(options: Options, prepared: Prepared) -> dict[str, object]:
    """What decides the results beside the trained weights, as run.json holds it."""
    run, training, splits = options.run, options.training, prepared.result.corpus.splits
    asked = {
        "phases": sorted(options.phases),
        "test": prepared.result.data_facts.get("test"),
        ROWS: {split: fingerprint(rows, ("id", *slice_columns(rows)))[:12] for split, rows in splits.items()},
        "baselines": list(run.baselines),
        "suspect_labels": run.suspect_labels,
        "csv_safe": run.csv_safe,
        "metric_name": training.metric_name,
        **asked_decisions(options),
        "slice_columns": list(options.columns.slices),
        "neighbours": run.neighbours,
        "report_texts": run.report_texts,
        "lora_merge": options.model.lora_merge,
        "push": options.push.repo_id if options.push else None,
        "hub_revision": options.push.revision if options.push else None,
        **({"push_report": True} if options.push and options.push.with_report else {}),
        **({"learning_curve": list(run.learning_curve)} if run.learning_curve else {}),
    }
    return json.loads(json.dumps(asked))


def asked_decisions(options: Options) -> dict[str, object]:
    """How a label is decided: temperatures and the rule, as run.json and search.json hold them."""
    return json.loads(json.dumps({"calibrate": options.training.calibrate, **options.training.rule.asked()}))


def use_finished(options: Options, prepared: Prepared) -> None:
    """Fill the result from the files of the finished run; nothing is written."""
    result, folder = prepared.result, prepared.folder.path
    result.metrics = json.loads((folder / "all_results.json").read_text(encoding="utf-8"))
    result.is_finished_before, result.seconds["total"] = True, 0.0
    if (folder / "config.json").is_file():
        with cosmetic("the thresholds of the finished run"):
            result.task = task_from_config(AutoConfig.from_pretrained(folder), options.hints)
    log_lines([Line("resume", f"this run is finished: nothing to do; its results are in {folder}")])
    record_search_again(options, result)
    forget_parts(options)
    if result.is_main_process and not options.is_part:
        with cosmetic("table of metrics"):
            log_metrics(result.metrics, result.task)
