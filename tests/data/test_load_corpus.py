"""The order of work on the data: from the flags to splits, a task and findings."""

from __future__ import annotations

import pytest
from corpus import make_rows, write_csv
from planted import by_kind, clean, near_copies
from transformers import BertConfig

from classification.cli.parser import parse_arguments
from classification.data.corpus import GIVEN, NOT_USED, Corpus
from classification.data.tasks import infer_task
from classification.errors import UsageError
from data_utils import load_corpus


@pytest.fixture
def load(tmp_path):
    """A function that writes rows as files and loads them as the command line does."""

    def from_rows(rows: dict[str, list[dict]], *, config=None, fold=None, **flags) -> Corpus:
        files = {f"{split}_file": write_csv(tmp_path / f"{split}.csv", data) for split, data in rows.items()}
        words = [f"--{name}={value}" for name, value in (files | flags).items()]
        return load_corpus(parse_arguments([*words, f"--output_dir={tmp_path / 'out'}"]), config, fold)

    return from_rows


def test_validation_is_the_newest_rows_by_time(load):
    dates = [f"2024-0{1 + i // 16}-{10 + i % 16}" for i in range(64)]
    rows = [row | {"date": date} for row, date in zip(make_rows(64), dates, strict=True)]
    corpus = load({"train": rows}, validation_strategy="time", time_column="date")
    assert corpus.splits["validation"]["id"][:] == [row["id"] for row in rows[-13:]]
    assert "the newest rows of train" in corpus.validation_method


def test_a_group_is_on_one_side_and_texts_of_two_groups_are_a_finding(load):
    rows = [row | {"user": f"u{i // 8}"} for i, row in enumerate(make_rows(64))]
    corpus = load({"train": rows}, validation_group_column="user", validation_fraction=0.25)
    users = {row["id"]: row["user"] for row in rows}
    train, validation = (corpus.splits[split]["id"][:] for split in ("train", "validation"))
    assert (len(train), len(validation)) == (48, 16)
    assert not {users[row_id] for row_id in train} & {users[row_id] for row_id in validation}


def test_texts_on_both_sides_of_the_split_are_found(load):
    """Groups may share a text; without groups, equal texts stay together."""
    rows = [row | {"user": f"u{i}", "id": str(i)} for i, row in enumerate(make_rows(16) * 4)]
    leak = ("exact_duplicates", "train, validation")
    assert leak in by_kind(load({"train": rows}, validation_group_column="user").findings)
    assert leak not in by_kind(load({"train": rows}).findings)


def test_only_the_splits_of_a_phase_are_read(load):
    config = BertConfig()
    infer_task(["negative", "positive"]).write_to(config)
    rows = {"train": make_rows(40, 1), "validation": make_rows(10, 2), "test": make_rows(10, 3)}
    assert set(load(rows).splits) == {"train", "validation", "test"} and load(rows).validation_method == GIVEN
    only_test = load({"test": rows["test"]}, config=config, do_predict=True)
    assert set(only_test.splits) == {"test"} and only_test.validation_method == NOT_USED
    assert set(load(rows, config=config, do_eval=True).splits) == {"validation"}
    assert set(load(rows, do_train=True).splits) == {"train", "validation"}


def test_the_model_decides_the_task_where_nothing_is_trained(load):
    config = BertConfig()
    infer_task(["positive", "negative", "neutral"]).write_to(config)
    assert load({"test": make_rows(4)}, config=config, do_predict=True).task.num_labels == 3
    infer_task(["a", "b"]).write_to(config)
    with pytest.raises(UsageError, match="classes are a, b, those of the data are negative, positive"):
        load({"test": make_rows(4)}, config=config, do_predict=True)


def test_samples_and_their_splits_are_counted(load):
    corpus = load({"train": make_rows(40, 1), "test": make_rows(20, 2)}, max_train_samples=10, max_predict_samples=5)
    assert {split: len(data) for split, data in corpus.splits.items()} == {"train": 10, "validation": 8, "test": 5}
    assert corpus.rows_before_sampling == {"train": 32, "validation": 8, "test": 20}


def test_shuffling_changes_the_order_and_nothing_else(load):
    rows = make_rows(40)
    ids = [
        load({"train": rows}, shuffle_train_dataset=shuffle).splits["train"]["id"][:] for shuffle in ("true", "false")
    ]
    assert ids[0] != ids[1] and sorted(ids[0]) == sorted(ids[1])


def test_flags_without_effect_are_warned_of(load, caplog):
    load({"train": make_rows(20, 1), "validation": make_rows(8, 2)}, validation_fraction=0.5)
    assert "--validation_fraction has no effect: the data has a validation split" in caplog.text


def test_missing_splits_are_refused(load):
    with pytest.raises(UsageError, match="--folds: the data has a validation split.*--remove_splits validation"):
        load({"train": make_rows(20, 1), "validation": make_rows(8, 2)}, fold=(0, 2))


def test_a_fold_is_the_validation_set(load):
    rows = make_rows(40)
    folds = [load({"train": rows}, fold=(number, 4)).splits["validation"] for number in range(4)]
    assert sorted(place for fold in folds for place in fold["position"]) == list(range(40))


def test_near_copies_split_off_into_validation_are_found_or_dropped(load):
    rows = near_copies(40)
    kinds = by_kind(load({"train": rows}, validation_fraction=0.2).findings)
    assert {("near_duplicates", "train"), ("near_duplicates", "train, validation")} <= set(kinds)
    kinds = by_kind(load({"train": rows}, validation_fraction=0.2, drop_leaked="true").findings)
    assert ("near_duplicates", "train, validation") not in kinds and ("near_duplicates", "train") in kinds
    corpus = load({"train": rows}, validation_fraction=0.3, drop_duplicates="true")
    assert (len(corpus.splits["train"]), len(corpus.splits["validation"])) == (28, 12)
    assert {kind for kind, _ in by_kind(corpus.findings)} == {"dropped_rows"}


def test_folds_have_every_text_without_near_copies_once(load):
    folds = [load({"train": near_copies(40)}, fold=(number, 2), drop_duplicates="true") for number in range(2)]
    validation = [corpus.splits["validation"] for corpus in folds]
    assert sorted(row_id for data in validation for row_id in data["id"]) == sorted(r["id"] for r in clean(40, 5))
    assert sorted(place for data in validation for place in data["position"]) == list(range(40))


def test_check_data_turns_refused_rows_and_validation_into_findings(load):
    rows = make_rows(40)
    rows[3]["text"], rows[4]["label"] = " ", ""
    validation = [row | {"label": "positive"} for row in make_rows(8, 2)]
    findings = by_kind(load({"train": rows, "validation": validation}, check_data="true").findings)
    for key in (("blank_text", "train"), ("no_label", "train"), ("one_class", "validation")):
        assert findings[key].severity == "error"
    with pytest.raises(UsageError, match="1 row of train has null or blank text"):
        load({"train": rows})
