"""Fine-tune a Hugging Face encoder on labelled text.

python run_classification.py --model_name_or_path bert-base-uncased --dataset_name imdb --output_dir out
python run_classification.py --train_file reviews.csv
python run_classification.py presets/imdb.yaml --num_train_epochs 2
python run_classification.py --help
"""

from __future__ import annotations

import logging
import os
import sys
import time
from dataclasses import dataclass, field

from arguments import parse_arguments
from classification.errors import exit_on_usage_error

if __name__ == "__main__":
    exit_on_usage_error(parse_arguments, sys.argv[1:])  # before the slow imports: --help and typos are answered at once
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # said before a fork, so that no warning follows one

import numpy as np
from accelerate import PartialState
from datasets import DatasetDict
from transformers import TrainingArguments, set_seed

from classification.cli.options import Settings
from classification.data.corpus import prepare_rows
from classification.data.findings import Finding, refuse, say_findings
from classification.data.labels import LabelSpace
from classification.data.quality.token_findings import check_ids, look_at_tokens
from classification.data.readers import work_offline_if_hub_is_unreachable
from classification.data.truncation import Truncation
from classification.evaluation.decisions import probabilities
from classification.evaluation.metrics import LOWER_IS_BETTER, check_best_metric, headline, load_metric, score_labelled
from classification.evaluation.thresholds import tune_thresholds
from classification.experiments.baselines import beside_the_model
from classification.experiments.comparison import Result, say_baselines, say_comparison
from classification.experiments.data_report import check_data
from classification.experiments.label_errors import look_for_suspects
from classification.experiments.seeds_and_folds import run_study
from classification.models.freezing import choose_trainable, merged, say_trainable
from classification.models.loading import load_classifier, load_config
from classification.models.precision import Precision, decide_precision, device_arguments, device_type, refuse_unfit
from classification.models.regression_head import own_units
from classification.models.tokenization import check_room
from classification.reporting.console import (
    configure_logging,
    say_arithmetic,
    say_best,
    say_lengths,
    say_objective,
    say_results,
    say_rows,
    say_schedule,
    say_speed,
    say_where,
)
from classification.reporting.run_record import Predictions, write_predictions, write_run
from classification.training.callbacks import short_name
from classification.training.checkpoints import check_output_dir, find_resume, move_aside, remove_empty
from classification.training.dry_run import show_batch
from classification.training.objective import Objective, class_weights
from classification.training.samplers import class_draw_weights
from classification.training.schedule import Schedule
from classification.training.trainer import ClassificationTrainer
from data_utils import encode_splits, make_collator

logger = logging.getLogger("recipe")


@dataclass
class Run:
    """What the phases of one run hand on."""

    settings: Settings
    splits: DatasetDict
    encoded: DatasetDict
    trainer: ClassificationTrainer
    resume: str | None = None
    results: dict = field(default_factory=dict)
    predictions: dict[str, Predictions] = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)
    throughput: dict = field(default_factory=dict)
    tokens: dict = field(default_factory=dict)
    findings: list[Finding] = field(default_factory=list)
    baselines: dict[str, Result] = field(default_factory=dict)
    comparison: dict = field(default_factory=dict)

    @property
    def labels(self) -> LabelSpace:
        return self.trainer.labels

    @property
    def model(self) -> str:
        """What `pipeline` is given."""
        return str(self.settings.output_dir if self.settings.wants("train") else self.settings.model.model_name_or_path)


def main(argv: list[str] | None = None) -> dict:
    """Run the command line `argv`: one training, or with `--seeds` or `--folds` several.

    Returns:
        What all_results.json holds; with `--dry_run`, the losses of one batch.

    Raises:
        UsageError: bad input, before the first step.
        SystemExit: after `--help`.
    """
    argv = sys.argv[1:] if argv is None else [str(word) for word in argv]
    settings = parse_arguments(argv)
    configure_logging()
    for note in settings.notes:
        logger.info("note         %s", note)
    if settings.run.check_data:
        return check_data(settings)
    if settings.study:
        return run_study(settings, run)
    outcome = run(settings)
    if outcome.trainer.is_world_process_zero() and not settings.run.dry_run:
        say_where(settings.output_dir, model=outcome.model, labels=outcome.labels, seconds=outcome.seconds["total"])
    return outcome.results


def run(settings: Settings, fold: tuple[int, int] | None = None) -> Run:
    """Prepare, then train, evaluate and predict as far as was asked, then write the account: one run, whether it
    stands alone or is one of a study.

    Args:
        fold: number (from 0) and count of folds; that fold is the validation set.
    """
    start = time.perf_counter()
    made = [folder for folder in (settings.output_dir, settings.room) if not folder.exists()]
    outcome = prepare(settings, fold)
    outcome.seconds["prepare"] = time.perf_counter() - start
    if settings.run.dry_run:
        outcome.results = show_batch(outcome.trainer, outcome.encoded, outcome.trainer.processing_class)
        remove_empty(made)  # the Trainer made them
        return outcome
    make_room(outcome)
    for phase, does in (("train", train), ("eval", evaluate), ("predict", predict)):
        if settings.wants(phase):
            begin = time.perf_counter()
            does(outcome)
            outcome.seconds[phase] = time.perf_counter() - begin
    outcome.seconds["total"] = time.perf_counter() - start
    outcome.throughput = outcome.trainer.throughput(pads_to_max=settings.data.pad_to_max_length)
    write_run(outcome)
    if settings.run.suspect_labels and outcome.trainer.is_world_process_zero():
        look_for_suspects(settings, outcome.splits, outcome.labels)
    if settings.baselines:
        beside_the_model(outcome, run)
    report(outcome)
    return outcome


def prepare(settings: Settings, fold: tuple[int, int] | None) -> Run:
    """Everything before the first step: read, check, decide, encode; each decision is said with its reason."""
    device = device_type(settings.trainer.get("use_cpu", False))
    precision = decide_precision(settings.run.precision, device, int(os.environ.get("WORLD_SIZE", 1)))
    args = make_training_arguments(settings, device, precision)
    resume = find_resume(settings.run.resume, settings.output_dir)
    if not settings.run.dry_run:
        check_output_dir(
            settings.room, overwrite=settings.run.overwrite_output_dir, resume=resume, inputs=settings.inputs
        )
    set_seed(args.seed)
    if settings.needs_hub:
        work_offline_if_hub_is_unreachable()
    config = load_config(**settings.config)
    training, schedule = settings.wants("train"), None
    with args.main_process_first(desc="reading and tokenising"):
        rows = prepare_rows(settings, config, fold)
        splits, labels = rows.splits, rows.labels
        say_rows(rows)
        say_findings(rows.findings)
        refuse(rows.findings, strict=settings.run.strict)
        extra = load_metric(settings.run.metric_name, labels)
        label_ids = splits["train"]["label"][:] if training else []
        weights = class_weights(settings.class_weights, labels, label_ids) if training else None
        objective = Objective(labels, class_weights=weights, **settings.loss_options)
        if training:
            check_best_metric(args.metric_for_best_model, extra, objective)
            schedule = Schedule.of(args, len(label_ids))
            schedule.check_early_stopping(settings.objective.early_stopping_patience)
        tokenizer, model = load_classifier(
            settings.model.model_name_or_path,
            config,
            labels if training else None,
            device=device,
            precision=precision,
            compiled=args.torch_compile,
            train=splits["train"] if settings.from_scratch else None,
            **settings.classifier,
        )
        if training:
            model = choose_trainable(model, **settings.trainable)
        how, max_length = Truncation.from_config(model.config), tokenizer.model_max_length
        check_room(tokenizer, how, pairs="text_pair" in next(iter(splits.values())).column_names)
        encoded = encode_splits(splits, tokenizer, max_length=max_length, how=how, **settings.encoding)
    tokens, of_tokens = look_at_tokens(encoded, splits, tokenizer, how)
    say_lengths(tokens, encoded, max_length, how)
    check_ids(encoded, tokenizer, model)
    say_findings(of_tokens)
    refuse(of_tokens, strict=settings.run.strict)
    say_arithmetic(args, precision, device)
    trainer = make_trainer(settings, args, precision, model, tokenizer, encoded, objective, extra)
    if training:
        say_trainable(model, args.learning_rate)
        say_objective(trainer)
        say_schedule(trainer, schedule, settings.objective.early_stopping_patience)
    return Run(settings, splits, encoded, trainer, resume, tokens=tokens, findings=rows.findings + of_tokens)


def make_training_arguments(settings: Settings, device: str, precision: Precision) -> TrainingArguments:
    """`TrainingArguments` from the device's decisions and the flags, which win."""
    if settings.run.logging_dir:
        os.environ["TENSORBOARD_LOGGING_DIR"] = settings.run.logging_dir
    best = settings.trainer["metric_for_best_model"].removeprefix("eval_")
    processes, workers = int(os.environ.get("LOCAL_WORLD_SIZE", 1)), settings.trainer.get("dataloader_num_workers")
    args = settings.training_arguments(
        greater_is_better=best not in LOWER_IS_BETTER, **device_arguments(device, precision, processes, workers)
    )
    refuse_unfit(args)
    return args


def make_trainer(settings, args, precision, model, tokenizer, encoded, objective, extra) -> ClassificationTrainer:
    train, patience = encoded.get("train"), settings.objective.early_stopping_patience
    balanced = train is not None and settings.objective.sampler == "balanced"
    return ClassificationTrainer(
        model=model,
        args=args,
        objective=objective,
        extra_metric=extra,
        draw_weights=class_draw_weights(train["labels"][:]) if balanced else None,
        patience=patience if train is not None else None,
        # As many tokens as the flag's rows have where all are long.
        eval_tokens=None
        if settings.data.pad_to_max_length
        else args.per_device_eval_batch_size * tokenizer.model_max_length,
        train_dataset=train,
        eval_dataset=encoded.get("validation"),
        processing_class=tokenizer,
        data_collator=make_collator(
            tokenizer,
            max_length=tokenizer.model_max_length,
            pad_to_max_length=settings.data.pad_to_max_length,
            multiple_of=8 if precision.is_half else None,
            in_windows=Truncation.from_config(model.config).in_windows,
        ),
    )


def make_room(run: Run) -> None:
    """Move another run in the output folder aside (`--overwrite_output_dir`), now that this one is sure to begin."""
    settings = run.settings
    if run.trainer.is_world_process_zero() and settings.run.overwrite_output_dir and not run.resume:
        if settings.output_dir != settings.room:
            remove_empty([settings.output_dir])  # the Trainer made it in the folder that moves away
        move_aside(settings.room)
    run.trainer.accelerator.wait_for_everyone()


def train(run: Run) -> None:
    """Train, put the best checkpoint's weights back, tune thresholds if asked, save model and tokenizer."""
    trainer = run.trainer
    outcome = trainer.train(resume_from_checkpoint=run.resume)
    say_best(trainer)
    how = run.settings.objective.tune_thresholds
    if how:
        seen = predict_split(run, "validation")
        scores, truth = probabilities(seen.logits, run.labels), np.array(seen.rows["label"][:])
        trainer.labels = tune_thresholds(how, scores, truth, run.labels)
        trainer.labels.write_to(trainer.model.config)
    if run.settings.model.lora_merge:
        trainer.replace_model(merged(trainer.model))
    with own_units(trainer.model, run.labels):
        trainer.save_model()
    run.results |= {
        key if key.startswith("train_") else f"train_{key}": value for key, value in outcome.metrics.items()
    }
    run.results["train_samples"] = len(run.encoded["train"])


def evaluate(run: Run) -> None:
    """Score validation, once more with the weights that are kept."""
    predict_and_score(run, "validation", "eval", run.trainer.objective)


def predict(run: Run) -> None:
    """Predict test, score the rows that have labels, write predictions.csv."""
    if "test" not in run.splits:
        logger.info("[Test] no test rows were given, so there is no test figure (add --test_file)")
        return
    predict_and_score(run, "test", "test")
    if not run.trainer.is_world_process_zero():
        return
    if "test_loss" in run.results:
        name = headline(run.labels)
        logger.info("[Test] loss=%.4f %s=%.4f", run.results["test_loss"], short_name(name), run.results[f"test_{name}"])
    run.settings.output_dir.mkdir(parents=True, exist_ok=True)
    write_predictions(run.settings.output_dir / "predictions.csv", run.predictions["test"], run.labels)


def predict_and_score(run: Run, split: str, key: str, objective: Objective | None = None) -> None:
    """The predictions of a split, and as `<key>_<metric>` the figures of its rows that have labels."""
    predicted = run.predictions[split] = predict_split(run, split)
    run.results |= {
        f"{key}_samples": len(predicted.rows),
        f"{key}_rows_cut": float(predicted.truncated.mean()),
        f"{key}_tokens_not_read": float(1 - predicted.tokens.sum() / predicted.full_tokens.sum()),
    }
    if "label" in predicted.rows.column_names:
        given = predicted.rows["label"][:]
        metrics = score_labelled(predicted.logits, given, run.labels, run.trainer.extra_metric, objective)
        run.results |= {f"{key}_{name}": value for name, value in metrics.items()}


def predict_split(run: Run, split: str) -> Predictions:
    encoded = run.encoded[split]
    unlabelled = encoded.select_columns([name for name in encoded.column_names if name != "labels"])
    logits = run.trainer.predict(unlabelled).predictions
    return Predictions(
        run.splits[split], logits, tokens=np.array(encoded["read_length"][:]),
        full_tokens=np.array(encoded["full_length"][:]),
    )  # fmt: skip


def report(run: Run) -> None:
    """Say how it went."""
    if run.trainer.is_world_process_zero():
        say_results(run.results, run.labels)
        if run.baselines:
            say_baselines(run.baselines, run.labels)
            say_comparison(run.comparison, run.baselines)
        say_speed(run.throughput)


if __name__ == "__main__":
    exit_on_usage_error(main)
    PartialState().wait_for_everyone()  # a process that leaves early can abort the others' connections
    PartialState().destroy_process_group()
