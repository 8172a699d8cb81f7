"""How a run trained, in words: its steps, its loss, and what of the model was trained."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

from classification.report.json_fields import list_in, mapping_in
from classification.report.number_format import count, is_number, number, plural
from classification.report.run_files import RunFiles
from classification.report.run_words import rows_of
from classification.report.teacher_words import teacher_words

SCHEDULES = {
    "linear": "then falls linearly to 0", "cosine": "then falls along a cosine to 0", "constant": "stays the same",
    "constant_with_warmup": "then stays the same",
}  # fmt: skip


def training_decisions(run: RunFiles) -> Iterator[tuple[str, str, str]]:
    """Topic, choice and reason of each decision about the training; none where nothing was trained."""
    trainer = mapping_in(run.record, "arguments", "trainer")
    if not list_in(run.record, "epochs") or rows_of(run, "train") is None:
        return
    yield "Training", steps_words(run, trainer), stop_words(run, trainer)
    yield "Learning rate", rate_words(trainer), decay_words(run, trainer)
    objective = objective_words(run, trainer)
    if objective:
        yield "Training loss", "; ".join(objective), "as asked; the validation loss stays plain"
    parts = trained_parts(run)
    if parts:
        yield "Trained parts", "; ".join(parts), "as asked"


def steps_words(run: RunFiles, trainer: Mapping[str, Any]) -> str:
    last = list_in(run.record, "epochs")[-1]
    epochs, steps = last.get("epoch"), last.get("step")
    done = f"{epochs:g} {'epoch' if epochs == 1 else 'epochs'}" if is_number(epochs) else "training"
    batch = rows_per_step(run, trainer)
    done += f", {plural(int(steps), 'step')}" if is_number(steps) else ""
    return done + (f" of {batch} rows" if batch else "")


def rows_per_step(run: RunFiles, trainer: Mapping[str, Any]) -> str:
    processes = mapping_in(run.record, "machine").get("processes") or 1
    factors = (trainer.get("per_device_train_batch_size"), trainer.get("gradient_accumulation_steps"), processes)
    numbers = [factor for factor in factors if is_number(factor)]
    return count(math.prod(numbers)) if len(numbers) == len(factors) else ""


def stop_words(run: RunFiles, trainer: Mapping[str, Any]) -> str:
    """Why the training ended where it did."""
    last, asked = list_in(run.record, "epochs")[-1].get("epoch"), trainer.get("num_train_epochs")
    patience = run.arguments.get("early_stopping_patience")
    by_steps = is_number(trainer.get("max_steps")) and trainer["max_steps"] > 0
    if not by_steps and is_number(last) and is_number(asked) and last < asked - 1e-6:
        reason = f"; {plural(patience, 'evaluation')} without a better one end it" if patience else ""
        return f"ended before the {asked:g} epochs that were asked for{reason}"
    return "the steps that were asked for" if by_steps else "the epochs that were asked for"


def rate_words(trainer: Mapping[str, Any]) -> str:
    rate = trainer.get("learning_rate")
    name = str(trainer.get("lr_scheduler_type", "linear")).removeprefix("SchedulerType.").lower()
    schedule = SCHEDULES.get(name, f"schedule {name}")
    return f"at most {rate:g}, {schedule}" if is_number(rate) else name


def decay_words(run: RunFiles, trainer: Mapping[str, Any]) -> str:
    layers = run.arguments.get("layerwise_lr_decay")
    warmup, decay = trainer.get("warmup_steps"), trainer.get("weight_decay")
    parts = []
    if is_number(warmup) and warmup > 0:
        share = f"{warmup:.0%} of the steps" if warmup < 1 else plural(int(warmup), "step")
        parts.append(f"rises during the first {share}")
    if is_number(layers) and layers < 1:
        parts.append(f"times {number(layers)} for each layer further from the head")
    if is_number(decay) and decay > 0:
        parts.append(f"weight decay {decay:g}, except on biases and normalisation layers")
    return "; ".join(parts)


def objective_words(run: RunFiles, trainer: Mapping[str, Any]) -> list[str]:
    """What differs from the plain loss of the task."""
    flags, smoothing = run.arguments, trainer.get("label_smoothing_factor")
    parts = []
    if flags.get("class_weights"):
        given = str(flags["class_weights"])
        parts.append(f"rows weighted by class ({given if given in ('balanced', 'effective') else 'as given'})")
    if flags.get("loss") == "focal":
        parts.append(f"focal loss, gamma {number(flags.get('focal_gamma'))}")
    if flags.get("sampler") == "balanced":
        parts.append("every class drawn equally often")
    if is_number(smoothing) and smoothing:
        parts.append(f"label smoothing {number(smoothing)}")
    if flags.get("r_drop"):
        parts.append(f"R-Drop {number(flags['r_drop'])}: two passes per row with different dropout")
    teacher = teacher_words(run)
    if teacher:
        parts.append(f"the probabilities of a teacher: {teacher}")
    return parts


def trained_parts(run: RunFiles) -> list[str]:
    flags = run.arguments
    parts = []
    if flags.get("lora_r"):
        parts.append(f"LoRA adapters of rank {flags['lora_r']} and the head")
    if flags.get("freeze") not in (None, "none"):
        parts.append(f"the {flags['freeze']} stayed as before")
    if flags.get("freeze_layers"):
        parts.append(f"the embeddings and the lowest {plural(flags['freeze_layers'], 'layer')} stayed as before")
    if flags.get("pooling"):
        parts.append(f"a new head on the {flags['pooling']} of the last hidden states")
    return parts
