"""A function in the place of the recipe that trains nothing, and leaves and continues what a run would."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from types import SimpleNamespace
from unittest import mock

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.labels import LabelSpace
from classification.data.tasks import infer_task
from classification.errors import Diverged
from classification.evaluation.predictions import Predictions
from classification.evaluation.split_metrics import score_labelled
from classification.experiments import seeds_and_folds
from classification.experiments.run_parts import keep_predictions
from classification.experiments.seeds_and_folds import run_study
from classification.experiments.study_progress import record_begun
from classification.reporting.output_folder import OutputFolder, output_guarded
from classification.training.finished_run import finished_run

DRAW = np.random.default_rng(0)
TWO = infer_task(["a", "b"])
NAMES = [f"{kind}-{number}" for kind in ("seed", "fold") for number in (1, 2, 3, 4)]
MADE = {name: (DRAW.normal(size=(6, 2)), DRAW.integers(0, 2, 6).tolist()) for name in NAMES}  # logits and labels


def study(options, run, write_pages=None) -> dict:
    """A study as `main` runs it, without the page: what its runs leave are no tables and no models.

    Args:
        write_pages: in the place of the page and the model card.
    """
    pages = mock.patch.object(seeds_and_folds, "write_study_pages", write_pages or mock.Mock())
    with output_guarded(options.output_dir), pages:
        return run_study(options, run)


@dataclass
class StandIn:
    """Runs of a study.

    Args:
        made: by the name of a run, its logits and labels of validation.
        metrics: further ones of every run. failing: names of runs that diverge.
        lost: by name, what an error after training costs; such a run is not marked as finished.
        trained: names of the runs that were trained from the beginning or continued, in their order.
    """

    task: LabelSpace
    made: dict[str, tuple[np.ndarray, list]]
    metrics: dict[str, float] = field(default_factory=dict)
    failing: tuple[str, ...] = ()
    lost: dict[str, list[str]] = field(default_factory=dict)
    trained: list[str] = field(default_factory=list)

    def __call__(self, options, fold=None):
        folder, name = options.output_dir, options.output_dir.name
        guarded = OutputFolder.claim(
            folder, options.guarded_dir, resume=options.run.resume, inputs=[],
            overwrite=options.run.overwrite_output_dir,
        )  # fmt: skip
        corpus = SimpleNamespace(splits=DatasetDict(validation=self.rows(name, fold)), task=self.task)
        if options.run.resume and finished_run(folder):
            metrics = json.loads((folder / "all_results.json").read_text())
            return self.finished(folder, corpus, metrics, {}, is_finished_before=True)
        self.trained.append(f"{name} continued" if guarded.checkpoint else name)
        with guarded.room(lambda: name not in self.failing):
            folder.mkdir(parents=True, exist_ok=True)
            record_begun(options)
            if name in self.failing:
                raise Diverged("Training diverged at step 3 of 9.")
            return self.train(options, name, corpus)

    def train(self, options, name, corpus):
        folder, (logits, label_ids) = options.output_dir, self.made[name]
        if not (folder / "checkpoint-8").is_dir():
            partial = folder / "checkpoint-8.partial"
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            (partial / "optimizer.pt").write_text(name)
            partial.rename(folder / "checkpoint-8")
        for file in ("model.safetensors", "vocab.txt", "predictions.csv"):
            (folder / file).write_text(name)
        scored = score_labelled(logits, label_ids, self.task)
        metrics = {f"eval_{metric}": value for metric, value in scored.items()} | self.metrics
        tokens = np.ones(len(logits), int)
        predictions = {"validation": Predictions(corpus.splits["validation"], logits, tokens, tokens)}
        finished = self.finished(folder, corpus, metrics, predictions)
        (folder / "all_results.json").write_text(json.dumps(metrics))
        keep_predictions(options, finished)
        is_finished = {} if finished.lost else {"finished": True}
        (folder / "run.json.new").write_text(json.dumps({**is_finished, "results": metrics}))
        (folder / "run.json.new").rename(folder / "run.json")
        return finished

    def rows(self, name: str, fold: tuple[int, int] | None) -> Dataset:
        number, count = fold or (0, 1)
        logits, label_ids = self.made.get(name, ([], []))
        positions = list(range(number, 100, count))[: len(logits)]
        ids, texts = [f"r{position}" for position in positions], ["good film"] * len(logits)
        return Dataset.from_dict({"id": ids, "label": label_ids, "position": positions, "text": texts})

    def finished(self, folder, corpus, metrics, predictions, *, is_finished_before=False):
        lost = list(self.lost.get(folder.name, ()))
        return SimpleNamespace(
            metrics=metrics, predictions=predictions, seconds={}, task=self.task, output_dir=folder, corpus=corpus,
            lost=[] if is_finished_before else lost, is_finished_before=is_finished_before,
        )  # fmt: skip
