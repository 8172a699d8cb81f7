"""Logits of an ONNX graph: those of each text alone, raw, in row order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from made_exports import CLASSES, NUMBERS, onnx_folder, zoo_task
from transformers import AutoConfig

from classification.errors import RunError
from classification.inference.saved_classifier import load_saved
from classification.models.choice import ModelChoice

TEXTS = ["good film", "a", "the book was very dull and not a bit fine", "meal room"]


def loaded(folder, **choice):
    return load_saved(ModelChoice(str(folder), **choice))[0]


def expected(classifier, table, texts=TEXTS):
    return np.stack([table[ids].sum(axis=0) for ids in classifier.encode(texts).columns["input_ids"]])


@pytest.mark.parametrize("tokens", [1, 12, 10_000])
def test_padding_and_batches_change_no_logit(tmp_path, tokens):
    table = onnx_folder(tmp_path)
    classifier = loaded(tmp_path)
    classifier.engine.max_tokens = tokens
    np.testing.assert_allclose(classifier.outputs(TEXTS).logits, expected(classifier, table), rtol=1e-5, atol=1e-6)


def test_no_batch_is_longer_than_its_longest_text(tmp_path):
    onnx_folder(tmp_path)
    classifier, shapes = loaded(tmp_path), []
    run = classifier.engine.padded
    classifier.engine.padded = lambda rows: shapes.append(run(rows)["input_ids"].shape) or run(rows)
    encoded = classifier.encode(TEXTS)
    classifier.engine.max_tokens = 8
    classifier.compute(encoded)
    longest = sorted(map(len, encoded.columns["input_ids"]), reverse=True)
    assert shapes == [(1, longest[0]), (2, longest[1]), (1, longest[3])]


def test_inputs_of_32_bits_and_a_graph_with_segments_are_given_what_they_read(tmp_path):
    table = onnx_folder(tmp_path, inputs=("input_ids", "attention_mask", "token_type_ids"), kind="int32")
    classifier = loaded(tmp_path)
    np.testing.assert_allclose(classifier.outputs(TEXTS).logits, expected(classifier, table), rtol=1e-5, atol=1e-6)


def test_what_a_tokenizer_does_not_give_is_that_of_one_text_without_padding(tmp_path):
    onnx_folder(tmp_path, inputs=("input_ids", "attention_mask", "token_type_ids"))
    batch = loaded(tmp_path).engine.padded([{"input_ids": [4, 5, 6]}, {"input_ids": [4], "token_type_ids": [1]}])
    assert batch["attention_mask"].tolist() == [[1, 1, 1], [1, 0, 0]]
    assert batch["token_type_ids"].tolist() == [[0, 0, 0], [1, 0, 0]]


def test_padding_on_the_left_is_masked_too(tmp_path):
    table = onnx_folder(tmp_path)
    classifier = loaded(tmp_path)
    classifier.tokenizer.padding_side = "left"
    np.testing.assert_allclose(classifier.outputs(TEXTS).logits, expected(classifier, table), rtol=1e-5, atol=1e-6)


def test_windows_are_pooled(tmp_path):
    table = onnx_folder(tmp_path)
    classifier = loaded(tmp_path, max_length=6, truncation_strategy="window")
    text = TEXTS[2]
    windows = classifier.encode([text]).columns["input_ids"][0]
    assert len(windows) > 1
    mean = np.mean([table[window].sum(axis=0) for window in windows], axis=0)
    np.testing.assert_allclose(classifier.outputs([text]).logits[0], mean, rtol=1e-5)


def test_calibrated_outputs_of_a_graph_become_raw_logits_and_calibrated_probabilities(tmp_path):
    task = replace(zoo_task(CLASSES[:2]), temperatures=(2.5,))
    table = onnx_folder(tmp_path, task)
    config = AutoConfig.from_pretrained(tmp_path)
    config.calibration = {**config.calibration, "in_the_weights": True}
    config.save_pretrained(tmp_path)
    classifier = loaded(tmp_path)
    outputs = expected(classifier, table)
    np.testing.assert_allclose(classifier.outputs(TEXTS).logits, outputs * 2.5, rtol=1e-5)
    softmax = np.exp(outputs) / np.exp(outputs).sum(axis=1, keepdims=True)
    given = [[answer.probabilities[name] for name in CLASSES[:2]] for answer in classifier(TEXTS)]
    np.testing.assert_allclose(given, softmax, rtol=1e-4, atol=1e-6)


def test_a_number_in_its_own_units_is_the_answer(tmp_path):
    table = onnx_folder(tmp_path, zoo_task(NUMBERS))
    config = AutoConfig.from_pretrained(tmp_path)
    config.label_own_units = True
    config.save_pretrained(tmp_path)
    classifier = loaded(tmp_path)
    np.testing.assert_allclose(
        [answer.label for answer in classifier(TEXTS)], expected(classifier, table)[:, 0], rtol=1e-4
    )


def test_a_lack_of_memory_halves_the_batch_for_good(tmp_path):
    table = onnx_folder(tmp_path)
    classifier = loaded(tmp_path)
    session = classifier.model.session

    class Small:
        """Has memory for one text at a time."""

        def run(self, names, feed):
            if len(feed["input_ids"]) > 1:
                raise Exception("[ONNXRuntimeError] : 6 : bfc_arena.cc Failed to allocate memory for requested buffer")
            return session.run(names, feed)

        def get_inputs(self):
            return session.get_inputs()

    classifier.engine.model = replace(classifier.model, session=Small())
    np.testing.assert_allclose(classifier.outputs(TEXTS).logits, expected(classifier, table), rtol=1e-5, atol=1e-6)
    assert classifier.engine.max_tokens < 50


def test_an_error_of_onnxruntime_is_one_line(tmp_path):
    onnx_folder(tmp_path)
    classifier = loaded(tmp_path)
    encoded = classifier.encode(["good film"])
    encoded.columns["input_ids"][0][1] = 5000
    with pytest.raises(RunError, match=r"onnxruntime fails on model\.onnx: .*5000"):
        classifier.compute(encoded)
