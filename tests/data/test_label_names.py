"""Two sets of names are the same classes, or they are not."""

from __future__ import annotations

import pytest
from transformers import BertConfig

from classification.data.label_names import align, are_ids, class_id, names_in
from classification.errors import UsageError


@pytest.mark.parametrize(
    ("own", "trained", "expected"),
    [
        (["neg", "pos"], ["pos", "neg"], ("pos", "neg")),
        (["neg", "pos"], ["Pos", "NEG"], ("pos", "neg")),
        (["very  good", " bad"], ["bad", "very good"], (" bad", "very  good")),
        (["caf\u00e9", "tea"], ["tea", "cafe\u0301"], ("tea", "caf\u00e9")),  # two Unicode forms of one letter
        (["0", "1"], ["LABEL_0", "LABEL_1"], ("0", "1")),
        (["1", "0"], ["LABEL_0", "LABEL_1"], ("0", "1")),
        (["LABEL_0", "LABEL_1"], ["0", "1"], ("LABEL_0", "LABEL_1")),
        (["2", "10"], ["10", "2"], ("10", "2")),
        (["neg", "pos"], ["LABEL_0", "LABEL_1"], None),
        (["1", "2"], ["LABEL_0", "LABEL_1"], None),  # 1 may be the first class
        (["0", "1"], ["neg", "pos"], None),
        (["neg", "pos"], ["neg", "pos", "neutral"], None),
        (["neg", "pos"], ["spam", "ham"], None),
        (["US", "us"], ["us", "Us"], None),  # which of them differs in case is not known
        (["US", "us"], ["us"], None),
        (["US", "us"], ["Us"], None),
        (["a", "b"], ["a", "a"], None),
        (["007", "1"], ["7", "1"], None),
    ],
)
def test_names_are_aligned_only_where_the_classes_are_surely_the_same(own, trained, expected):
    assert align(own, trained) == expected


def test_a_name_that_counts_its_class_states_an_id():
    assert [class_id(name) for name in ("LABEL_3", "3", "3.0", "LABEL_03", "label_3", "x")] == [
        3,
        3,
        3,
        None,
        None,
        None,
    ]
    assert are_ids(["LABEL_0", "LABEL_1"]) and are_ids(["0", "1"])
    assert not are_ids(["LABEL_1", "LABEL_0"]) and not are_ids(["1", "2"])


@pytest.mark.parametrize(
    ("id2label", "names"),
    [({"1": "pos", "0": "neg"}, ("neg", "pos")), ({0: 0, 1: 1}, ("0", "1")), (None, ("LABEL_0", "LABEL_1"))],
)
def test_the_names_of_a_config_are_read_by_id(id2label, names):
    assert names_in(BertConfig(id2label=id2label)) == names


@pytest.mark.parametrize("id2label", [{0: "a", 2: "b"}, {0: "a", 1: "a"}, {0: "1", 1: "1.0"}, {1: "a", 2: "b"}])
def test_a_config_that_does_not_name_every_class_once_is_refused(id2label):
    with pytest.raises(UsageError, match="--model_name_or_path here: id2label in its config.json.*Correct it there"):
        names_in(BertConfig(id2label=id2label, name_or_path="here"))
