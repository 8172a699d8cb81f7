"""The logits of a teacher: computed once, before training, in the number format of the run, and kept in the cache."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from datasets import Dataset
from transformers import DataCollatorWithPadding

from classification.data.encoding import encode_batch
from classification.data.findings import quantity
from classification.data.sources.cache_folder import disk_errors_named
from classification.data.truncation import Truncation
from classification.data.windows import COUNTS, WindowCollator, in_parts, pool_windows
from classification.errors import RunError, join_first
from classification.log import Line, log_lines
from classification.progress import Progress
from classification.training.evaluation_order import TokenBoundedBatches, in_row_order
from classification.training.out_of_memory import Batch
from classification.training.processes import stop_together
from classification.training.teacher import Teacher
from classification.training.teacher_cache import Part, parts_of
from classification.training.trainer import ClassificationTrainer

# N texts, B rows of a batch, W windows of its documents, C outputs of the teacher.

MULTIPLE = 8  # of the padded length, in half precision


@dataclass
class TeacherPredictor:
    """A teacher on the device of a run, with the run's number format and size of batches."""

    teacher: Teacher
    trainer: ClassificationTrainer

    def __post_init__(self) -> None:
        args, tokenizer = self.trainer.args, self.teacher.tokenizer
        self.truncation = Truncation.from_config(self.teacher.model.config)
        self.length = tokenizer.model_max_length
        self.tokens = args.per_device_eval_batch_size * self.length  # of a batch at most
        is_half = args.bf16 or args.fp16
        self.multiple = MULTIPLE if is_half and self.length % MULTIPLE == 0 else None
        pad = DataCollatorWithPadding(tokenizer, padding="longest", pad_to_multiple_of=self.multiple)
        self.collate = WindowCollator(pad) if self.truncation.in_windows else pad

    @torch.no_grad()
    def predict(self, texts: Dataset) -> np.ndarray:
        """Logits of texts, float32 [N, C], in the order of the rows; of a document in windows, the mean of them."""
        model = self.teacher.model.to(self.trainer.args.device)
        encoded = encode_batch(
            texts[:], tokenizer=self.teacher.tokenizer, max_length=self.length, truncation=self.truncation
        )
        lengths = np.array([self._tokens(ids) for ids in encoded["input_ids"]])
        batches = TokenBoundedBatches(lengths, self.tokens, self.multiple or 1)
        logits = [self._logits(model, batch).cpu().numpy() for batch in self._batches(encoded, batches)]
        return in_row_order(np.concatenate(logits), batches.order)

    def _tokens(self, ids: list) -> int:
        return sum(map(len, ids)) if self.truncation.in_windows else len(ids)

    def _batches(self, encoded: dict[str, list], batches: TokenBoundedBatches) -> Iterator[Batch]:
        names = [name for name in self.teacher.tokenizer.model_input_names if name in encoded]
        for numbers in batches:
            batch = dict(self.collate([{name: encoded[name][i] for name in names} for i in numbers]))
            yield {name: values.to(self.trainer.args.device) for name, values in batch.items()}

    def _logits(self, model: torch.nn.Module, batch: Batch) -> torch.Tensor:
        def forward(part: Batch) -> torch.Tensor:
            with self.trainer.accelerator.autocast():
                return model(**part).logits.float()

        counts = batch.pop(COUNTS, None)
        rows = max(1, self.tokens // batch["input_ids"].shape[1])
        logits = torch.cat([self.trainer.in_passes(forward, part) for part in in_parts(batch, rows)])
        return pool_windows(logits, counts)


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
    return Line("teacher", f"{what} are computed in {seconds:.1f} s and kept in {folder}{cached}")


def refuse_not_finite(logits: np.ndarray, texts: Dataset, name: str) -> None:
    bad = np.flatnonzero(~np.isfinite(logits).all(axis=1))
    if len(bad):
        rows = join_first(texts.select(bad)["id"])
        raise RunError(
            f"--teacher {name}: its output is not finite for {quantity(len(bad), 'row')} ({rows}). Pass --precision "
            "fp32, or name another teacher."
        )
