"""What lies beside the weights of an encoder that was trained on texts."""

from __future__ import annotations

import json

import pytest

from classification.models.choice import ModelChoice
from classification.reporting import adapted_folder
from classification.reporting.adapted_folder import copy_sentence_files, write_card

LAYERS = [{"path": ""}, {"path": "1_Pooling"}, {"path": "2_Normalize"}, {"path": "../elsewhere"}]


@pytest.fixture
def base(tmp_path):
    folder = tmp_path / "base"
    (folder / "1_Pooling").mkdir(parents=True)
    (folder / "modules.json").write_text(json.dumps(LAYERS))
    (folder / "sentence_bert_config.json").write_text("{}")
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "1_Pooling" / "pytorch_model.bin").write_bytes(b"pickle")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "config.json").write_text("{}")
    return folder


def test_the_pooling_is_copied_and_no_pickle_and_nothing_outside_the_folder(base, tmp_path):
    out = tmp_path / "deep" / "out"
    out.mkdir(parents=True)
    assert copy_sentence_files(ModelChoice(str(base)), out) == [
        "modules.json",
        "sentence_bert_config.json",
        "1_Pooling/config.json",
    ]
    files = {path.relative_to(out).as_posix() for path in out.rglob("*") if path.is_file()}
    assert files == {"modules.json", "sentence_bert_config.json", "1_Pooling/config.json"}


def test_the_pooling_of_a_model_on_the_hub_is_copied_too(base, tmp_path, monkeypatch):
    files = {name: base / name for name in ("modules.json", "1_Pooling/config.json")}
    monkeypatch.setattr(adapted_folder, "find_file", lambda choice, name: files.get(name))
    (tmp_path / "out").mkdir()
    assert copy_sentence_files(ModelChoice("some/encoder"), tmp_path / "out") == list(files)
    assert (tmp_path / "out" / "1_Pooling" / "config.json").is_file()


def test_a_plain_encoder_has_nothing_to_copy(tmp_path):
    assert copy_sentence_files(ModelChoice(str(tmp_path)), tmp_path / "out") == []


def test_a_damaged_description_of_layers_costs_only_itself(base, tmp_path):
    (base / "modules.json").write_text("[1")
    assert copy_sentence_files(ModelChoice(str(base)), tmp_path) == ["modules.json", "sentence_bert_config.json"]


def test_the_card_says_what_was_done(tmp_path):
    folder = tmp_path / "my encoder"
    folder.mkdir()
    facts = {
        "base": "some/encoder", "texts": "200 texts", "files": "`a.csv`", "left_out": "3 texts of test; 2 repeats",
        "length": 256, "blocks": 65, "tokens": "16,640", "steps": 34, "share": 0.15, "before": "3.0839",
        "after": "3.0785", "validation": 53, "head": "new, tied to the input embeddings",
    }  # fmt: skip
    write_card(folder, facts)
    card = (folder / "README.md").read_text()
    assert f"--model_name_or_path '{folder}' --train_file" in card  # a name with a space is quoted
    for part in ("base_model: some/encoder", "200 texts from `a.csv`", "3 texts of test", "3.0839 and 3.0785", "15%"):
        assert part in card
