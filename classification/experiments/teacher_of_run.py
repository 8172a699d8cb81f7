"""`--teacher`: the texts without labels, the teacher, and its logits, each at its place in a run."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from datasets import Dataset

from classification.cli.hardware import Hardware
from classification.cli.options import Options
from classification.data.bad_rows import BadRows
from classification.data.corpus import Corpus
from classification.data.findings import quantity
from classification.data.fingerprints import fingerprint
from classification.data.sources.cache_folder import cache_folder
from classification.data.unlabelled import with_teacher_logits
from classification.data.windows import TEACHER
from classification.evaluation.metrics import score
from classification.messages.log import Line, log_lines, warning
from classification.models.memory_errors import free_memory
from classification.reporting.run_result import Prepared
from classification.training.distillation import Distillation, distillation_in
from classification.training.run_fingerprint import describe_rows
from classification.training.teacher import Teacher, load_teacher
from classification.training.teacher_choice import TeacherChoice
from classification.training.teacher_logits import logits_of_texts
from classification.training.trainer import ClassificationTrainer
from classification.training.unlabelled_texts import read_texts_without_labels

CACHE = "text_classification_teacher"  # folder in the cache


def read_unlabelled(options: Options, splits: Mapping[str, Dataset], bad_rows: BadRows) -> Dataset | None:
    """The texts of `--unlabelled_file`, without those of validation and test; None without the flag.

    Args:
        splits: all rows of validation and test, those that no phase reads included.

    Raises:
        UsageError: as from `read_texts_without_labels`.
    """
    choice = options.training.teacher
    if choice is None or choice.unlabelled_file is None or not options.trains:
        return None
    return read_texts_without_labels(
        choice.unlabelled_file, options.columns, splits, bad_rows, options.source.cache_dir
    )


def choose_teacher(
    options: Options, corpus: Corpus, hardware: Hardware, fold: tuple[int, int] | None
) -> Teacher | None:
    """The teacher that was asked for; None without one.

    Raises:
        UsageError: as from `load_teacher`.
    """
    choice = options.training.teacher
    if choice is None or not options.trains:
        return None
    if fold and fold[0] == 0:
        log_lines([warning(
            f"--teacher {choice.name}: if the teacher was trained on rows that a fold holds out, the metrics of the "
            "folds are too high"
        )])  # fmt: skip
    return load_teacher(
        choice.name, corpus.task, options.model.hub, device=hardware.device, precision=hardware.precision,
        pairs=corpus.has_pairs,
    )  # fmt: skip


def attach_teacher(
    trainer: ClassificationTrainer, teacher: Teacher | None, choice: TeacherChoice | None, corpus: Corpus
) -> list[Line]:
    """Give the Trainer the loss that compares it with the teacher; the logits follow in `add_teacher_logits`."""
    if teacher is None or choice is None:
        return []
    rows = corpus.unlabelled
    facts = None if rows is None else {"rows": len(rows), "fingerprint": fingerprint(rows)}
    term = Distillation(trainer.task, choice, teacher, unlabelled=None if facts is None else describe_rows(facts))
    trainer.loss_terms.append(term)
    trainer.objective_share = 1.0 - choice.weight
    return [Line("teacher", term.describe(len(corpus.splits["train"]), len(rows or ())))]


def add_teacher_logits(options: Options, prepared: Prepared) -> None:
    """Give every training row the logits of the teacher, and report how well the teacher knows the labelled ones.

    Raises:
        RunError: the teacher's output is not finite.
    """
    trainer, corpus = prepared.trainer, prepared.result.corpus
    term = distillation_in(trainer.loss_terms)
    if term is None or term.teacher is None:
        return
    teacher, term.teacher = term.teacher, None
    folder = cache_folder(options.encoding.cache_dir, CACHE)
    texts = [corpus.splits["train"], *([corpus.unlabelled] if corpus.unlabelled else [])]
    targets = [teacher.targets(logits_of_texts(teacher, trainer, rows, folder), trainer.task) for rows in texts]
    figure = score(targets[0], np.array(corpus.train_labels), trainer.task)[trainer.task.headline]
    name, labelled = trainer.task.headline, quantity(len(targets[0]), "labelled training row")
    log_lines([Line("teacher", f"its {name} on {labelled} is {figure:.4f}")])
    prepared.result.facts["teacher"] = {
        **term.facts, "labelled_rows": len(targets[0]), "unlabelled_rows": sum(map(len, targets[1:])),
        f"train_{name}": figure,
    }  # fmt: skip
    trainer.train_dataset = with_teacher_logits(trainer.train_dataset, targets)
    trainer._set_signature_columns_if_needed()
    trainer._signature_columns.append(TEACHER)  # else the library removes a column that the model does not take
    del teacher
    free_memory()
