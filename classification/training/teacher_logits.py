"""The logits of a teacher: computed once, before training, in the number format of the run, and kept in the cache."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset

from classification.data.encoding import encode_batch
from classification.data.findings import quantity
from classification.data.sources.cache_folder import disk_errors_named
from classification.data.truncation import Truncation
from classification.errors import RunError, join_first
from classification.messages.log import Line, log_lines
from classification.messages.progress import Progress
from classification.training.out_of_memory import Batch
from classification.training.processes import stop_together
from classification.training.teacher import Teacher
from classification.training.teacher_cache import Part, parts_of
from classification.training.text_batches import TextBatches
from classification.training.trainer import ClassificationTrainer

# N texts, C outputs of the teacher.


@dataclass
class TeacherPredictor:
    """A teacher on the device of a run, with the run's number format and size of batches."""

    teacher: Teacher
    trainer: ClassificationTrainer

    @torch.no_grad()
    def predict(self, texts: Dataset) -> np.ndarray:
        """Logits of texts, float32 [N, C], in the order of the rows; of a document in windows, the mean of them."""
        tokenizer, args = self.teacher.tokenizer, self.trainer.args
        model = self.teacher.model.to(args.device)
        truncation, length = Truncation.from_config(model.config), tokenizer.model_max_length
        encoded = encode_batch(texts[:], tokenizer=tokenizer, max_length=length, truncation=truncation)
        batches = TextBatches(
            encoded, tokenizer, in_windows=truncation.in_windows, max_tokens=args.per_device_eval_batch_size * length,
            is_half=args.bf16 or args.fp16,
        )  # fmt: skip

        def forward(part: Batch) -> torch.Tensor:
            with self.trainer.accelerator.autocast():
                return model(**part).logits.float()

        def logits(batch: Batch) -> torch.Tensor:
            inputs = {name: values.to(args.device) for name, values in batch.items()}
            return self.trainer.in_passes(forward, inputs).cpu()

        return batches.outputs(logits)


@disk_errors_named("--cache_dir")
def logits_of_texts(teacher: Teacher, trainer: ClassificationTrainer, texts: Dataset, folder: Path) -> np.ndarray:
    """Logits of texts, float32 [N, C], read from the files in `folder`; what they lack is computed and written first.

    Several processes share the parts. A run that is killed goes on with the part that it was at.

    Raises:
        RunError: an output is not finite; names the rows.
    """
    parts = parts_of(texts, teacher.key, folder, teacher.task.num_labels)
    predictor, rank = TeacherPredictor(teacher, trainer), trainer.args.process_index
    start = time.perf_counter()
    with stop_together():
        missing = [number for number, part in enumerate(parts) if part.read() is None]
        own = [parts[number] for number in missing if number % trainer.args.world_size == rank]
        compute_parts(predictor, own, disable=trainer.args.disable_tqdm)
    with stop_together():  # of another machine, whose disk this one does not see
        logits = np.concatenate([compute(predictor, part) for part in parts])
    log_lines([describe_source(len(texts), len(parts), len(missing), folder, time.perf_counter() - start)])
    refuse_not_finite(logits, texts, teacher.name)
    return logits


def compute_parts(predictor: TeacherPredictor, parts: list[Part], *, disable: bool) -> None:
    with Progress(sum(len(part.texts) for part in parts), "Teacher", "row", disable=disable) as counter:
        for part in parts:
            part.write(predictor.predict(part.texts))
            counter.update(len(part.texts))


def compute(predictor: TeacherPredictor, part: Part) -> np.ndarray:
    """The logits of a part, from its file or computed and written."""
    logits = part.read()
    if logits is None:
        logits = predictor.predict(part.texts)
        part.write(logits)
    return logits


def describe_source(texts: int, parts: int, missing: int, folder: Path, seconds: float) -> Line:
    what = f"its logits of {quantity(texts, 'text')}"
    if not missing:
        return Line("teacher", f"{what} are in the cache {folder}")
    cached = f"; {parts - missing} of {quantity(parts, 'part')} were in the cache" if missing < parts else ""
    return Line("teacher", f"{what} were computed in {seconds:.1f} s and are kept in {folder}{cached}")


def refuse_not_finite(logits: np.ndarray, texts: Dataset, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        rows = join_first(texts.select(bad)["id"])
        raise RunError(
            f"--teacher {name}: its output is not finite for {quantity(len(bad), 'row')} ({rows}). Pass --precision "
            "fp32, or name another teacher."
        )
