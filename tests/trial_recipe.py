"""A function in the place of the recipe for trials of a search: it trains nothing, and leaves what a trial would."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace

import numpy as np
from datasets import Dataset, DatasetDict

from classification.data.fingerprints import fingerprint
from classification.data.tasks import infer_task
from classification.evaluation.predictions import Predictions
from classification.experiments.run_parts import keep_predictions
from classification.experiments.search_closing import forget_trials
from classification.reporting.output_folder import OutputFolder
from classification.training.finished_run import finished_run
from classification.training.pruning import Pruned

TASK = infer_task(["a", "b"])
ROWS = 30


def loss_of(options) -> float:
    """The lowest at a rate of 1e-4, 4 epochs and 16 rows."""
    trainer = options.trainer
    rate = abs(math.log10(trainer.number("learning_rate")) + 4)
    epochs = 0.1 * abs(trainer.number("num_train_epochs") - 4)
    return 0.2 + rate + epochs + 0.01 * abs(trainer.number("per_device_train_batch_size") - 16)


@dataclass
class TrialRecipe:
    """Runs of a search.

    Args:
        loss: val_loss of the options of a run. failing: what is raised in the place of a training, by folder name.
        trained: folder, learning rate and epochs of what was trained, in its order.
        seen: all phases that runs had. label: changes the data.
    """

    loss: Callable = loss_of
    failing: dict[str, Exception] = field(default_factory=dict)
    trained: list[tuple] = field(default_factory=list)
    seen: set[str] = field(default_factory=set)
    label: str = "text"

    def __call__(self, options, fold=None):
        folder = options.output_dir
        claimed = OutputFolder.claim(
            folder, options.guarded_dir, resume=options.run.resume, inputs=[],
            overwrite=options.run.overwrite_output_dir,
        )  # fmt: skip
        label_ids = [0, 1] * (ROWS // 2)
        rows = Dataset.from_dict({"text": [f"{self.label} {i}" for i in range(ROWS)], "label": label_ids})
        corpus = SimpleNamespace(splits=DatasetDict(validation=rows), task=TASK)
        record = finished_run(folder)
        if options.run.resume and record:
            forget_trials(options)
            metrics = json.loads((folder / "all_results.json").read_text())
            return self.result(folder, corpus, metrics, {}, is_finished_before=True)
        if claimed.checkpoint is None:
            trainer = options.trainer
            self.trained.append((folder.name, trainer["learning_rate"], trainer["num_train_epochs"]))
        if options.is_part:
            self.seen |= options.phases
        with claimed.room(lambda: folder.name not in self.failing):
            folder.mkdir(parents=True, exist_ok=True)
            if folder.name in self.failing:
                raise self.failing[folder.name]
            return self.train(options, corpus)

    def train(self, options, corpus):
        folder, loss, epochs = options.output_dir, self.loss(options), int(options.trainer.number("num_train_epochs"))
        values = [loss + 0.1 * (epochs - epoch) for epoch in range(1, epochs + 1)]
        hopeless = options.training.is_hopeless
        for epoch in range(1, epochs):
            if hopeless and hopeless(values[:epoch]):
                raise Pruned(values[:epoch])
        self.save(folder / "checkpoint-8")
        (folder / "model.safetensors").write_text(folder.name)
        metrics = {"eval_loss": loss, "eval_accuracy": round(max(0.0, 1 - loss / 4), 4)}
        rows = corpus.splits["validation"]
        logits = np.random.default_rng(len(str(loss))).normal(size=(ROWS, 2)) + loss
        tokens = np.ones(ROWS, int)
        made = {"validation": Predictions(rows, logits, tokens, tokens)}
        finished = self.result(folder, corpus, metrics, made)
        (folder / "all_results.json").write_text(json.dumps(metrics))
        keep_predictions(options, finished)
        data = {"train": {"rows": 9}, "validation": {"rows": ROWS, "fingerprint": fingerprint(rows)}}
        content = {"finished": True, "data": data, "epochs": [{"eval_loss": value} for value in values]}
        if options.best_trial:
            content["search"] = {"best": options.best_trial}
        (folder / "run.json.new").write_text(json.dumps(content))
        (folder / "run.json.new").rename(folder / "run.json")
        forget_trials(options)
        return finished

    @staticmethod
    def save(checkpoint) -> None:
        if not checkpoint.is_dir():
            partial = checkpoint.with_name(f"{checkpoint.name}.partial")
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir()
            (partial / "optimizer.pt").write_text("state")
            partial.rename(checkpoint)

    @staticmethod
    def result(folder, corpus, metrics, predictions, *, is_finished_before=False):
        return SimpleNamespace(
            metrics=metrics, predictions=predictions, seconds={"total": 1.0}, task=TASK, output_dir=folder,
            corpus=corpus, lost=[], is_finished_before=is_finished_before,
        )  # fmt: skip
