"""A push sends the model's own files, once, to a repository that only its owner reads; a failed one loses nothing."""

from __future__ import annotations

import json
import shlex

import huggingface_hub
import pytest
from hub_answers import CUT

from classification.data.hub_access import SHARED_REPORT, PushTarget
from classification.errors import UsageError
from classification.reporting.hub_push import human_size, later_command, model_files, push_model

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


# -------------------------------------------------------------------------------------------------------------- files


def test_only_the_models_files_are_sent_in_one_commit(folder, hub, capsys):
    push_model(TARGET, folder)
    assert hub.commits == [("me/model", "main", set(MODEL))]
    assert hub.created == [{"repo_id": "me/model", "private": True, "token": "hf_sentinel_token"}]
    assert hub.files() == {name: (folder / name).read_bytes() for name in MODEL}


def test_without_a_target_nothing_is_sent(folder, hub):
    push_model(None, folder)
    assert not hub.requests


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
    assert not hub.requests


@pytest.mark.parametrize("is_drawn", [True, False])
def test_only_the_page_without_texts_is_sent_as_report(folder, hub, is_drawn):
    write(folder, ["report.html"], "with texts")
    if is_drawn:
        write(folder, [SHARED_REPORT], "without texts")
    push_model(PushTarget("me/model", "t", with_report=True), folder)
    assert hub.files().get("report.html") == (b"without texts" if is_drawn else None)
    assert set(hub.files()) - {"report.html"} == set(MODEL)
    push_model(PushTarget("me/other", "t"), folder)
    assert set(hub.files("me/other")) == set(MODEL)


# ------------------------------------------------------------------------------------------------------------- target


def test_the_files_and_their_sizes_are_listed_before_anything_is_sent(folder, hub, caplog, monkeypatch):
    create = huggingface_hub.HfApi.create_repo
    monkeypatch.setattr(
        huggingface_hub.HfApi, "create_repo", lambda *args, **given: seen.append(caplog.text) or create(*args, **given)
    )
    seen: list[str] = []
    with caplog.at_level("INFO"):
        push_model(TARGET, folder)
    assert "4 files, 8 bytes, to me/model (private)" in seen[0]
    assert all(name in seen[0] for name in MODEL) and "customers.txt" not in seen[0]
    assert "hf_sentinel" not in caplog.text


def test_a_public_repository_and_a_branch_are_asked_for(folder, hub, caplog):
    with caplog.at_level("INFO"):
        push_model(PushTarget("me/model", "t", private=False, revision="v2"), folder)
    assert not hub.created[0]["private"] and set(hub.repositories["me/model"].branches) == {"main", "v2"}
    assert hub.commits == [("me/model", "v2", set(MODEL))] and "(PUBLIC, branch v2)" in caplog.text


def test_the_owner_of_the_token_owns_a_name_without_owner(folder, hub):
    push_model(PushTarget("model", "t"), folder)
    assert hub.commits[0][0] == "me/model"


def test_other_files_of_an_older_repository_stay_and_are_named(folder, hub, caplog):
    hub.add("me/model", files=("model.safetensors", "notes.md", ".gitattributes"))
    with caplog.at_level("INFO"):
        push_model(TARGET, folder)
    assert "its other files stay: notes.md" in caplog.text and hub.commits == [("me/model", "main", set(MODEL))]


def test_a_public_repository_gets_nothing_unless_asked_for(folder, hub):
    hub.add("me/model", private=False)
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


FAILURES = [  # a request, and what the Hub answers to it
    ("POST", "repos/create", 401), ("POST", "repos/create", 403), ("POST", "repos/create", 409),
    ("POST", "repos/create", 500), ("POST", "preupload", 403), ("POST", "preupload", 500), ("POST", "preupload", CUT),
    ("POST", "objects/batch", 403), ("PUT", "large", 500), ("PUT", "large", CUT), ("POST", "validate-yaml", 400),
    ("POST", "commit", 403), ("POST", "commit", 409), ("POST", "commit", 412), ("POST", "commit", 500),
    ("POST", "commit", CUT), ("POST", "branch", 403),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "answer"), FAILURES)
def test_a_hub_that_fails_costs_nothing_and_the_command_pushes_the_same_later(
    method, path, answer, folder, hub, monkeypatch, capsys
):
    write(folder, ["README.md"], "---\nlicense: mit\n---\n# Card\n")
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    hub.fail(method, path, answer)
    with pytest.raises(UsageError) as refused:
        push_model(PushTarget("me/model", "hf_sentinel_token", revision="v2"), folder)
    message = str(refused.value)
    assert "\n" not in message and "sentinel" not in message and "it was not pushed to me/model" in message
    assert not hub.commits and {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()} == before
    hub.faults.clear()
    follow(message.partition("later: ")[2], monkeypatch)
    wanted = {*MODEL, "README.md"}
    assert hub.files(branch="v2") == {name: (folder / name).read_bytes() for name in wanted}
    assert hub.repositories["me/model"].private


def follow(command: str, monkeypatch) -> None:
    """Run command lines of huggingface_hub as a shell would."""
    from huggingface_hub.cli.hf import main

    monkeypatch.setenv("HF_TOKEN", "hf_valid")
    for part in command.split(" && "):
        monkeypatch.setattr("sys.argv", shlex.split(part))
        with pytest.raises(SystemExit) as ended:
            main()
        assert ended.value.code in (0, None)


def test_the_command_for_later_pushes_the_report_without_texts(folder, hub, monkeypatch):
    write(folder, ["report.html"], "with texts")
    write(folder, [SHARED_REPORT], "without texts")
    hub.fail("POST", "commit", 500)
    with pytest.raises(UsageError) as refused:
        push_model(PushTarget("me/model", "t", with_report=True, revision="v2"), folder)
    hub.faults.clear()
    follow(str(refused.value).partition("later: ")[2], monkeypatch)
    assert hub.files(branch="v2")["report.html"] == b"without texts" and set(hub.files(branch="v2")) == {
        *MODEL,
        "report.html",
    }


@pytest.mark.parametrize("kind", ["whole", "parts", "adapter"])
def test_the_command_that_is_printed_before_the_training_pushes_the_model(kind, tmp_path, hub, monkeypatch):
    """And nothing else that may lie in the folder."""
    weights = {"whole": ["model.safetensors"], "adapter": ["adapter_model.safetensors", "adapter_config.json"],
               "parts": ["model-00001-of-00001.safetensors", "model.safetensors.index.json"]}[kind]  # fmt: skip
    model = {*weights, *MODEL[1:], "README.md", "data_statistics.json"}
    command = later_command(TARGET, tmp_path)
    folder = write(tmp_path, [name for name in FOREIGN if name not in ("vocab.txt", "merges.txt", "adapter_config.json")
                              and not (name.startswith("model") or name.startswith("adapter"))])  # fmt: skip
    (folder / "checkpoint-5").mkdir()
    write(folder / "checkpoint-5", MODEL)
    write(folder, model, "{}")
    follow(command, monkeypatch)
    assert set(hub.files()) == model and hub.repositories["me/model"].private


def test_offline_is_a_failed_push(folder, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(UsageError, match="was not pushed to me/model: .*offline.*To push it later: hf upload"):
        push_model(TARGET, folder)


@pytest.mark.parametrize(("size", "text"), [(12, "12 bytes"), (1_234_567, "1.2 MB"), (9_000_000_000, "9.0 GB")])
def test_sizes_are_readable(size, text):
    assert human_size(size) == text
