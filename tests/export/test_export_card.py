"""What a folder says about its export."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import yaml

from classification.export.export_card import ExportFacts, write_card, write_record
from classification.export.export_parity import Parity

PARITY = Parity(
    rows=400, different=390, agreeing=398, is_same=np.ones(400, bool), is_one_answer=False,
    difference=0.25, relative=0.1, worst=3, answers=("a", "b"),
    metric="f1_macro", scores=(0.9123, 0.9101), rows_per_second=(1234.5, 2345.6),
)  # fmt: skip
FACTS = ExportFacts(
    variant="int8", source="out", hub_name=None, task="single-label, 2 classes: a, b", longest_input=512,
    reduced_range=False, sizes=(400_000_000, 101_000_000), has_numbers=False, parity=PARITY, min_agreement=0.99,
)  # fmt: skip
OLD = """---
language: en
license: mit
base_model: bert-base-uncased
tags: [text-classification]
model-index:
- name: x
  results: []
library_name: transformers
---

# Old
"""


def card(tmp_path, facts=FACTS, old=OLD):
    path = tmp_path / "old.md"
    path.write_text(old, encoding="utf-8")
    write_card(tmp_path, facts, path)
    text = (tmp_path / "README.md").read_text(encoding="utf-8")
    return yaml.safe_load(text.split("---\n")[1]), text


def test_the_table_has_size_speed_agreement_difference_and_metric_of_both(tmp_path):
    _, text = card(tmp_path)
    for line in (
        "| size | 400.0 MB | 101.0 MB |", "| rows per second | 1,234 | 2,346 |", "| f1_macro | 0.9123 | 0.9101 |",
        "| rows with the same answer |  | 398 of 400 (99.5%) |", "| largest difference of a logit |  | 0.25 |",
    ):  # fmt: skip
        assert line in text, text


def with_texts(different):
    return replace(FACTS, parity=replace(PARITY, different=different))


def test_rows_with_equal_texts_are_not_passed_off_as_different_ones(tmp_path):
    assert "on 400 rows with 390 different texts before" in card(tmp_path)[1]
    assert "on 400 rows with 1 different text before" in card(tmp_path, with_texts(1))[1]
    assert "on 400 rows before" in card(tmp_path, with_texts(400))[1]


def test_the_metadata_of_the_model_is_kept_and_names_the_library(tmp_path):
    head, _ = card(tmp_path)
    assert (head["language"], head["license"], head["base_model"]) == ("en", "mit", "bert-base-uncased")
    assert head["library_name"] == "onnx" and head["tags"] == ["text-classification", "onnx", "int8"]


def test_the_scores_of_the_model_are_those_of_an_export_in_fp32_only(tmp_path):
    result = "task: {type: text-classification}\n    dataset: {name: d, type: d}\n    metrics: [{type: f1, value: 0.9}]"
    old = OLD.replace("results: []", f"results:\n  - {result}")
    assert "model-index" not in card(tmp_path, old=old)[0]
    assert "model-index" in card(tmp_path, replace(FACTS, variant="fp32"), old=old)[0]


def test_a_model_of_the_hub_is_the_base_model(tmp_path):
    assert card(tmp_path, replace(FACTS, hub_name="me/model"))[0]["base_model"] == "me/model"


def test_a_card_that_cannot_be_read_costs_nothing(tmp_path):
    for old in ("", "# no head", "---\n: [\n---\n", "---\n- a\n---\n", "---\ntags: 7\n---\n"):
        head, text = card(tmp_path, old=old)
        assert head["library_name"] == "onnx" and "# out, ONNX int8" in text
    write_card(tmp_path, FACTS, None)


def test_the_record_is_json_whatever_was_measured(tmp_path):
    broken = replace(PARITY, difference=float("inf"), scores=(float("nan"), 0.5))
    (tmp_path / "model.onnx").write_text("")
    written = write_record(tmp_path, replace(FACTS, parity=broken))
    record = json.loads((tmp_path / "export.json").read_text(), parse_constant=lambda name: 1 / 0)
    assert record == written and record["files"] == ["export.json", "model.onnx"]
    assert record["check"]["agreeing"] == 398 and record["check"]["scores"] == {"pytorch": None, "onnx": 0.5}
    assert record["variant"] == "int8" and record["longest_input"] == 512 and record["versions"]["onnxruntime"]
