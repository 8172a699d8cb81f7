"""What a run says: each decision with its reason before the first step, and where things are at the end."""

from __future__ import annotations

import json
import logging
import os
import sys
from pathlib import Path

import numpy as np
import transformers
from datasets import DatasetDict
from tqdm.auto import tqdm
from transformers import TrainingArguments

from classification.data.corpus import Rows
from classification.data.labels import MULTI_LABEL, REGRESSION, SINGLE_LABEL, LabelSpace
from classification.data.quality.label_findings import label_counts
from classification.data.truncation import HEAD_TAIL, WINDOW, Truncation
from classification.errors import some
from classification.models.adapters import base_of_adapter
from classification.models.precision import Precision
from classification.training.checkpoints import OF_STUDY
from classification.training.decay import describe_decay
from classification.training.schedule import Schedule
from classification.training.trainer import ClassificationTrainer

logger = logging.getLogger(__name__)

SHOWN_CLASSES = 20
WIDEST = 30  # letters of a name in a table
SHOWN = {  # beside the loss; all_results.json has all
    SINGLE_LABEL: ("accuracy", "balanced_accuracy", "f1_macro", "mcc", "average_precision"),
    MULTI_LABEL: ("f1_micro", "f1_macro", "f1_samples", "exact_match", "average_precision"),
    REGRESSION: ("pearson", "spearman", "mae", "rmse"),
}
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


def say_rows(rows: Rows) -> None:
    """The task, and the rows of each split."""
    logger.info("task         %s", rows.labels.describe())
    for split, data in rows.splits.items():
        drawn = f" drawn from {rows.whole[split]}" if len(data) < rows.whole[split] else ""
        extra = f" ({rows.how})" if split == "validation" else ""
        logger.info("rows         %-10s %7d%s%s", split, len(data), drawn, extra)
    if "train" in rows.splits and not rows.labels.is_regression:
        counts = label_counts(rows.splits["train"]["label"][:], rows.labels)
        logger.info("rows         of train   %s", some((f"{name} {count}" for name, count in counts.items()), 8))
    for finding in rows.findings:
        if finding.kind == "dropped_rows":
            logger.info("rows         %s", finding.what)
    if "test" not in rows.splits:
        logger.info("rows         test             0 (none given)")


def say_lengths(facts: dict, encoded: DatasetDict, max_length: int, truncation: Truncation) -> None:
    """How long the texts of each split are, and what the model does not read of them.

    Args:
        facts: of each split, as from `vocabulary.look_at_tokens`.
    """
    for split, rows in encoded.items():
        of, tokens = facts[split], facts[split]["tokens"]
        shown = f"{of['rows_cut']} rows ({100 * of['rows_cut'] / len(rows):.1f}%) are cut"
        shown += f" to {max_length}" if not truncation.in_windows else ""
        if of["rows_cut"]:
            shown += f" ({truncation.strategy}), {100 * of['tokens_not_read']:.1f}% of the tokens not read"
        if truncation.in_windows:
            counts = [len(windows) for windows in rows["input_ids"]]
            shown = f"{len(rows)} rows in {sum(counts)} windows of {max_length}, at most {max(counts)} a row; {shown}"
        logger.info("tokens       %-10s median %d, 95%% up to %d, longest %d; %s",
                    split, tokens["median"], tokens["95%"], tokens["most"], shown)  # fmt: skip


def say_arithmetic(args: TrainingArguments, precision: Precision, device: str) -> None:
    tf32 = ", TF32 on" if args.tf32 else ""
    logger.info("precision    %s on %s (%s)%s", precision.name, device, precision.reason, tf32)
    logger.info("loader       %d workers, pinned memory %s", args.dataloader_num_workers,
                "on" if args.dataloader_pin_memory else "off")  # fmt: skip


def say_schedule(trainer: ClassificationTrainer, schedule: Schedule, patience: int | None) -> None:
    """Steps, effective batch, warmup, decay groups and the rule for the best checkpoint."""
    args, steps = trainer.args, schedule.steps
    length = "--max_steps" if args.max_steps > 0 else f"{args.num_train_epochs:g} epochs"
    logger.info("steps        %d: %s, %d an epoch; batch %d = %d rows x %d accumulated x %d processes; warmup %d steps",
                steps, length, schedule.per_epoch, schedule.batch, args.per_device_train_batch_size,
                args.gradient_accumulation_steps, args.world_size, args.get_warmup_steps(steps))  # fmt: skip
    if steps < FEW_STEPS and args.learning_rate <= USUAL_RATE:
        logger.warning("%d steps at a learning rate of %g hardly move a model: with so few rows pass "
                       "--num_train_epochs 10 or --learning_rate 1e-4", steps, args.learning_rate)  # fmt: skip
    decayed = set(trainer.get_decay_parameter_names(trainer.model))
    logger.info("decay        %s", describe_decay(trainer.model, decayed, args.weight_decay))
    if args.load_best_model_at_end:
        every = "epoch" if args.eval_strategy == "epoch" else f"{args.eval_steps:g} steps"
        rule = "highest" if args.greater_is_better else "lowest"
        stop = f"; stops after {patience} looks without a better one" if patience else ""
        logger.info("best         the checkpoint with the %s %s, looked at every %s%s",
                    rule, best_name(args), every, stop)  # fmt: skip


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


def say_objective(trainer: ClassificationTrainer) -> None:
    """Weights, focal loss and the balanced sampler, where they are used."""
    objective, labels = trainer.objective, trainer.labels
    if objective.weights is not None:
        # With several labels a row, what a yes weighs for each no.
        weights = objective.weights[:, 1] / objective.weights[:, 0] if labels.is_multi_label else objective.weights
        shown = some((f"{name} {weight:.3g}" for name, weight in zip(labels.names, weights, strict=True)), 12)
        of = "a row with the label, against one without" if labels.is_multi_label else "a row, mean 1 over train"
        logger.info("weights      %s (%s); val_loss stays unweighted", shown, of)
    if objective.focal_gamma:
        logger.info("loss         focal with gamma %g; val_loss stays cross entropy", objective.focal_gamma)
    if trainer.draw_weights is not None:
        logger.info("sampler      balanced: rows are drawn with replacement, every class equally often")
        if objective.weights is not None:
            logger.warning("--sampler balanced and --class_weights both raise rare classes: use one of them")


def say_table(corner: str, columns: list[str], lines: dict[str, list], *, narrowest: int = 7, first: int = 12) -> None:
    """Named lines of numbers, four digits behind the point of a fraction; None is blank.

    Args:
        narrowest: width of a column, unless its name is wider; first: of the lines' names.
    """
    widths = [max(narrowest, len(name)) for name in columns]
    logger.info("\n%-*s %s", first, corner, " ".join(f"{name:>{w}}" for name, w in zip(columns, widths, strict=True)))
    for name, values in lines.items():
        cells = ("" if value is None else f"{value:.4f}" if isinstance(value, float) else value for value in values)
        shown = " ".join(f"{cell:>{width}}" for cell, width in zip(cells, widths, strict=True))
        logger.info("%-*s %s", first, name[:WIDEST], shown)


def say_results(results: dict, labels: LabelSpace) -> None:
    """A short table of the main figures, one line a split that was scored, and one of the classes."""
    names = ["loss", *SHOWN[labels.problem_type]]
    lines = {
        split: [results[f"{key}_scored"], *(results[f"{key}_{name}"] for name in names)]
        for split, key in (("validation", "eval"), ("test", "test"))
        if f"{key}_loss" in results
    }
    if not lines:
        return
    say_table("", ["rows", *names], lines)
    split, key = ("test", "test") if "test_per_class" in results else ("validation", "eval")
    classes = results.get(f"{key}_per_class", {})
    if not classes:
        return
    lines = {label: [*row.values()] for label, row in list(classes.items())[:SHOWN_CLASSES]}
    width = min(WIDEST, max(12, *(len(name) for name in classes)))
    say_table(split, [*next(iter(classes.values()))], lines, narrowest=9, first=width)
    if len(classes) > SHOWN_CLASSES:
        logger.info("and %d more in all_results.json", len(classes) - SHOWN_CLASSES)


def say_speed(throughput: dict) -> None:
    """How fast the run was and what held it up, in one line, and one of advice where there is any."""
    parts = []
    if "training" in throughput:
        of = throughput["training"]
        used = ""
        if "mfu" in of:
            used = f", {of['mfu']:.0%} of the {throughput['product_flops_per_second'] / 1e9:,.0f} GFLOP/s of a product"
        parts.append(
            f"training {of['rows_per_second']:.3g} rows/s ({of['tokens_per_second']:,.0f} tokens/s, "
            f"{of['padding_share']:.0%} padding, {of['waiting_share']:.1%} waiting for data{used})"
        )
    if "evaluation" in throughput:
        of = throughput["evaluation"]
        parts.append(f"evaluation {of['rows_per_second']:.3g} rows/s ({of['padding_share']:.0%} padding)")
    parts.append(f"peak memory {throughput['peak_memory_bytes'] / 1e9:.1f} GB")
    logger.info("\nspeed        %s", "; ".join(parts))
    if throughput.get("advice"):
        logger.info("faster       %s", throughput["advice"])


def say_study(figures: dict, labels: LabelSpace) -> None:
    """The figures of every run of a study, their mean and their standard deviation."""
    runs = figures["runs"]
    shown = ("loss", *SHOWN[labels.problem_type][:3])
    keys = [f"{split}_{name}" for split in ("eval", "test") for name in shown if f"{split}_{name}_mean" in figures]
    lines = {name: [run[key] for key in keys] for name, run in runs.items()}
    lines |= {what: [figures[f"{key}_{what}"] for key in keys] for what in ("mean", "sd")}
    if "out_of_fold_loss" in figures:
        lines["all rows"] = [figures.get(f"out_of_fold_{key.removeprefix('eval_')}") for key in keys]
    say_table("", keys, lines)
    if "best" in figures:
        logger.info("best         %s has the lowest val_loss: its model is kept", figures["best"])
    if figures["collapsed"]:
        logger.warning("%d of %d runs predict one and the same for every row (%s) and spoil the mean: train longer, or "
                       "if they have, with a lower --learning_rate or more --warmup_steps",
                       len(figures["collapsed"]), len(runs), some(figures["collapsed"]))  # fmt: skip


LOAD = """  from transformers import pipeline
  classify = pipeline("text-classification", model="{model}\""""
LOAD_ADAPTER = """  from peft import PeftModel
  from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline
  tokenizer, config = AutoTokenizer.from_pretrained("{model}"), AutoConfig.from_pretrained("{model}")
  model = AutoModelForSequenceClassification.from_pretrained("{base}", config=config, ignore_mismatched_sizes=True)
  model = PeftModel.from_pretrained(model, "{model}").merge_and_unload()
  classify = pipeline("text-classification", model=model, tokenizer=tokenizer"""
TRY = '  print(classify("An evening I will not forget."))'
FILES = {
    "adapter": ("adapter_model.safetensors", "with config.json and the tokenizer; its base model stays where it was"),
    "model": ("model.safetensors", "with config.json and the tokenizer"),
    "predictions": ("predictions.csv", ""),
    "held out": ("out_of_fold_predictions.csv", "every row, predicted by the model that had not seen it"),
    "figures": ("all_results.json", ""),
    "the run": ("run.json", ""),
    "baselines": ("baselines.json", ""),
    "suspects": ("suspect_labels.csv", "rows whose label may be wrong, the likeliest first"),
    "epochs": ("curves.svg", ""),
    "mix-ups": ("confusion_matrix.svg", ""),
}


def say_where(output_dir: Path, *, model: str | None, labels: LabelSpace, seconds: float) -> None:
    """Where everything is, and the lines that load the model.

    Args:
        model: what `pipeline` is given; None where there are several.
    """
    logger.info("\nWritten to %s in %.0f s:", output_dir, seconds)
    for what, (name, more) in FILES.items():
        if (output_dir / name).exists():
            logger.info("  %-12s %s", what, f"{name} {more}".strip())
    for folder in sorted(path for path in output_dir.iterdir() if OF_STUDY.fullmatch(path.name)):
        logger.info("  %-12s %s", folder.name, ", ".join(sorted(file.name for file in folder.iterdir())))
    if model is None:
        logger.info("\nFor one model of all rows, run the same command without --folds.")
        return
    file = Path(model) / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    options = ", trust_remote_code=True" if "auto_map" in config else ""
    more = "more than one text: classify([...], batch_size=32); all probabilities: top_k=None"
    if labels.is_multi_label:
        options, cuts = options + ", top_k=None", zip(labels.names, labels.thresholds, strict=True)
        one = f"{labels.thresholds[0]:.3g}" if len(set(labels.thresholds)) == 1 else None
        more = f"a label is given from a probability of {one or some((f'{cut:.3g} ({name})' for name, cut in cuts), 6)}"
    if labels.is_regression:
        more = "the score is the number, in the units of the labels"
        if not config.get("label_own_units"):
            more = f"the score is standardised: the value is score * {labels.std:.6g} + {labels.mean:.6g}"
    base = base_of_adapter(model)
    if base:
        load = LOAD_ADAPTER.format(model=model, base=base)
    else:
        load = LOAD.format(model=model)
    logger.info("\nUse it:\n%s, truncation=True%s)\n%s\n  # %s", load, options, TRY, more)
    if config.get("truncation_strategy") in (HEAD_TAIL, WINDOW):
        logger.info("  # it reads only the head of a long text; cut as in training (%s), predict with this recipe:\n"
                    "  python run_classification.py --do_predict --model_name_or_path %s --test_file FILE",
                    config["truncation_strategy"], model)  # fmt: skip
