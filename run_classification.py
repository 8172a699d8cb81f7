"""Fine-tune a Hugging Face encoder on labelled text.

python run_classification.py --model_name_or_path bert-base-uncased --dataset_name imdb --output_dir out
python run_classification.py --train_file reviews.csv
python run_classification.py presets/imdb.yaml --num_train_epochs 2
"""

from __future__ import annotations

import sys
import time

from classification.cli.command import run_command, start_command

if __name__ == "__main__":  # before the imports below, which take seconds
    start_command(sys.argv[1:])

from transformers import set_seed

from classification.cli.options import Options
from classification.cli.parser import parse_arguments
from classification.cli.stopping import stoppable
from classification.data.findings import report
from classification.data.quality.token_findings import check_ids, inspect_tokens
from classification.data.truncation import Truncation
from classification.experiments.closing import close_run, log_next_steps, room_for
from classification.experiments.curve_points import curve_lines
from classification.experiments.data_report import report_on_data
from classification.experiments.push_check import check_push
from classification.experiments.repeating import record_and_compare
from classification.experiments.resuming import claim_and_decide, guard_run
from classification.experiments.search import search_settings
from classification.experiments.seeds_and_folds import run_study
from classification.experiments.teacher_of_run import add_teacher_logits, attach_teacher, choose_teacher
from classification.messages.log import Line, log_lines
from classification.messages.shown_texts import texts_shown
from classification.models.loading import load_classifier, load_config
from classification.reporting.console import console
from classification.reporting.output_folder import output_guarded
from classification.reporting.run_result import Prepared, RunResult, raise_lost
from classification.reporting.scores import predict_and_score
from classification.training.disk_space import check_start
from classification.training.dry_run import dry_run
from classification.training.faults import faults_armed
from classification.training.loaders import end_workers
from classification.training.phases import train_and_save
from classification.training.plan import build_trainer, check_model, plan_training
from classification.training.processes import main_process_first, stop_together
from data_utils import encode_corpus, load_corpus, make_collator


def main(argv: list[str] | None = None) -> dict:
    """Run the command line `argv`: one training, or with `--seeds` or `--folds` several.

    Returns:
        What all_results.json holds; with `--dry_run`, the losses of one batch.

    Raises:
        UsageError: bad input, before the first step.
        RunError: training diverged, or a later error has cost a result; what was found before is saved.
        SystemExit: after `--help`; `Stopped` after a signal, or KeyboardInterrupt where a program has called `main`.
    """
    options = parse_arguments(sys.argv[1:] if argv is None else [str(word) for word in argv])
    with (
        console(quiet=options.is_quiet), stoppable(options.argv, options.output_dir, options.guarded_dir),
        faults_armed(options.run.faults), output_guarded(options.output_dir), texts_shown(options.run.report_texts),
    ):  # fmt: skip
        log_lines(options.note_lines())
        if options.run.check_data:
            return report_on_data(options, load_corpus, encode_corpus)
        check_push(options)
        if options.study:
            return run_study(options, run)
        if options.search:
            options = search_settings(options, run)
        result = run(options)
        if not options.run.dry_run:
            log_next_steps(result)
        raise_lost(result.lost, result.output_dir)
        return result.metrics


def run(options: Options, fold: tuple[int, int] | None = None) -> RunResult:
    """One run, by itself or in a study: prepare, then train, evaluate and predict as the options ask.

    Args:
        fold: number (from 0) and count of folds; that fold is the validation set.
    """
    start = time.perf_counter()
    prepared = prepare(options, fold)
    result = prepared.result
    if result.is_finished_before:
        return result
    result.seconds["prepare"] = time.perf_counter() - start
    if options.run.dry_run:
        result.metrics |= dry_run(prepared.trainer, prepared.encoded)
        end_workers(prepared.trainer)
        return result
    with room_for(options, prepared):
        for phase, function in (("train", train), ("eval", evaluate), ("predict", predict)):
            if phase in options.phases:
                with result.timed(phase):
                    function(options, prepared)
    result.seconds["total"] = time.perf_counter() - start
    close_run(options, prepared, run)
    return result


@stop_together()
def prepare(options: Options, fold: tuple[int, int] | None = None) -> Prepared:
    """Everything before the first step: read, check, decide, encode; each decision is printed with its reason."""
    folder, hardware = claim_and_decide(options)
    set_seed(hardware.args.seed)
    with main_process_first():
        config = load_config(options.model)
        corpus = load_corpus(options, config, fold)
        log_lines(corpus.summary(), title="data")
        report(corpus.findings, strict=options.run.strict)
        teacher = choose_teacher(options, corpus, hardware, fold)
        plan = plan_training(
            hardware.args, corpus.task, corpus.train_labels, options.loss, options.training, corpus.validation_labels,
            unlabelled=len(corpus.unlabelled or ()),
        )  # fmt: skip
        log_lines(curve_lines(options, corpus, hardware.args))
        loaded = load_classifier(
            options.model, config, corpus.task, training=options.trains, device=hardware.device,
            precision=hardware.precision, compiled=hardware.args.torch_compile, attention=hardware.attention,
            pairs=corpus.has_pairs, train=corpus.splits.get("train"), prior=plan.prior,
        )  # fmt: skip
        check_model(loaded.model, options.training)
        tokenizer, truncation = loaded.tokenizer, Truncation.from_config(loaded.model.config)
        length, pads = tokenizer.model_max_length, options.encoding.pad_to_max_length
        encoded = encode_corpus(corpus.texts, tokenizer, options.encoding, max_length=length, truncation=truncation)
    tokens = inspect_tokens(encoded, corpus.texts, tokenizer, truncation)
    log_lines(tokens.summary(encoded, length, truncation))
    check_ids(encoded, tokenizer, loaded.model, corpus.texts)
    report(tokens.findings, strict=options.run.strict)
    collator = make_collator(
        tokenizer, max_length=length, pad_to_max_length=pads, multiple_of=8 if hardware.precision.is_half else None,
        in_windows=truncation.in_windows,
    )  # fmt: skip
    trainer = build_trainer(plan, hardware.args, loaded.model, tokenizer, encoded, collator, pads_to_max=pads)
    log_lines([*loaded.lines, *hardware.summary()], title="model")
    taught = attach_teacher(trainer, teacher, options.training.teacher, corpus)
    log_lines([*trainer.summary(plan.schedule), *taught] if plan.schedule else [], title="training")
    result = RunResult(corpus, tokens, corpus.task, options.output_dir, options.kept_model, options.head_at_zero)
    prepared = guard_run(options, Prepared(encoded, trainer, folder, result), hardware)
    schedule = None if result.is_finished_before else plan.schedule
    check_start(trainer, schedule, checkpoint=folder.checkpoint, merges=options.model.lora_merge)
    result.inputs = record_and_compare(options, result, trainer.facts)
    return prepared


def train(options: Options, prepared: Prepared) -> None:
    """Train, reload the best checkpoint, calibrate and choose the decision rule, save model and tokenizer."""
    result = prepared.result
    add_teacher_logits(options, prepared)
    trained = train_and_save(
        prepared.trainer, result.corpus, prepared.encoded, checkpoint=prepared.folder.checkpoint,
        choices=options.training, merges_adapters=options.model.lora_merge, lost=result.lost,
    )  # fmt: skip
    result.add_trained(trained, prepared.trainer.task)


def evaluate(options: Options, prepared: Prepared) -> None:
    """Score validation with the weights that are kept."""
    predict_and_score(prepared, "validation", prepared.trainer.objective)


def predict(options: Options, prepared: Prepared) -> None:
    """Predict test, write predictions.csv, score the labelled rows."""
    if "test" not in prepared.encoded:
        line = Line("", "[Test] there are no test rows, so there is no test result (add --test_file)")
        return log_lines([] if options.is_part else [line])
    predict_and_score(prepared, "test", file="predictions.csv", safe=options.run.csv_safe)


if __name__ == "__main__":
    run_command(main)
