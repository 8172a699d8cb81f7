"""A linear model on vectors: fitted on train alone, its penalty chosen by folds, for every kind of task."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from corpus import BAD, GOOD, make_rows, splits_of
from datasets import Dataset

from classification.cli.parser import parse_arguments
from classification.data.bad_rows import BadRows
from classification.data.label_columns import encode_labels
from classification.data.tasks import infer_task
from classification.errors import UsageError
from classification.experiments import embedding_baselines
from classification.experiments.baselines import run_baselines
from classification.experiments.embedding_baselines import (
    FOLDS,
    STRENGTHS,
    USUAL_STRENGTH,
    VECTOR_METHODS,
    RowVectors,
    VectorMethod,
    choose_strength,
    fit_and_score,
    fit_on_vectors,
    rows_within_memory,
)

WORDS = [*GOOD, *BAD]


def count_words(encoder: object, texts: list[str]) -> np.ndarray:
    """A vector per text without a model: how often it has each planted word."""
    return np.array([[text.lower().count(word) for word in WORDS] for text in texts], dtype=np.float32)


COUNTS = VectorMethod("counts", count_words, lambda encoder: 1000)


def encoded(change=lambda row: row, *, held_out=lambda row: row):
    """Encoded splits and their task; `change` is applied to all rows, `held_out` to those that are not train's."""
    rows = {split: [change(row) for row in make_rows(*size)]
            for split, size in (("train", (64, 1)), ("validation", (24, 2)), ("test", (24, 3)))}  # fmt: skip
    data = splits_of(rows.pop("train"), **{split: [held_out(row) for row in made] for split, made in rows.items()})
    task = infer_task(data["train"]["label"][:])
    return encode_labels(data, task, BadRows("error", [])), task


def is_good(row: dict) -> bool:
    return row["label"] == "positive"


TASKS = {
    "one label": (lambda row: row, "accuracy", 0.9),
    "several labels": (
        lambda row: row | {"label": [row["label"], *(["all"] if is_good(row) else [])]},
        "f1_micro",
        0.9,
    ),
    "a number": (lambda row: row | {"label": 2.5 + 4.5 * is_good(row)}, "pearson", 0.9),
    "pairs": (lambda row: row | {"text_pair": row["text"][::-1]}, "accuracy", 0.9),
}


@pytest.mark.parametrize("kind", TASKS)
def test_each_kind_of_task_is_learned_and_has_its_costs(kind):
    change, metric, least = TASKS[kind]
    splits, task = encoded(change)
    result = fit_and_score(COUNTS, None, splits, task, 0)
    assert result.metrics["validation"][metric] > least and result.metrics["test"][metric] > least
    assert result.logits["test"].shape == (24, task.num_labels) and result.metrics["test"]["loss"] is not None
    assert result.train_seconds > 0 and result.rows_per_second > 0 and result.size_bytes > 1000


def test_labels_of_validation_and_test_are_not_seen():
    """If all of them are flipped, accuracy becomes one minus accuracy."""
    other = {"negative": "positive", "positive": "negative"}
    (plain, task), (flipped, _) = encoded(), encoded(held_out=lambda row: row | {"label": other[row["label"]]})
    first, second = (fit_and_score(COUNTS, None, splits, task, 0) for splits in (plain, flipped))
    for split in ("validation", "test"):
        assert first.metrics[split]["accuracy"] == pytest.approx(1 - second.metrics[split]["accuracy"])
        np.testing.assert_array_equal(first.logits[split], second.logits[split])


def test_a_class_or_label_that_never_varies_does_not_stop_it():
    splits, task = encoded(lambda row: row | {"label": ["always", *(["good"] if is_good(row) else [])]})
    result = fit_and_score(COUNTS, None, splits, task, 0)
    assert result.metrics["test"]["f1_micro"] > 0.9
    many, task = encoded(lambda row: row | {"label": f"class {int(row['id'].split('-')[1]) % 40}"})
    assert task.num_labels == 40 and np.isfinite(fit_and_score(COUNTS, None, many, task, 0).logits["test"]).all()


# ----------------------------------------------------------------------------------------------------------- strength


def draw(rows: int, columns: int, *, noise: float, seed: int = 0):
    """Features of which the first decides the class, but for `noise`."""
    generator = np.random.default_rng(seed)
    x = generator.normal(size=(rows, columns)).astype(np.float32)
    return x, (x[:, 0] + noise * generator.normal(size=rows) > 0).astype(int), [str(row) for row in range(rows)]


def test_noise_gets_the_strongest_penalty_and_a_clear_rule_a_weak_one():
    task = infer_task(["no", "yes"])
    assert choose_strength(*draw(90, 200, noise=1e6), task, 0) == STRENGTHS[0]
    assert choose_strength(*draw(900, 2, noise=0.0), task, 0) >= 1.0


def test_repeats_of_a_text_are_in_one_fold():
    """Random labels of 30 texts, each of which occurs ten times: what is learned by heart predicts no other text."""
    x, label_ids, keys = draw(30, 60, noise=1e6)
    repeated = np.tile(x, (10, 1)), np.tile(label_ids, 10), keys * 10
    task = infer_task(["no", "yes"])
    assert choose_strength(*repeated, task, 0) == STRENGTHS[0]
    assert choose_strength(*repeated[:2], [str(row) for row in range(300)], task, 0) > STRENGTHS[0]


@pytest.mark.parametrize("keys", [["same"] * 20, [str(row) for row in range(20)]])
def test_where_no_row_can_be_held_out_the_usual_strength_is_used(keys):
    label_ids = np.arange(20) if len(set(keys)) > 1 else np.arange(20) % 2
    task = infer_task([f"c{label}" for label in label_ids])
    x = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    assert choose_strength(x, label_ids, keys, task, 0) == USUAL_STRENGTH


def test_the_choice_does_not_depend_on_the_order_of_the_rows():
    x, label_ids, keys = draw(200, 30, noise=1.0)
    order = np.random.default_rng(1).permutation(200)
    task = infer_task(["no", "yes"])
    shuffled = x[order], label_ids[order], [keys[row] for row in order]
    assert choose_strength(x, label_ids, keys, task, 3) == choose_strength(*shuffled, task, 3)


def test_few_rows_choose_the_strength_of_many(monkeypatch):
    sizes = []
    real = embedding_baselines.fit_method
    monkeypatch.setattr(
        embedding_baselines,
        "fit_method",
        lambda method, x, *args, **kw: (sizes.append(len(x)), real(method, x, *args))[1],
    )
    monkeypatch.setattr(embedding_baselines, "MAX_CHOICE", 30)
    choose_strength(*draw(300, 5, noise=0.5), infer_task(["no", "yes"]), 0)
    assert max(sizes) <= 30 - 30 // FOLDS


# ----------------------------------------------------------------------------------------------------- vectors of rows


def test_a_repeated_text_is_embedded_once_and_its_time_counts_each_time(monkeypatch):
    calls, clock = [], iter([0.0, 2.0])
    monkeypatch.setattr(embedding_baselines.time, "perf_counter", lambda: next(clock))
    vectors = RowVectors(lambda texts: (calls.append(texts), count_words(None, texts))[1])
    rows = Dataset.from_dict({"id": ["0", "1", "2"], "text": [GOOD[0], BAD[0], GOOD[0]]})
    np.testing.assert_array_equal(vectors.of(rows), count_words(None, [GOOD[0], BAD[0], GOOD[0]]))
    assert calls == [[GOOD[0], BAD[0]]] and vectors.seconds_saved == pytest.approx(1.0)  # a third text in 1 s


def test_pairs_have_both_vectors_their_distance_and_their_product():
    rows = Dataset.from_dict({"id": ["0"], "text": [f"{GOOD[0]} {GOOD[0]}"], "text_pair": [f"{GOOD[0]} {BAD[0]}"]})
    first, second = count_words(None, [rows[0]["text"], rows[0]["text_pair"]])
    wanted = np.concatenate([first, second, abs(first - second), first * second])
    np.testing.assert_array_equal(RowVectors(lambda texts: count_words(None, texts)).of(rows), [wanted])


def test_rows_beyond_the_memory_are_left_out_and_a_line_says_so(monkeypatch, caplog):
    caplog.set_level("INFO")
    splits, task = encoded()
    vectors = RowVectors(lambda texts: count_words(None, texts))
    monkeypatch.setattr(embedding_baselines, "MAX_BYTES", 40 * 4 * len(WORDS))
    assert len(rows_within_memory(splits["train"], vectors, 0, "counts")) == 40
    assert "counts: fitted on 40 of 64 rows of train" in caplog.text
    assert fit_and_score(COUNTS, None, splits, task, 0).metrics["test"]["accuracy"] > 0.8


def test_a_split_is_predicted_in_parts_with_the_same_result(monkeypatch):
    splits, task = encoded()
    whole = fit_and_score(COUNTS, None, splits, task, 0)
    monkeypatch.setattr(embedding_baselines, "CHUNK", 7)
    parts = fit_and_score(COUNTS, None, splits, task, 0)
    np.testing.assert_allclose(parts.logits["test"], whole.logits["test"], atol=1e-6)


# ---------------------------------------------------------------------------------------------------------- a command


@pytest.fixture
def options(tiny_model, shared_files, tmp_path):
    def parse(**flags):
        flags = {"model_name_or_path": tiny_model, **shared_files, "output_dir": tmp_path / "out", "precision": "fp32",
                 "baselines": ",".join(VECTOR_METHODS), "disable_tqdm": "true"} | flags  # fmt: skip
        return parse_arguments([f"--{name}={value}" for name, value in flags.items() if value is not None])

    return parse


def test_both_rungs_learn_from_an_encoder_that_is_loaded_once(options, monkeypatch):
    splits, task = encoded()
    loads, real = [], embedding_baselines.load_frozen_encoder
    monkeypatch.setattr(
        embedding_baselines, "load_frozen_encoder", lambda options: (loads.append(options), real(options))[1]
    )
    results = fit_on_vectors(list(VECTOR_METHODS), options(), splits, task)
    assert len(loads) == 1
    assert results["static_embeddings"].metrics["test"]["accuracy"] > 0.9
    assert results["frozen_encoder"].metrics["test"]["accuracy"] > 0.5  # random weights
    assert results["static_embeddings"].size_bytes < results["frozen_encoder"].size_bytes


def test_what_fails_has_its_reason_and_the_other_method_goes_on(options, monkeypatch):
    splits, task = encoded()
    missing = fit_on_vectors(list(VECTOR_METHODS), options(model_name_or_path="bilstm"), splits, task)
    assert [result.not_applicable for result in missing.values()] == ["the model has no pretrained encoder."] * 2

    def fail(encoder, texts):
        raise RuntimeError("CUDA error: an illegal access.\nMore of it.")

    monkeypatch.setitem(VECTOR_METHODS, "frozen_encoder", VectorMethod("frozen encoder", fail, int))
    results = fit_on_vectors(list(VECTOR_METHODS), options(), splits, task)
    assert results["frozen_encoder"].not_applicable == "CUDA error: an illegal access."
    assert results["static_embeddings"].metrics["test"]["accuracy"] > 0.9


def test_outputs_that_are_not_finite_are_no_result(options, monkeypatch):
    splits, task = encoded()
    overflow = VectorMethod("frozen encoder", lambda encoder, texts: np.full((len(texts), 2), np.inf), int)
    monkeypatch.setitem(VECTOR_METHODS, "frozen_encoder", overflow)
    (result,) = fit_on_vectors(["frozen_encoder"], options(), splits, task).values()
    assert "infinity" in result.not_applicable


def test_only_a_model_that_is_named_or_here_is_loaded(options, monkeypatch):
    """The script needs no model for its other methods: it must not download the default one."""
    splits, task = encoded()
    corpus = SimpleNamespace(splits=splits, task=task)

    def refuse(options):
        raise UsageError("it was loaded.")

    monkeypatch.setattr(embedding_baselines, "load_frozen_encoder", refuse)
    unnamed = options(model_name_or_path=None)
    reasons = {
        has_model: run_baselines(unnamed, corpus, None, has_model=has_model)["frozen_encoder"].not_applicable
        for has_model in (False, True)
    }
    assert reasons == {False: "no encoder is named with --model_name_or_path", True: "it was loaded."}
    assert run_baselines(options(), corpus, None)["frozen_encoder"].not_applicable == "it was loaded."
