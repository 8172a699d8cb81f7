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
from dataclasses import asdict, dataclass, field

from arguments import parse_arguments
from classification.errors import UsageError, exit_on_usage_error

if __name__ == "__main__":
    exit_on_usage_error(parse_arguments, sys.argv[1:])  # before the slow imports: --help and typos are answered at once
os.environ.setdefault("TOKENIZERS_PARALLELISM", "true")  # said before a fork, so that no warning follows one

import numpy as np
from accelerate import PartialState
from datasets import DatasetDict
from transformers import PreTrainedTokenizerBase, TrainingArguments, set_seed

from classification.batching import token_lengths
from classification.checkpoints import check_output_dir, find_resume, move_aside
from classification.checks import check_validation, warn_of_small_classes
from classification.columns import Columns
from classification.console import (
    configure_logging,
    say_arithmetic,
    say_best,
    say_lengths,
    say_results,
    say_rows,
    say_schedule,
    say_where,
)
from classification.device import (
    Precision,
    decide_precision,
    device_type,
    loader_settings,
    refuse_unfit,
)
from classification.dry_run import show_batch
from classification.labels import LabelSpace
from classification.losses import Objective
from classification.metrics import (
    LOWER_IS_BETTER,
    check_best_metric,
    compute_metrics_for,
    load_metric,
    score_labelled,
)
from classification.models import load_classifier, load_config
from classification.results import account_of_run, write_json, write_predictions
from classification.settings import Settings
from classification.sources import work_offline_if_hub_is_unreachable
from classification.trainer import ClassificationTrainer
from data_utils import (
    add_validation,
    encode_labels,
    encode_splits,
    fingerprint,
    load_splits,
    make_collator,
    read_splits,
    take_samples,
)

logger = logging.getLogger("recipe")


@dataclass
class Run:
    """What the phases of one run hand on."""

    settings: Settings
    labels: LabelSpace
    splits: DatasetDict
    encoded: DatasetDict
    tokenizer: PreTrainedTokenizerBase
    trainer: ClassificationTrainer
    extra_metric: object = None
    resume: str | None = None
    results: dict = field(default_factory=dict)
    seconds: dict = field(default_factory=dict)


def main(argv: list[str] | None = None) -> dict:
    """Run the command line `argv`.

    Returns:
        What all_results.json holds; with `--dry_run`, the losses of one batch.

    Raises:
        UsageError: bad input, before the first step.
        SystemExit: after `--help`.
    """
    start = time.perf_counter()
    argv = sys.argv[1:] if argv is None else [str(word) for word in argv]
    settings = parse_arguments(argv)
    configure_logging()
    existed = settings.output_dir.exists()
    run = prepare(settings)
    run.seconds["prepare"] = time.perf_counter() - start
    if settings.run.dry_run:
        if not existed and settings.output_dir.is_dir() and not any(settings.output_dir.iterdir()):
            settings.output_dir.rmdir()  # the Trainer made it
        return show_batch(run.trainer, run.encoded, run.tokenizer)
    make_room(run)
    for phase, does in (("train", train), ("eval", evaluate), ("predict", predict)):
        if settings.wants(phase):
            begin = time.perf_counter()
            does(run)
            run.seconds[phase] = time.perf_counter() - begin
    run.seconds["total"] = time.perf_counter() - start
    report(run)
    return run.results


def prepare(settings: Settings) -> Run:
    """Everything before the first step: read, check, decide, encode; each decision is said with its reason."""
    for note in settings.notes:
        logger.info("note         %s", note)
    device = device_type(settings.trainer.get("use_cpu", False))
    precision = decide_precision(settings.run.precision, device)
    args = make_training_arguments(settings, device, precision)
    resume = find_resume(settings.run.resume, settings.output_dir)
    if not settings.run.dry_run:
        check_output_dir(
            settings.output_dir, overwrite=settings.run.overwrite_output_dir, resume=resume, inputs=settings.inputs
        )
    set_seed(args.seed)
    if settings.needs_hub:
        work_offline_if_hub_is_unreachable()
    config = load_config(settings.model.model_name_or_path, config_name=settings.model.config_name, **settings.hub)
    with args.main_process_first(desc="reading and tokenising"):
        splits, labels = prepare_rows(settings, config)
        extra = load_metric(settings.run.metric_name, labels)
        if args.load_best_model_at_end:
            check_best_metric(args.metric_for_best_model, labels, extra)
        tokenizer, model = load_classifier(
            settings.model.model_name_or_path,
            config,
            labels if settings.wants("train") else None,
            device=device,
            precision=precision,
            **settings.classifier,
        )
        encoded = encode_splits(
            splits,
            tokenizer,
            max_length=tokenizer.model_max_length,
            cache_dir=settings.model.cache_dir,
            num_workers=settings.data.preprocessing_num_workers,
            overwrite_cache=settings.data.overwrite_cache,
        )
    say_lengths(encoded, tokenizer.model_max_length)
    say_arithmetic(args, precision, device)
    trainer = make_trainer(settings, args, precision, model, tokenizer, encoded, labels, extra)
    if settings.wants("train"):
        say_schedule(trainer)
    return Run(settings, labels, splits, encoded, tokenizer, trainer, extra, resume)


def make_training_arguments(settings: Settings, device: str, precision: Precision) -> TrainingArguments:
    """`TrainingArguments` from the device's decisions and the flags, which win."""
    if settings.run.logging_dir:
        os.environ["TENSORBOARD_LOGGING_DIR"] = settings.run.logging_dir
    best = settings.trainer["metric_for_best_model"].removeprefix("eval_")
    args = settings.training_arguments(
        use_cpu=device == "cpu",
        bf16=precision.name == "bf16",
        fp16=precision.name == "fp16",
        tf32=True if precision.tf32 else None,
        greater_is_better=best not in LOWER_IS_BETTER,
        **loader_settings(
            device, int(os.environ.get("LOCAL_WORLD_SIZE", 1)), workers=settings.trainer.get("dataloader_num_workers")
        ),
    )
    refuse_unfit(args)
    return args


def prepare_rows(settings: Settings, config) -> tuple[DatasetDict, LabelSpace]:
    """Read the data, decide the labels from all of train, split off validation, draw the subsets; in this order."""
    data = settings.data
    splits, class_names = load_splits(
        read_splits(**settings.source), Columns(**settings.columns), on_bad_row=data.on_bad_row
    )
    check_splits(settings, splits)
    training = settings.wants("train")
    if training:
        values = splits["train"]["label"]
        labels = LabelSpace.from_train(values, class_names=class_names, do_regression=data.do_regression)
    else:
        labels = LabelSpace.from_config(config, do_regression=data.do_regression)
    given = "validation" in splits
    if given:
        for name in sorted({"validation_fraction", "validation_strategy", "validation_group_column"} & settings.given):
            logger.warning("--%s has no effect: the data has validation rows of its own", name)
    splits = encode_labels(splits, labels, on_bad_row=data.on_bad_row, source="train" if training else "the model")
    how = "not used"
    if training or settings.wants("eval"):
        splits, how = add_validation(
            splits,
            labels,
            fraction=settings.validation_fraction,
            strategy=data.validation_strategy,
            seed=data.shuffle_seed,
        )
    if training:
        check_validation(splits["validation"]["label"][:], labels, data.validation_strategy, given=given)
    splits = needed_splits(settings, splits)
    if training and data.shuffle_train_dataset:
        splits["train"] = splits["train"].shuffle(seed=data.shuffle_seed)
    whole = {split: len(rows) for split, rows in splits.items()}
    splits = take_samples(splits, settings.limits, data.shuffle_seed)
    say_rows(splits, whole, labels, how)
    if training:
        warn_of_small_classes(splits["train"]["label"], labels)
    return splits, labels


def check_splits(settings: Settings, splits: DatasetDict) -> None:
    """Refuse what was asked for and the data does not have; what was only allowed is skipped and said."""
    if settings.wants("train") and "train" not in splits:
        raise UsageError("There is no train split. Name it with --train_split_name, or pass --do_eval or --do_predict.")
    if settings.trainer["do_predict"] and "test" not in splits:
        raise UsageError("--do_predict: there are no test rows. Give --test_file or --test_split_name.")
    if settings.wants("eval") and not {"train", "validation"} & set(splits):
        raise UsageError("--do_eval: there are no validation rows. Give --validation_file or --validation_split_name.")


def needed_splits(settings: Settings, splits: DatasetDict) -> DatasetDict:
    """Only what the asked-for phases read is tokenised."""
    training = settings.wants("train")
    needed = {"train": training, "validation": training or settings.wants("eval"), "test": settings.wants("predict")}
    return DatasetDict({split: splits[split] for split in needed if needed[split] and split in splits})


def make_trainer(settings, args, precision, model, tokenizer, encoded, labels, extra) -> ClassificationTrainer:
    return ClassificationTrainer(
        model=model,
        args=args,
        labels=labels,
        train_dataset=encoded.get("train"),
        eval_dataset=encoded.get("validation"),
        processing_class=tokenizer,
        data_collator=make_collator(
            tokenizer,
            max_length=tokenizer.model_max_length,
            pad_to_max_length=settings.data.pad_to_max_length,
            multiple_of=8 if precision.is_half else None,
        ),
        compute_loss_func=Objective(is_regression=labels.is_regression, label_smoothing=args.label_smoothing_factor),
        compute_metrics=compute_metrics_for(labels, extra, label_smoothing=args.label_smoothing_factor),
    )


def make_room(run: Run) -> None:
    """Move another run in the output folder aside (`--overwrite_output_dir`), now that this one is sure to begin."""
    if run.trainer.is_world_process_zero() and run.settings.run.overwrite_output_dir and not run.resume:
        move_aside(run.settings.output_dir)
    run.trainer.accelerator.wait_for_everyone()


def train(run: Run) -> None:
    """Train, put the best checkpoint's weights back, save model and tokenizer."""
    trainer = run.trainer
    outcome = trainer.train(resume_from_checkpoint=run.resume)
    say_best(trainer)
    trainer.save_model()
    run.results |= {
        key if key.startswith("train_") else f"train_{key}": value for key, value in outcome.metrics.items()
    }
    run.results["train_samples"] = len(run.encoded["train"])


def evaluate(run: Run) -> None:
    metrics = run.trainer.evaluate()
    metrics.pop("epoch", None)
    run.results |= metrics | {"eval_samples": len(run.encoded["validation"])}


def predict(run: Run) -> None:
    """Predict test, score the rows that have labels, write predictions.csv."""
    if "test" not in run.splits:
        logger.info("[Test] no test rows were given, so there is no test figure (add --test_file)")
        return
    rows, encoded = run.splits["test"], run.encoded["test"]
    unlabelled = encoded.select_columns([name for name in encoded.column_names if name != "labels"])
    logits = run.trainer.predict(unlabelled).predictions
    if not run.trainer.is_world_process_zero():
        return
    run.results["test_samples"] = len(rows)
    if "label" in rows.column_names:
        metrics = score_labelled(logits, rows["label"][:], run.labels, run.extra_metric)
        run.results |= {f"test_{name}": value for name, value in metrics.items()}
    if "test_loss" in run.results:
        name, key = ("rmse", "test_rmse") if run.labels.is_regression else ("acc", "test_accuracy")
        logger.info("[Test] loss=%.4f %s=%.4f", run.results["test_loss"], name, run.results[key])
    run.settings.output_dir.mkdir(parents=True, exist_ok=True)
    tokens = token_lengths(encoded)
    truncated = np.array(encoded["full_length"][:]) > tokens
    write_predictions(
        run.settings.output_dir / "predictions.csv", rows, logits, run.labels, tokens=tokens, truncated=truncated
    )


def report(run: Run) -> None:
    """Write all_results.json and run.json, and say how it went and where everything is."""
    if not run.trainer.is_world_process_zero():
        return
    settings, args = run.settings, run.trainer.args
    settings.output_dir.mkdir(parents=True, exist_ok=True)
    write_json(settings.output_dir / "all_results.json", run.results)
    write_json(
        settings.output_dir / "run.json",
        account_of_run(
            argv=settings.argv,
            arguments=asdict(settings.data)
            | asdict(settings.model)
            | asdict(settings.run)
            | {"trainer": args.to_dict()},
            data={split: {"rows": len(rows), "fingerprint": fingerprint(rows)} for split, rows in run.splits.items()},
            labels=run.labels.names,
            seeds={"seed": args.seed, "data_seed": args.data_seed, "shuffle_seed": settings.data.shuffle_seed},
            seconds=run.seconds,
            state=run.trainer.state,
            epochs=run.trainer.epoch_lines.epochs,
            results=run.results,
        ),
    )
    say_results(run.results)
    written = {"model": settings.wants("train"), "predictions": settings.wants("predict") and "test" in run.splits}
    model = str(settings.output_dir) if written["model"] else settings.model.model_name_or_path
    say_where(settings.output_dir, written, model=model, labels=run.labels, seconds=run.seconds["total"])


if __name__ == "__main__":
    exit_on_usage_error(main)
    PartialState().wait_for_everyone()  # a process that leaves early can abort the others' connections
    PartialState().destroy_process_group()
