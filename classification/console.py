"""What a run says: each decision with its reason before the first step, and where things are at the end."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path

import numpy as np
import transformers
from datasets import DatasetDict
from tqdm.auto import tqdm
from transformers import TrainingArguments

from classification.device import Precision
from classification.labels import LabelSpace
from classification.optim import describe_decay
from classification.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)

FEW_STEPS = 100
USUAL_RATE = 5e-5


class ConsoleHandler(logging.Handler):
    """Writes past the progress bars: facts to stdout as they are, warnings marked."""

    def emit(self, record: logging.LogRecord) -> None:
        mark = "warning: " if record.levelno >= logging.WARNING else ""
        tqdm.write(mark + record.getMessage(), file=sys.stdout)


def configure_logging() -> None:
    """Our own lines from the main process; of the libraries only errors, unless the user asks for more."""
    main_process = int(os.environ.get("RANK", 0)) == 0
    for name in ("recipe", "classification", "data_utils"):
        ours = logging.getLogger(name)
        ours.handlers = [ConsoleHandler()]
        ours.propagate = False
        ours.setLevel(logging.INFO if main_process else logging.ERROR)
    if "TRANSFORMERS_VERBOSITY" not in os.environ:
        transformers.utils.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()  # one bar a weights file; ours are kept
    logging.getLogger("datasets").setLevel(logging.ERROR)


def say_rows(splits: DatasetDict, whole: dict[str, int], labels: LabelSpace, how: str) -> None:
    logger.info("task         %s", labels.describe())
    for split, rows in splits.items():
        drawn = f" drawn from {whole[split]}" if len(rows) < whole[split] else ""
        extra = f" ({how})" if split == "validation" else ""
        logger.info("rows         %-10s %7d%s%s", split, len(rows), drawn, extra)
    if "test" not in splits:
        logger.info("rows         test             0 (none given)")


def say_lengths(encoded: DatasetDict, max_length: int) -> None:
    for split, rows in encoded.items():
        lengths = np.array(rows["full_length"][:])
        median, high, longest = np.percentile(lengths, [50, 95, 100]).astype(int)
        cut = int((lengths > max_length).sum())
        logger.info("tokens       %-10s median %d, 95%% up to %d, longest %d; %d rows (%.1f%%) are cut to %d",
                    split, median, high, longest, cut, 100 * cut / len(lengths), max_length)  # fmt: skip


def say_arithmetic(args: TrainingArguments, precision: Precision, device: str) -> None:
    tf32 = ", TF32 on" if args.tf32 else ""
    logger.info("precision    %s on %s (%s)%s", precision.name, device, precision.reason, tf32)
    logger.info("loader       %d workers, pinned memory %s", args.dataloader_num_workers,
                "on" if args.dataloader_pin_memory else "off")  # fmt: skip


def say_schedule(trainer: ClassificationTrainer) -> None:
    """Steps, effective batch, warmup, decay groups and the rule for the best checkpoint."""
    args = trainer.args
    processes = args.world_size
    rows = len(trainer.train_dataset) - (processes > 1)  # without the padding row
    batch = args.per_device_train_batch_size * args.gradient_accumulation_steps * processes
    micro_batches = -(-rows // (args.per_device_train_batch_size * processes))
    per_epoch = -(-micro_batches // args.gradient_accumulation_steps)
    steps = args.max_steps if args.max_steps > 0 else int(np.ceil(args.num_train_epochs * per_epoch))
    length = "--max_steps" if args.max_steps > 0 else f"{args.num_train_epochs:g} epochs"
    logger.info("steps        %d: %s, %d an epoch; batch %d = %d rows x %d accumulated x %d processes; warmup %d steps",
                steps, length, per_epoch, batch, args.per_device_train_batch_size,
                args.gradient_accumulation_steps, processes, args.get_warmup_steps(steps))  # fmt: skip
    if steps < FEW_STEPS and args.learning_rate <= USUAL_RATE:
        logger.warning("%d steps at a learning rate of %g hardly move a model: with so few rows pass "
                       "--num_train_epochs 10 or --learning_rate 1e-4", steps, args.learning_rate)  # fmt: skip
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    logger.info("decay        %s", describe_decay(trainer.model, decayed, args.weight_decay))
    if args.load_best_model_at_end:
        every = "epoch" if args.eval_strategy == "epoch" else f"{args.eval_steps:g} steps"
        rule = "highest" if args.greater_is_better else "lowest"
        logger.info("best         the checkpoint with the %s %s, looked at every %s", rule, best_name(args), every)


def say_best(trainer: ClassificationTrainer) -> None:
    """Which checkpoint's weights are used from here on, and by which figure."""
    args, state = trainer.args, trainer.state
    if not args.load_best_model_at_end:
        return
    name = best_name(args)
    if state.best_model_checkpoint is None:
        found = state.best_metric is not None and np.isfinite(state.best_metric)
        why = "the best checkpoint is not where it was written" if found else f"no evaluation gave a number for {name}"
        logger.warning("%s: these are the last weights", why)
        return
    last = state.global_step
    beside = "the last step too" if state.best_global_step == last else f"the last, step {last}, is kept beside it"
    logger.info("best         step %d, %s=%.4f: its weights are used (%s)",
                state.best_global_step, name, state.best_metric, beside)  # fmt: skip


def best_name(args: TrainingArguments) -> str:
    """`--metric_for_best_model` as people read it: val_loss, or the metric's name."""
    name = args.metric_for_best_model.removeprefix("eval_")
    return "val_loss" if name == "loss" else name


def say_results(results: dict) -> None:
    """A short table of the main figures, one line a split that was scored."""
    figures = ("loss", "accuracy", "f1_macro", "mcc", "pearson", "spearman", "mae", "rmse")
    columns = [name for name in figures if f"eval_{name}" in results or f"test_{name}" in results]
    if not columns:
        return
    logger.info("\n%-12s %7s %s", "", "rows", " ".join(f"{name:>9}" for name in columns))
    for split, key, rows in (("validation", "eval", "eval_samples"), ("test", "test", "test_scored")):
        if f"{key}_loss" in results:
            values = " ".join(f"{results[f'{key}_{name}']:9.4f}" for name in columns)
            logger.info("%-12s %7d %s", split, results[rows], values)


def say_where(output_dir: Path, written: dict[str, bool], *, model: str, labels: LabelSpace, seconds: float) -> None:
    """Where everything is, and the lines that load the model.

    Args:
        written: whether there are a `model` and `predictions`; the figures and the run's account always are.
        model: what `pipeline` is given.
    """
    files = {
        "model": "model.safetensors, config.json and the tokenizer",
        "predictions": "predictions.csv",
        "figures": "all_results.json",
        "the run": "run.json",
    }
    logger.info("\nWritten to %s in %.0f s:", output_dir, seconds)
    for what, name in files.items():
        if written.get(what, True):
            logger.info("  %-12s %s", what, name)
    more = "more than one text: classify([...], batch_size=32); all probabilities: top_k=None"
    if labels.is_regression:
        more = f"the score is standardised: the value is score * {labels.std:.6g} + {labels.mean:.6g}"
    logger.info(
        "\nUse it:\n"
        "  from transformers import pipeline\n"
        f'  classify = pipeline("text-classification", model="{model}", truncation=True)\n'
        '  print(classify("An evening I will not forget."))\n'
        f"  # {more}"
    )
