"""A push sends the model's own files, once, to a repository that only its owner reads; a failed one loses nothing."""

from __future__ import annotations

import json
import shlex

import huggingface_hub
import pytest
from stand_in_hub import StandInHub

from classification.data.hub_access import PushTarget
from classification.errors import UsageError
from classification.reporting.hub_push import human_size, model_files, push_model

FOREIGN = (
    "predictions.csv", "run.json", "all_results.json", "suspect_labels.csv", "customers.txt", "training_args.bin",
    "optimizer.pt", "pytorch_model.bin", "adapter_model.bin", "model-old.safetensors", "generation_config.json", ".env",
    "vocab.txt", "merges.txt", "secrets.py", "trainer_state.json", "model.onnx", "notes.safetensors", "config.json.bak",
    "curves.svg", "data.parquet", "chat_template.jinja", "preprocessor_config.json", "adapter_config.json",
)  # fmt: skip
MODEL = ("model.safetensors", "config.json", "tokenizer.json", "tokenizer_config.json")
TARGET = PushTarget("me/model", token="hf_sentinel_token")


def write(folder, names, content: str = "{}"):
    for name in names:
        (folder / name).write_text(content, encoding="utf-8")
    return folder


@pytest.fixture
def folder(tmp_path):
    """A saved model among files of all other kinds."""
    for name in ("checkpoint-5", "runs", "seed-1"):
        write_to = tmp_path / name
        write_to.mkdir()
        write(write_to, MODEL)
    return write(write(tmp_path, FOREIGN), MODEL)


@pytest.fixture
def hub(monkeypatch):
    return StandInHub(monkeypatch)


# -------------------------------------------------------------------------------------------------------------- files


def test_only_the_models_files_are_sent_in_one_commit(folder, hub, capsys):
    push_model(TARGET, folder)
    assert hub.commits == [("me/model", None, set(MODEL))]
    assert hub.created == [{"repo_id": "me/model", "private": True, "token": "hf_sentinel_token", "exist_ok": False}]


def test_without_a_target_nothing_is_sent(folder, hub):
    push_model(None, folder)
    assert not hub.commits and not hub.created


def names(folder) -> set[str]:
    return {path.name for path in model_files(folder)}


def test_parts_of_large_weights_are_those_of_the_index(tmp_path):
    parts = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]
    write(tmp_path, [*MODEL[1:], *parts, "model-00001-of-00009.safetensors"])
    index = {"weight_map": {"a": parts[0], "b": parts[1], "c": parts[0]}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    assert names(tmp_path) == {*MODEL[1:], *parts, "model.safetensors.index.json"}


def test_an_index_cannot_name_files_elsewhere(tmp_path):
    write(tmp_path, MODEL[1:])
    (tmp_path / "out").mkdir()
    write(tmp_path, ["private.safetensors"])
    write(tmp_path / "out", MODEL[1:])
    index = {"weight_map": {"a": "../private.safetensors"}}
    (tmp_path / "out" / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UsageError, match="has no private.safetensors"):
        model_files(tmp_path / "out")


def test_an_adapter_is_sent_as_an_adapter(tmp_path):
    adapter = ("adapter_model.safetensors", "adapter_config.json", *MODEL[1:])
    assert names(write(tmp_path, [*adapter, "adapter_model.bin"])) == set(adapter)


def test_code_is_sent_where_the_config_names_it(tmp_path):
    write(tmp_path, [*MODEL, "helper.py", "other.py", "tokens.py"], "{}")
    (tmp_path / "head.py").write_text("from .helper import x\nimport other\n")
    auto_map = {"AutoConfig": "head.Config", "AutoModel": "someone/else--remote.Model", "AutoTokenizer": [None, None]}
    (tmp_path / "config.json").write_text(json.dumps({"auto_map": auto_map}))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"auto_map": {"AutoTokenizer": ["tokens.T", None]}}))
    assert names(tmp_path) == {*MODEL, "head.py", "helper.py", "tokens.py"}


def test_a_tokenizer_without_tokenizer_json_has_its_vocabulary_sent(tmp_path):
    write(tmp_path, ["model.safetensors", "config.json", "vocab.txt", "vocab.json", "added_tokens.json"])
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"tokenizer_class": "BertTokenizer"}))
    assert names(tmp_path) == {"model.safetensors", "config.json", "tokenizer_config.json", "vocab.txt",
                               "added_tokens.json"}  # fmt: skip


@pytest.mark.parametrize(("text", "is_sent"), [("---\nlanguage: en\n---\n# Card", True), ("# My private notes", False)])
def test_a_card_is_sent_and_notes_are_not(folder, text, is_sent):
    (folder / "README.md").write_text(text)
    assert ("README.md" in names(folder)) is is_sent


def test_the_statistics_of_the_training_data_are_sent(folder):
    assert "data_statistics.json" not in names(folder)
    assert "data_statistics.json" in names(write(folder, ["data_statistics.json"]))


@pytest.mark.parametrize("missing", ["model.safetensors", "config.json"])
def test_half_a_model_is_not_sent(folder, hub, missing):
    (folder / missing).unlink()
    with pytest.raises(UsageError, match=rf"--push_to_hub: .*has no {missing}.*Train again"):
        push_model(TARGET, folder)
    assert not hub.created


# ------------------------------------------------------------------------------------------------------------- target


def test_the_files_and_their_sizes_are_listed_before_anything_is_sent(folder, hub, caplog, monkeypatch):
    monkeypatch.setattr(huggingface_hub.HfApi, "create_repo", lambda *_, **__: seen.append(caplog.text))
    seen: list[str] = []
    with caplog.at_level("INFO"):
        push_model(TARGET, folder)
    assert "4 files, 8 bytes, to me/model (private)" in seen[0]
    assert all(name in seen[0] for name in MODEL) and "customers.txt" not in seen[0]
    assert "hf_sentinel" not in caplog.text


def test_a_public_repository_and_a_branch_are_asked_for(folder, hub, caplog):
    with caplog.at_level("INFO"):
        push_model(PushTarget("me/model", "t", private=False, revision="v2"), folder)
    assert not hub.created[0]["private"] and hub.branches == [("me/model", "v2")]
    assert hub.commits == [("me/model", "v2", set(MODEL))] and "(PUBLIC, branch v2)" in caplog.text


def test_the_owner_of_the_token_owns_a_name_without_owner(folder, hub):
    push_model(PushTarget("model", "t"), folder)
    assert hub.commits[0][0] == "someone/model"


def test_other_files_of_an_older_repository_stay_and_are_named(folder, hub, caplog):
    hub.existing["me/model"] = {"private": True, "files": ["model.safetensors", "notes.md", ".gitattributes"]}
    with caplog.at_level("INFO"):
        push_model(TARGET, folder)
    assert "its other files stay: notes.md" in caplog.text and hub.commits == [("me/model", None, set(MODEL))]


def test_a_public_repository_gets_nothing_unless_asked_for(folder, hub):
    hub.existing["me/model"] = {"private": False, "files": []}
    words = "me/model is public, and --hub_private_repo false was not given.* hf upload OWNER/NAME "
    with pytest.raises(UsageError, match=words):
        push_model(TARGET, folder)
    assert not hub.commits
    push_model(PushTarget("me/model", "t", private=False), folder)
    assert len(hub.commits) == 1


# ------------------------------------------------------------------------------------------------------------ failure


@pytest.mark.parametrize(
    "error", [OSError("no route to hf_sentinel_token"), RuntimeError("xet\nfailed"), ValueError(), KeyError("x")]
)
def test_a_failed_push_is_one_line_with_the_command_that_repeats_it(folder, hub, error, monkeypatch):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub.HfApi, "create_commit", fail)
    with pytest.raises(UsageError) as refused:
        push_model(PushTarget("me/model", "hf_sentinel_token", revision="v2"), folder)
    message = str(refused.value)
    assert "\n" not in message and "hf_sentinel" not in message and f"saved in {folder}" in message
    command = shlex.split(message.partition("later: ")[2])
    assert command[:5] == ["hf", "upload", "me/model", str(folder), "."]
    assert [command[i + 1] for i, word in enumerate(command) if word == "--include"] == list(MODEL)
    assert command[-3:] == ["--revision", "v2", "--private"]


def test_the_command_is_one_of_huggingface_hub(folder):
    """Its options exist, so that the remedy can be followed."""
    import inspect

    from huggingface_hub.cli.upload import upload

    assert {"repo_id", "local_path", "path_in_repo", "include", "revision", "private"} <= set(
        inspect.signature(upload).parameters
    )


def test_offline_is_a_failed_push(folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="was not pushed to me/model: .*offline.*To push it later: hf upload"):
        push_model(TARGET, folder)


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (1_234_567, "1.2 MB"), (9_000_000_000, "9.0 GB")])
def test_sizes_are_readable(size, text):
    assert human_size(size) == text
