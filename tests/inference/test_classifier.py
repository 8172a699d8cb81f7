"""A classifier that is called with texts: typed answers in their order, whatever the batches."""

from __future__ import annotations

import dataclasses
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from helpers import assert_refused
from made_classifiers import TWO, tiny_classifier, without_special_tokens

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.data.truncation import Truncation
from classification.errors import RunError
from classification.inference import classifier as module
from classification.inference.classifier import pieces


def test_one_text_has_one_answer_and_a_list_has_a_list():
    classifier = tiny_classifier()
    one, several = classifier("good film"), classifier(["good film", "bad"])
    assert one.label in TWO.names and len(several) == 2
    assert several[0].probability == pytest.approx(one.probability, abs=1e-6)
    assert classifier([]) == []


def test_a_pair_is_the_same_in_all_forms():
    classifier = tiny_classifier()
    forms = [
        classifier([("good", "bad film")])[0],
        classifier(["good"], ["bad film"])[0],
        classifier("good", "bad film"),
    ]
    assert len({repr(answer) for answer in forms}) == 1
    assert repr(classifier("good", "")) == repr(classifier("good"))  # as in training


def test_many_texts_are_answered_in_their_order(monkeypatch):
    classifier = tiny_classifier()
    texts = [f"{'good ' * (i % 7)}bad film" for i in range(50)]
    whole = [answer.probability for answer in classifier(texts)]
    monkeypatch.setattr(module, "AT_ONCE", 8)
    monkeypatch.setattr(module, "PIECE_TOKENS", 20)
    assert [answer.probability for answer in classifier(texts)] == pytest.approx(whole, abs=1e-6)
    assert len({round(value, 5) for value in whole}) == 7


def test_progress_is_told_for_every_text_once():
    classifier, told = tiny_classifier(), []
    outputs = classifier.compute(classifier.encode(["a", "b c", "d"] * 5), told.append)
    assert sum(told) == 15 == len(outputs.logits)


def test_a_long_text_says_how_much_of_it_was_read():
    answer = tiny_classifier()("good " * 100)
    assert answer.truncated and answer.tokens == 64
    windowed = tiny_classifier(truncation=Truncation("window", 20))("good " * 100)
    assert not windowed.truncated and windowed.tokens == 102


def test_unsure_answers_have_no_label():
    classifier = tiny_classifier().abstaining(0.999)
    assert classifier("good film").abstained
    assert_refused(["abstain_below 1.5", "between 0 and 1"], classifier.abstaining, 1.5)
    number = tiny_classifier(infer_task([1.5, 2.5], LabelHints(do_regression=True)))
    assert_refused(["--abstain_below 0.5", "needs probabilities"], number.abstaining, 0.5)
    assert isinstance(number("good").label, float)


def test_a_damaged_model_gives_an_error_that_names_the_text():
    classifier = tiny_classifier()
    with torch.no_grad():
        classifier.model.classifier.weight.fill_(torch.nan)
    with pytest.raises(RunError, match="text 0: the output of the model is not a number"):
        classifier(["good", "bad"])


def test_two_texts_need_room():
    classifier = tiny_classifier()
    classifier.tokenizer.model_max_length = 4
    assert classifier("good film bad").truncated
    assert_refused(["--max_seq_length 4", "no room for two texts"], classifier, [("good", "bad")])


def test_the_identity_changes_with_all_that_decides_the_answers():
    first, same = tiny_classifier(), tiny_classifier()
    assert first.identity == same.identity == tiny_classifier().identity
    others = [
        tiny_classifier(truncation=Truncation("tail")),
        tiny_classifier(infer_task(["a", "b"])),
        tiny_classifier(hidden_size=64),
        tiny_classifier(num_attention_heads=4),  # with the same weights
    ]
    same.model.config._name_or_path = "elsewhere"
    changed = tiny_classifier()
    with torch.no_grad():
        changed.model.classifier.bias[0] += 1e-3
    shorter = tiny_classifier()
    shorter.tokenizer.model_max_length = 32
    rule = dataclasses.replace(tiny_classifier(), task=dataclasses.replace(TWO, temperatures=(2.0,)))
    identities = {one.identity for one in (*others, changed, shorter, rule)}
    assert len(identities) == 7 and first.identity not in identities


def test_pieces_have_every_row_once_and_the_longest_first():
    tokens = np.array([5, 1, 9, 3, 70_000, 2])
    found = list(pieces(tokens))
    assert [row for piece in found for row in piece] == [4, 2, 0, 3, 5, 1] and len(found) == 2
    assert list(pieces(np.zeros(0, dtype=np.int64))) == []


def test_it_says_what_it_is():
    assert repr(tiny_classifier()).startswith("Classifier('made': single-label, 2 classes: negative, positive;")


@pytest.mark.parametrize("texts", [["!!"], ["good", "!!"], ["good film"] * 40 + ["!!"]])
@pytest.mark.parametrize("truncation", [Truncation(), Truncation("window", 20)])
def test_a_text_of_which_the_tokenizer_leaves_nothing_is_refused_with_its_place(texts, truncation):
    classifier = dataclasses.replace(without_special_tokens(), truncation=truncation)
    assert_refused([f"text {len(texts) - 1}: the tokenizer leaves nothing of it"], lambda: classifier(texts))
    outputs = classifier.outputs(texts)
    assert outputs.is_finite.tolist() == [True] * (len(texts) - 1) + [False]


def test_threads_may_share_a_classifier():
    classifier = tiny_classifier()
    lots = [["good [SEP] film", "bad"] * 20, ["a bad film"] * 40, ["good [PAD] [SEP]"] * 40]
    expected = [[repr(answer) for answer in classifier(lot)] for lot in lots]
    with ThreadPoolExecutor(6) as pool:
        found = list(pool.map(classifier, lots * 20))
    assert all([*map(repr, answers)] == expected[i % 3] for i, answers in enumerate(found))
