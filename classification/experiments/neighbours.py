"""neighbours.json: for the test rows that the report shows, the training rows that the model finds most alike."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from datasets import Dataset
from sklearn.neighbors import NearestNeighbors

from classification.cli.options import Options
from classification.data.corpus import TextKeys, text_columns
from classification.data.labels import LabelSpace
from classification.data.seeded_order import draw_in_order, seeded_rows
from classification.errors import cosmetic
from classification.messages.log import Line, log_lines
from classification.report.run_files import read_run
from classification.report.shown_rows import choose_rows
from classification.report.text_budget import shortened
from classification.reporting.run_result import Prepared
from classification.system.files import replacing
from classification.training.embeddings import EmbeddingRecorder, embed_rows
from classification.training.flops import Flops
from classification.training.processes import stop_together
from classification.training.samplers import token_lengths
from classification.training.trainer import ClassificationTrainer

# N training rows, S shown test rows, H size of an embedding.

FILE = "neighbours.json"
MAX_TRAIN = 5000  # rows that are searched
NEAREST = 3
TEXT_LENGTH = 300  # characters of a training text
SHARE = 0.08  # of the run's work, counted in tokens that pass forward through the model
FREE = 2e10  # operations that are always allowed: a second of a slow CPU


@dataclass(frozen=True)
class Neighbours:
    """What neighbours.json holds.

    The file has `train_rows` (N), `searched` (how many of them were searched), `reason` (why not all: "limit" is
    `MAX_TRAIN`, "work" is `SHARE`; else ""), `test_rows`, `shown` (S), `rows` and `train`.

    A key of `rows` is the number of a test row in predictions.csv. Its value is {"id": its id, "nearest": [[place in
    `train`, cosine similarity, 1 if both have the same text else 0], ...]}, the most alike first. `train` lists the
    training rows that are a neighbour: {"id", "labels", "texts"}. `labels` holds the names of the row's labels, or its
    number. `texts` holds one text, or two for pairs, each cut to `TEXT_LENGTH` characters; with `--report_texts false`
    it is missing.

    Args:
        rows: numbers of the test rows. nearest, similarity: of each row, [S, 3]; numbers of training rows.
        searched: numbers of the training rows that were searched.
    """

    rows: Sequence[int]
    nearest: np.ndarray
    similarity: np.ndarray
    searched: Sequence[int]
    shown: int
    reason: str

    def as_dict(self, train: Dataset, test: Dataset, task: LabelSpace, *, with_texts: bool) -> dict[str, object]:
        """The content of the file."""
        used = sorted(set(self.nearest.ravel().tolist()))
        places = {row: place for place, row in enumerate(used)}
        near, shown = train.select(used), test.select(list(self.rows))
        train_keys, test_keys = list(TextKeys(near)), list(TextKeys(shown))
        rows = {}
        for place, (row, row_id) in enumerate(zip(self.rows, shown["id"], strict=True)):
            pairs = zip(self.nearest[place].tolist(), self.similarity[place].tolist(), strict=True)
            nearest = [
                [places[other], round(value, 4), int(train_keys[places[other]] == test_keys[place])]
                for other, value in pairs
            ]
            rows[str(row)] = {"id": str(row_id), "nearest": nearest}
        return {
            "train_rows": len(train), "searched": len(self.searched), "reason": self.reason, "test_rows": len(test),
            "shown": self.shown, "rows": rows, "train": describe_rows(near, task, with_texts=with_texts),
        }  # fmt: skip


def describe_rows(rows: Dataset, task: LabelSpace, *, with_texts: bool) -> list[dict[str, object]]:
    """Id, labels and the beginnings of the texts of training rows."""
    described: list[dict[str, object]] = [
        {"id": str(row_id), "labels": names_of(label, task)}
        for row_id, label in zip(rows["id"], rows["label"], strict=True)
    ]
    if not with_texts:
        return described
    contents = zip(*(rows[name] for name in text_columns(rows)), strict=True)
    return [
        row | {"texts": [shortened(text, TEXT_LENGTH) for text in texts]}
        for row, texts in zip(described, contents, strict=True)
    ]


def names_of(label_id: object, task: LabelSpace) -> list[str]:
    """The names of a row's labels; for a task without names its number."""
    counts = task.counts([label_id])
    return [name for name, count in counts.items() if count] if counts else [task.decode(label_id)]


def has_neighbours(options: Options, prepared: Prepared) -> bool:
    """Whether this run writes the file: it needs training rows and predicted test rows, and has a page.

    With FSDP or DeepSpeed no process has all weights, so that none can embed rows by itself.
    """
    return (
        options.run.neighbours
        and options.predicts
        and (not options.is_part or is_kept_perhaps(options))
        and {"train", "test"} <= prepared.encoded.keys()
        and not (prepared.trainer.is_fsdp_enabled or prepared.trainer.is_deepspeed_enabled)
    )


def is_kept_perhaps(options: Options) -> bool:
    """Whether this run is one of several seeds: the study keeps the best of them."""
    return options.member_of is not None and options.member_of.kind == "seeds"


def record_embeddings(options: Options, prepared: Prepared) -> None:
    """Before the phases: ask the Trainer to keep the embeddings of test while it predicts."""
    if has_neighbours(options, prepared):
        prepared.trainer.recorder = EmbeddingRecorder("test")


def write_neighbours(options: Options, prepared: Prepared) -> None:
    """Write neighbours.json; without neighbours, remove one that an earlier command has left.

    All processes must call it. The main process does the work.
    """
    path = options.output_dir / FILE
    with stop_together(), cosmetic(FILE, prepared.result.lost, asked=False):
        if not prepared.result.is_main_process:
            return
        path.unlink(missing_ok=True)
        if has_neighbours(options, prepared) and "test" in prepared.result.predictions:
            seconds = prepared.result.seconds
            with prepared.result.timed("neighbours"):
                write_found(options, prepared, path)
            seconds["total"] = seconds.get("total", 0.0) + seconds["neighbours"]


def write_found(options: Options, prepared: Prepared, path: Path) -> None:
    result = prepared.result
    found = find_neighbours(prepared, options.output_dir, options.seed)
    if found is None:
        return
    train, test = (result.corpus.splits[split] for split in ("train", "test"))
    content = found.as_dict(train, test, result.task, with_texts=options.run.report_texts)
    with replacing(path) as handle:
        json.dump(content, handle, ensure_ascii=False, separators=(",", ":"))
    log_lines([describe(found, len(train))])


def describe(found: Neighbours, train_rows: int) -> Line:
    fewer = {"limit": f" (of {train_rows})", "work": f" (of {train_rows}: more would take too long)"}
    rows = f"{len(found.rows)} test rows" + (f" (of {found.shown} shown)" if len(found.rows) < found.shown else "")
    searched = f"{len(found.searched)} training rows{fewer.get(found.reason, '')}"
    return Line("neighbours", f"the {found.nearest.shape[1]} nearest of {searched} for each of {rows}, in {FILE}")


def find_neighbours(prepared: Prepared, folder: Path, seed: int) -> Neighbours | None:
    """The nearest training rows of the test rows that the report shows; None where there is nothing to compare."""
    trainer, encoded, result = prepared.trainer, prepared.encoded, prepared.result
    run = read_run(folder)
    if run.predictions is None:
        return None
    shown = list(choose_rows(run.predictions, run.task).rows)
    recorder, test = trainer.recorder, encoded["test"]
    kept = recorder.embeddings if recorder else None
    lengths = {split: token_lengths(rows) for split, rows in encoded.items()}
    room = allowed_tokens(trainer, {split: int(tokens.sum()) for split, tokens in lengths.items()})
    rows = shown if kept is not None else first_within(shown, lengths["test"], room // 2)
    if kept is None:
        room -= int(lengths["test"][rows].sum())
    splits = result.corpus.splits
    searched = draw_training_rows(
        splits["train"], splits["test"].select(rows), result.task, lengths["train"], room, seed
    )
    if not rows or not searched:
        return None
    queries = kept[rows] if kept is not None else embed_rows(trainer, test.select(rows))
    near, similarity = search(queries, embed_rows(trainer, encoded["train"].select(searched)))
    total = len(splits["train"])
    reason = "" if len(searched) == total else "limit" if len(searched) == MAX_TRAIN else "work"
    return Neighbours(rows, np.array(searched)[near], similarity, searched, len(shown), reason)


def search(queries: np.ndarray, candidates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The most alike candidates of each query, the most alike first: their places and cosine similarities, [S, 3]."""
    count = min(NEAREST, len(candidates))
    finder = NearestNeighbors(n_neighbors=count, metric="cosine", algorithm="brute").fit(candidates)
    distances, places = finder.kneighbors(queries)
    return places, np.clip(1 - distances, -1, 1)


def allowed_tokens(trainer: ClassificationTrainer, tokens: dict[str, int]) -> int:
    """How many tokens may pass forward through the model for neighbours.

    It follows from counts alone, so that the same command always finds the same neighbours.

    Args:
        tokens: of each split.
    """
    state = trainer.state
    evaluations = 1 + sum("eval_runtime" in entry for entry in state.log_history)
    work = (
        trainer.training.passes * (state.epoch or 0) * tokens["train"]
        + evaluations * tokens.get("validation", 0)
        + tokens["test"]
    )
    free = 0.0
    try:
        free = FREE / Flops(trainer.model, trainer.processing_class.model_max_length).per_token
    except Exception:  # whatever an unusual model raises: its operations are not counted
        pass
    return int(max(SHARE * work / trainer.args.world_size, free))


def first_within(rows: Sequence[int], lengths: np.ndarray, room: int) -> list[int]:
    """The first of some rows, as many as have at most `room` tokens together."""
    return list(rows[: int(np.searchsorted(np.cumsum(lengths[list(rows)]), room, side="right"))])


def draw_training_rows(
    train: Dataset, shown: Dataset, task: LabelSpace, lengths: np.ndarray, room: int, seed: int
) -> list[int]:
    """The training rows that are searched, in the order of the file: at most `MAX_TRAIN`, with at most `room` tokens.

    Rows with the text of a shown test row come first. The others are a seeded draw in which each class keeps its share.
    """
    order = seeded_rows(TextKeys(train), seed)
    strata = task.strata(np.array(train["label"][:]))
    classes = list(map(tuple, strata.reshape(len(train), -1).tolist()))
    if len(set(classes)) > len(train) / 2:  # nearly every row has labels of its own
        classes = [()] * len(train)
    wanted = set(TextKeys(shown))
    shared = [row for row, key in enumerate(TextKeys(train)) if key in wanted]
    count, caution = min(MAX_TRAIN, len(train)), 1.0
    while count:
        first = shared[: count // 2]
        known = set(first)
        drawn = [row for row in draw_in_order(order, classes, count) if row not in known]
        chosen = [*first, *drawn[: count - len(first)]]
        used = int(lengths[chosen].sum())
        if used <= room:
            return sorted(chosen)
        count = min(count - 1, int(caution * count * room / used))
        caution = 0.98
    return []
