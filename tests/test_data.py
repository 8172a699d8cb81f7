"""From raw labels to ids, from train to a validation split, from texts to token ids."""

from __future__ import annotations

import importlib
import inspect
import random
from pathlib import Path

import datasets
import pytest
from conftest import make_rows, make_tokenizer, splits_of

from classification.data.columns import Columns
from classification.data.encoding import features
from classification.data.fit_checks import check_validation
from classification.data.label_columns import encode_labels
from classification.data.labels import REGRESSION, LabelSpace
from classification.data.splitting import draw_rows, hashed_split, tail_split, validation_rows
from classification.data.truncation import Truncation
from data_utils import (
    add_validation,
    encode_splits,
    load_splits,
    take_samples,
)

# ------------------------------------------------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("values", "names"),
    [
        (["b", "a", "b"], ("a", "b")),
        ([0, 2, 1], ("0", "1", "2")),
        (["0", "10", "2", "1"], ("0", "1", "2", "10")),  # as strings, 10 would come before 2
        ([5, -1, 3], ("-1", "3", "5")),
        (["1.0", "0.0"], ("0", "1")),  # how pandas writes whole numbers beside a missing one
        (["007", "1"], ("007", "1")),
        ([True, False], ("False", "True")),
        (["1", "x"], ("1", "x")),
    ],
)
def test_names_and_ids_follow_from_the_values(values, names):
    labels = LabelSpace.from_train(values)
    assert labels.names == names
    assert [labels.encode(value) for value in values] == [
        names.index(str(labels.names[labels.encode(v)])) for v in values
    ]
    assert labels.label2id == {name: i for i, name in labels.id2label.items()}


def test_ids_of_whole_numbers_are_the_numbers():
    labels = LabelSpace.from_train(list(range(12)))
    assert [labels.encode(str(i)) for i in range(12)] == list(range(12))


def test_class_names_keep_their_order():
    assert LabelSpace.from_train(["neg", "pos"], class_names=("pos", "neg")).encode("neg") == 1


def test_minus_one_is_missing_unless_train_has_it():
    assert LabelSpace.from_train([0, 1]).encode(-1) is None
    assert LabelSpace.from_train([-1, 1]).encode(-1) == 0


@pytest.mark.parametrize("blank", [None, "", "  ", float("nan")])
def test_blank_labels_are_missing(blank):
    assert LabelSpace.from_train(["a", "b", blank]).encode(blank) is None


def test_regression_standardises_and_comes_back():
    labels = LabelSpace.from_train(["1", "2", "6"], do_regression=True)
    encoded = [labels.encode(value) for value in (1, 2, 6)]
    assert labels.problem_type == REGRESSION
    assert sum(encoded) == pytest.approx(0) and sum(x * x for x in encoded) == pytest.approx(3)
    assert [x * labels.std + labels.mean for x in encoded] == pytest.approx([1, 2, 6])


def test_a_label_that_train_lacks_is_an_error():
    with pytest.raises(KeyError):
        LabelSpace.from_train(["a", "b"]).encode("c")


# ------------------------------------------------------------------------------------------------------- splits


def test_auto_validation_is_five_percent_with_a_floor():
    assert [validation_rows(n, None) for n in (25_000, 4_000, 1_000, 320, 10)] == [1250, 200, 200, 64, 2]
    assert validation_rows(100, 0.25) == 25


def texts_and_labels(count: int = 300) -> tuple[list[str], list[int]]:
    texts = [f"text {i // 2 if i < 60 else i}" for i in range(count)]  # the first 60 are 30 pairs of repeats
    return texts, [int(text.split()[1]) % 3 for text in texts]


def test_each_class_keeps_its_share_and_every_row_has_one_place():
    texts, labels = texts_and_labels()
    train, validation = hashed_split(texts, labels, 60, seed=42)
    assert sorted(train + validation) == list(range(300))
    counts = [sum(labels[row] == label for row in validation) for label in range(3)]
    assert all(abs(count - 20) <= 1 for count in counts)


def test_identical_texts_stay_on_one_side():
    texts, labels = texts_and_labels()
    train, validation = hashed_split(texts, labels, 60, seed=42)
    assert not {texts[row] for row in train} & {texts[row] for row in validation}


def test_the_split_is_unchanged_by_row_order():
    texts, labels = texts_and_labels()
    order = random.Random(1).sample(range(300), 300)
    _, validation = hashed_split(texts, labels, 60, seed=42)
    _, shuffled = hashed_split([texts[i] for i in order], [labels[i] for i in order], 60, seed=42)
    assert sorted(texts[row] for row in validation) == sorted(texts[order[row]] for row in shuffled)


def test_another_seed_gives_another_split():
    texts, labels = texts_and_labels()
    assert hashed_split(texts, labels, 60, seed=1)[1] != hashed_split(texts, labels, 60, seed=2)[1]


def test_a_class_of_two_gives_one_to_each_side():
    labels = [0] * 50 + [1] * 2
    _, validation = hashed_split([str(i) for i in range(52)], labels, 5, seed=42)
    assert sum(labels[row] for row in validation) == 1


def test_groups_larger_than_the_classes_shares_still_fill_validation():
    groups = [f"user {i // 20}" for i in range(200)]  # ten users of 20 rows, 10 rows wanted
    train, validation = hashed_split(groups, [i % 2 for i in range(200)], 10, seed=42)
    assert len(validation) == 20 and not {groups[i] for i in train} & {groups[i] for i in validation}


def test_tail_is_the_last_rows():
    assert tail_split(10, 3) == ([0, 1, 2, 3, 4, 5, 6], [7, 8, 9])


def test_a_draw_has_the_exact_size_and_the_classes_shares():
    labels = [0] * 70 + [1] * 20 + [2] * 10
    rows = draw_rows([str(i) for i in range(100)], labels, 33, seed=42)
    assert len(rows) == len(set(rows)) == 33 and rows == sorted(rows)
    assert [sum(labels[row] == label for row in rows) for label in range(3)] == [23, 7, 3]


def test_a_sorted_file_gets_a_validation_set_of_both_classes(caplog):
    """The notebook's train[95%:] of IMDB held positive reviews only."""
    rows = sorted(make_rows(200), key=lambda row: row["label"])
    labels = LabelSpace.from_train([row["label"] for row in rows])
    splits, how = add_validation(
        encode_labels(splits_of(rows), labels), labels, fraction=None, strategy="stratified", seed=42
    )
    assert sorted(splits["validation"]["label"]) == [0] * 20 + [1] * 20 and "stratified" in how
    tail, _ = add_validation(encode_labels(splits_of(rows), labels), labels, fraction=0.05, strategy="tail", seed=42)
    assert tail["validation"]["label"][:] == [1] * 10
    check_validation(tail["validation"]["label"][:], labels, "tail", given=False)
    assert "one class only" in caplog.text


def test_groups_stay_on_one_side_and_the_column_is_gone():
    rows = [row | {"user": f"u{i % 9}"} for i, row in enumerate(make_rows(90))]
    splits, _ = load_splits(splits_of(rows), Columns(group="user"))
    users = {row["id"]: row["user"] for row in rows}
    labels = LabelSpace.from_train(splits["train"]["label"])
    splits, _ = add_validation(encode_labels(splits, labels), labels, fraction=0.2, strategy="stratified", seed=42)
    sides = [{users[row_id] for row_id in splits[split]["id"]} for split in ("train", "validation")]
    assert not sides[0] & sides[1] and sides[1]
    assert splits["train"].column_names == splits["validation"].column_names == ["text", "id", "label"]


def test_samples_are_drawn_from_all_classes():
    rows = sorted(make_rows(100), key=lambda row: row["label"])
    labels = LabelSpace.from_train([row["label"] for row in rows])
    taken = take_samples(encode_labels(splits_of(rows), labels), {"train": 10}, seed=42)
    assert taken["train"]["label"][:] == [0] * 5 + [1] * 5


# ----------------------------------------------------------------------------------------------------- encoding


def encode(splits, tokenizer=None, **changes):
    return encode_splits(splits, tokenizer or make_tokenizer(), **{"max_length": 8, "how": Truncation(), **changes})


@pytest.fixture
def splits(tmp_path):
    return splits_of(make_rows(10, seed=sum(map(ord, tmp_path.name))))


def cache_lines(caplog) -> list[str]:
    lines = [message.split(": ")[1].split(",")[0].split()[0] for message in caplog.messages if "cache  " in message]
    caplog.clear()
    return lines


def test_cache_is_hit_only_by_an_unchanged_run(splits, caplog, tmp_path):
    caplog.set_level("INFO")
    encode(splits)
    encode(splits, make_tokenizer())
    assert cache_lines(caplog) == ["miss", "hit"]
    encode(splits, max_length=9)
    encode(splits, make_tokenizer(words=["new"]))
    encode(splits.map(lambda row: {"text": row["text"] + " good"}))
    encode(splits, overwrite_cache=True)
    assert cache_lines(caplog) == ["miss"] * 4
    left = make_tokenizer()
    left.truncation_side = "left"
    encode(splits, left)
    assert cache_lines(caplog) == ["miss"]


@pytest.mark.parametrize("module", ["encoding", "truncation"])
def test_cache_is_missed_when_the_encoding_code_changes(splits, caplog, monkeypatch, module):
    """The library's own cache does not see a change in an imported function (datasets issue 3297)."""
    caplog.set_level("INFO")
    encode(splits)
    getsource = inspect.getsource
    changed = importlib.import_module(f"classification.data.{module}")
    monkeypatch.setattr(inspect, "getsource", lambda part: getsource(part) + "#" * (part is changed))
    encode(splits)
    encode(splits, how=Truncation("tail"))
    assert cache_lines(caplog) == ["miss"] * 3


def test_encoded_rows_are_those_of_the_tokenizer(splits):
    rows, tokenizer = encode(splits, max_length=6)["train"], make_tokenizer()
    for text, row in zip(splits["train"]["text"], rows, strict=True):
        assert row["input_ids"] == tokenizer(text, truncation=True, max_length=6)["input_ids"]
        assert row["full_length"] == len(tokenizer(text)["input_ids"])
        assert len(row["input_ids"]) == min(6, row["full_length"])
    assert rows.format["type"] is None


def test_only_masks_and_segments_are_small_numbers():
    """RoCBert has two more columns of ids in the thousands."""
    columns = features(lambda text: dict.fromkeys(("input_ids", "attention_mask", "input_shape_ids")), Truncation())
    types = {name: column.feature.dtype for name, column in columns.items() if name.startswith(("input", "att"))}
    assert types == {"input_ids": "int32", "attention_mask": "int8", "input_shape_ids": "int32"}


def test_pairs_are_cut_longest_first():
    pair = splits_of([{"text": "good", "text_pair": "the film was a very dull and bleak meal", "label": 0}])
    row = encode(pair, max_length=9)["train"][0]
    assert make_tokenizer().decode(row["input_ids"]) == "[CLS] good [SEP] the film was a very [SEP]"
    assert row["token_type_ids"] == [0] * 3 + [1] * 6 and row["full_length"] == 13


def test_nothing_is_tokenised_twice_for_its_labels(splits, caplog):
    caplog.set_level("INFO")
    encode(splits)
    relabelled = splits.map(lambda row: {"label": 1})
    assert encode(relabelled)["train"]["labels"][:] == [1] * 10
    assert cache_lines(caplog) == ["miss", "hit"]


def test_the_cache_folder_is_ours(own_cache, splits):
    encode(splits)
    assert list(Path(datasets.config.HF_DATASETS_CACHE, "text_classification_encoded").glob("*.arrow"))
