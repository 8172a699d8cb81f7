"""A push that cannot work is refused before training, without the network."""

from __future__ import annotations

import huggingface_hub
import pytest
from helpers import assert_refused

from classification.cli.parser import parse_arguments
from classification.data.hub_access import PushTarget
from classification.errors import UsageError

PUSH = {"push_to_hub": True, "hub_model_id": "me/model", "hub_token": "hf_sentinel"}
BAD_FLAGS = {  # flags beside a good command line -> words of the message
    "no training": ({"do_predict": True}, ["--push_to_hub", "does not train", "hf upload"]),
    "folds": ({"folds": 3, "validation_file": None}, ["--folds 3", "--push_to_hub", "Leave --push_to_hub out"]),
    "checkpoints at every save": ({"hub_strategy": "every_save"}, ["--hub_strategy every_save", "never pushed"]),
    "checkpoints": ({"hub_strategy": "all_checkpoints"}, ["--hub_strategy all_checkpoints", "Use end"]),
    "pushes on pushes": ({"hub_always_push": True}, ["--hub_always_push true", "once", "Leave it out"]),
    "an address": ({"hub_model_id": "https://huggingface.co/me/x"}, ["--hub_model_id https://huggingface.co/me/x"]),
    "three parts": ({"hub_model_id": "a/b/c"}, ["--hub_model_id a/b/c", "OWNER/NAME"]),
    "two hyphens": ({"hub_model_id": "me/a--b"}, ["--hub_model_id me/a--b", "OWNER/NAME"]),
    "a blank name": ({"hub_model_id": ""}, ["--hub_model_id ''", "OWNER/NAME"]),
    "a folder that is no name": ({"hub_model_id": None, "output_dir": "my results"},
                                 ["--push_to_hub", "--output_dir", "my results", "OWNER/NAME"]),
    "no token": ({"hub_token": None}, ["--push_to_hub", "no access token", "hf auth login", "HF_TOKEN", "--token"]),
    "a blank token": ({"hub_token": ""}, ["no access token"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def nobody_is_logged_in(monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("case", BAD_FLAGS)
def test_what_cannot_be_pushed_is_refused_also_in_a_dry_run(case, dry_run, command):
    flags, words = BAD_FLAGS[case]
    assert_refused(words, parse_arguments, command(**PUSH | flags, dry_run=dry_run))


@pytest.mark.parametrize(("name", "value"), [("hub_model_id", "me/x"), ("hub_revision", "v2"), ("push_report", True)])
def test_a_target_without_a_push_is_refused(name, value, command):
    assert_refused([f"--{name} {value}".lower(), "--push_to_hub true"], parse_arguments, command(**{name: value}))
    assert parse_arguments(command(**{name: value}, push_to_hub=False)).push is None


def test_an_adapter_of_a_local_model_is_refused(command):
    words = ["--push_to_hub", "--lora_merge False", "nobody else has"]
    assert_refused(words, parse_arguments, command(**PUSH, lora_r=2, lora_merge=False))
    on_hub = command(**PUSH, lora_r=2, lora_merge=False, model_name_or_path="bert-base-uncased")
    assert parse_arguments(on_hub).push


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({}, PushTarget("me/model", "hf_sentinel")),
        ({"hub_token": None, "token": "hf_other"}, PushTarget("me/model", "hf_other")),
        ({"token": "hf_other"}, PushTarget("me/model", "hf_sentinel")),
        ({"hub_private_repo": False, "hub_revision": "v2"}, PushTarget("me/model", "hf_sentinel", False, "v2")),
        ({"hub_private_repo": True}, PushTarget("me/model", "hf_sentinel")),
        ({"hub_model_id": None}, PushTarget("out", "hf_sentinel")),
        ({"push_to_hub": None, "hub_model_id": None}, None),
        ({"seeds": "1,2"}, PushTarget("me/model", "hf_sentinel")),
        ({"push_report": True}, PushTarget("me/model", "hf_sentinel", with_report=True)),
    ],
)
def test_the_target_is_private_and_has_the_token_of_either_flag(flags, expected, command):
    assert parse_arguments(command(**PUSH | flags)).push == expected


@pytest.mark.parametrize("token", ["hf_sentinel\r", "hf_sen\ntinel", "hf sentinel", "hf_sentinél"])
@pytest.mark.parametrize("place", ["hub_token", "token", "login"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_shown(token, place, command, monkeypatch):
    if place == "login":
        monkeypatch.setattr(huggingface_hub, "get_token", lambda: token)
    flags = PUSH | {"hub_token": None} | ({} if place == "login" else {place: token})
    with pytest.raises(UsageError, match="has a space, a line end or a letter that no token has. Copy it") as refused:
        parse_arguments(command(**flags))
    assert "sen" not in str(refused.value) and "\n" not in str(refused.value)


def test_a_saved_login_is_a_token(command, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "hf_saved")
    assert parse_arguments(command(**PUSH | {"hub_token": None})).push == PushTarget("me/model")


def test_the_working_directory_gives_its_name(command, tmp_path, monkeypatch):
    (tmp_path / "reviews").mkdir()
    monkeypatch.chdir(tmp_path / "reviews")
    assert parse_arguments(command(**PUSH | {"hub_model_id": None, "output_dir": "."})).push.repo_id == "reviews"


def test_no_run_inside_another_pushes(command):
    options = parse_arguments(command(**PUSH, seeds="1,2"))
    assert options.for_one_run("seed-1", first=True).push is None and options.for_bilstm_baseline().push is None


def test_a_token_is_not_shown(command):
    options = parse_arguments(command(**PUSH, token="hf_other"))
    assert "hf_" not in f"{options.push} {options.model}"


def test_a_dry_run_without_a_connection_says_that_the_run_is_refused(command, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (note,) = parse_arguments(command(**PUSH, dry_run=True)).notes
    assert "--push_to_hub" in note and "HF_HUB_OFFLINE is set: unset it" in note
    assert not parse_arguments(command(**PUSH)).notes  # the run itself asks the Hub
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")
    assert not parse_arguments(command(**PUSH, dry_run=True)).notes


@pytest.mark.parametrize(
    ("flags", "is_noted"),
    [
        ({"model_name_or_path": "me/x"}, True),
        ({"tokenizer_name": "me/x"}, True),
        ({"model_name_or_path": "me/x", "model_revision": "v1.0"}, True),
        ({"model_name_or_path": "me/x", "model_revision": "0123456789" * 4}, False),
        ({}, False),  # a local folder
    ],
)
def test_code_of_the_hub_that_can_change_is_noted(flags, is_noted, command):
    notes = parse_arguments(command(**flags, trust_remote_code=True)).notes
    assert any("can change" in note for note in notes) is is_noted
    assert not parse_arguments(command(**flags)).notes
