"""Before training, a push that cannot succeed is refused in one line with a remedy, and the Hub is only asked."""

from __future__ import annotations

import shlex
import socket

import huggingface_hub
import pytest
from hub_answers import CUT, ROUTES, whoami

from classification.data.hub_access import PushTarget
from classification.errors import UsageError
from classification.reporting.hub_check import check_account, check_hub, reaches

TARGET = PushTarget("me/model", token="hf_sentinel_token")


def refusal(target, folder) -> str:
    """The message of a refusal: one line, without the token."""
    with pytest.raises(UsageError) as refused:
        check_hub(target, folder)
    message = str(refused.value)
    assert "\n" not in message and "sentinel" not in message and message.startswith("--")
    return message


def said(target, folder) -> str:
    (line,) = check_hub(target, folder)
    return line.text


# ------------------------------------------------------------------------------------------------------ nothing wrong


def test_a_new_name_is_said_to_be_new_and_nothing_is_created(hub, tmp_path):
    assert said(TARGET, tmp_path) == "at the end, to me/model (private), which is new"
    assert not hub.repositories and {method for method, _ in hub.requests} == {"GET"}


@pytest.mark.parametrize("repo", ["me/model", "Me/Model"])
def test_files_of_an_own_private_repository_will_be_replaced(repo, hub, tmp_path):
    hub.add("me/model", files=("config.json", "notes.md"))
    text = said(PushTarget(repo, "t", revision="v2"), tmp_path)
    assert text == f"at the end, to {repo} (private, branch v2), which exists: files of the same name are replaced"


def test_the_owner_of_the_token_owns_a_name_without_owner(hub, tmp_path):
    hub.add("me/out")
    assert "to me/out (private), which exists" in said(PushTarget("out", "t"), tmp_path)


@pytest.mark.parametrize("held", [True, False, None])
def test_what_everybody_will_read_is_named(held, hub, tmp_path):
    """A private repository that exists stays private, also where a public one was asked for."""
    if held is not None:
        hub.add("me/model", private=held)
    text = said(PushTarget("me/model", "t", private=False), tmp_path)
    assert ("(private)" if held else "(PUBLIC)") in text


@pytest.mark.parametrize("role", ["admin", "write", "contributor", "a role of tomorrow"])
def test_an_organisation_where_the_user_may_write_is_accepted(role, hub, tmp_path):
    hub.orgs["lab"] = role
    assert "to lab/model" in said(PushTarget("lab/model", "t"), tmp_path)


def test_a_busy_hub_costs_the_check_of_the_token_only(hub, tmp_path):
    hub.fail("GET", "whoami", 429)
    warned, line = check_hub(TARGET, tmp_path)
    assert "too busy to check the access token" in warned.text and "which is new" in line.text
    (warned,) = check_hub(PushTarget("model", "t"), tmp_path)  # nobody knows whose
    hub.add("me/model", private=False)
    assert "public" in refusal(TARGET, tmp_path)


def test_one_bad_answer_is_asked_again(hub, tmp_path):
    hub.fail("GET", "whoami", 503, times=2)
    hub.fail("GET", "models", CUT, times=1)
    assert "which is new" in said(TARGET, tmp_path)


# -------------------------------------------------------------------------------------------------------------- token


@pytest.mark.parametrize(("token", "source"), [("hf_old_sentinel", "--hub_token or --token"), (None, "HF_TOKEN")])
def test_a_token_that_the_hub_does_not_know_is_refused(token, source, hub, tmp_path, monkeypatch):
    hub.tokens = {"hf_valid"}
    monkeypatch.setenv("HF_TOKEN", "hf_sentinel_of_the_environment")
    message = refusal(PushTarget("me/model", token), tmp_path)
    assert f"does not accept the access token of {source}" in message and "hf auth login" in message
    assert f"{hub.url}/settings/tokens" in message


def test_a_token_that_only_reads_is_refused(hub, tmp_path):
    hub.role = "read"
    message = refusal(TARGET, tmp_path)
    assert "the access token of me may only read" in message and "write access" in message
    hub.role = "write"
    assert said(TARGET, tmp_path)


WRITES, READS = ["repo.content.read", "repo.write"], ["repo.content.read", "inference.serverless.write"]


@pytest.mark.parametrize(
    ("scopes", "is_accepted"),
    [
        ([("me", WRITES)], True),
        ([("lab", READS), ("Me", WRITES)], True),
        ([("me/model", WRITES)], True),
        ([(None, WRITES)], True),  # of a kind that is not known here
        ([("me", READS)], False),
        ([("lab", WRITES)], False),
        ([("me/other", WRITES)], False),
        ([], False),
    ],
)
def test_a_fine_grained_token_needs_a_right_to_write_there(scopes, is_accepted, hub, tmp_path):
    rights = [{"entity": {"type": "user", "name": name}, "permissions": given} for name, given in scopes]
    hub.role, hub.rights = "fineGrained", {"canReadGatedRepos": True, "global": ["discussion.write"], "scoped": rights}
    if is_accepted:
        assert "which is new" in said(TARGET, tmp_path)
    else:
        assert "fine-grained access token of me may not write to repositories of me" in refusal(TARGET, tmp_path)


@pytest.mark.parametrize("token", [{}, {"role": "fineGrained"}, {"role": "fineGrained", "fineGrained": None},
                                   {"role": "fineGrained", "fineGrained": {"global": ["repo.write"], "scoped": []}},
                                   {"role": "a role of tomorrow"}])  # fmt: skip
def test_what_the_hub_does_not_tell_is_no_reason_to_refuse(token):
    assert reaches(token, "me/model")


ACCOUNTS = [
    {"type": "org", "name": "lab"},
    {"name": "lab", "orgs": None, "auth": None},
    {"type": "app", "name": "a robot"},
    {"name": "me", "orgs": [{"name": "LAB"}]},
    {"name": "me", "orgs": [None, {}, {"name": "lab", "roleInOrg": None}]},
]


@pytest.mark.parametrize("account", ACCOUNTS)
def test_accounts_of_all_kinds_may_write_to_what_is_theirs(account):
    check_account(account, "lab/model")


# --------------------------------------------------------------------------------------------------------------- name


def test_a_public_repository_is_refused_unless_asked_for(hub, tmp_path):
    hub.add("me/model", private=False)
    message = refusal(TARGET, tmp_path)
    assert "me/model exists and is public" in message and "--hub_private_repo false" in message
    assert said(PushTarget("me/model", "t", private=False), tmp_path)  # the remedy


@pytest.mark.parametrize("exists", [True, False])
def test_a_name_of_somebody_else_is_refused(exists, hub, tmp_path):
    if exists:
        hub.add("google/model", private=False)
    message = refusal(PushTarget("google/model", "t", private=False), tmp_path)
    assert message.startswith("--hub_model_id google/model: me, whose access token it is, may not write to google.")
    remedy = shlex.split(message.partition("Pass --hub_model_id ")[2].rstrip("."))[0]
    assert said(PushTarget(remedy, "t"), tmp_path)


@pytest.mark.parametrize("role", ["read", "no_access"])
def test_an_organisation_where_the_user_only_reads_is_refused(role, hub, tmp_path):
    hub.orgs |= {"lab": role, "team": "write"}
    message = refusal(PushTarget("lab/model", "t"), tmp_path)
    assert "may not write to lab. me may write to me, team. Pass --hub_model_id me/model" in message


def test_a_repository_that_has_moved_is_named(hub, tmp_path, monkeypatch):
    from classification.reporting import hub_check

    monkeypatch.setattr(hub_check, "ask_held", lambda *_: {"id": "me/new", "private": True})
    assert "me/model has the name me/new now. Pass --hub_model_id me/new" in refusal(TARGET, tmp_path)


def test_a_repository_that_the_token_may_not_read_is_taken(hub, tmp_path):
    hub.fail("GET", "models", 403)
    assert "me/model exists, and the access token may not read it" in refusal(TARGET, tmp_path)


# ---------------------------------------------------------------------------------------------------------- no answer


def command_in(message: str) -> list[str]:
    return shlex.split(message.partition("push after the training: ")[2])


@pytest.mark.parametrize("status", [500, 503, 404, CUT])
@pytest.mark.parametrize("path", ["whoami", "models"])
def test_a_hub_that_fails_ends_the_run_before_training(path, status, hub, tmp_path):
    hub.fail("GET", path, status)
    if (path, status) == ("models", 404):  # nothing of this name
        assert said(TARGET, tmp_path)
        return
    message = refusal(TARGET, tmp_path)
    assert f"the Hub at {hub.url} gives no answer that can be used" in message
    assert "leave --push_to_hub out" in message and command_in(message)[:4] == [
        "hf",
        "upload",
        "me/model",
        str(tmp_path),
    ]


def test_a_hub_that_is_not_there_is_named(hub, tmp_path, monkeypatch):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
    monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", address)
    assert f"the Hub at {address} gives no answer" in refusal(TARGET, tmp_path)


@pytest.mark.parametrize("answer", [[], {}, {"name": None}, "<html>"])
def test_an_answer_that_is_none_of_a_hub_is_no_answer(answer, hub, tmp_path, monkeypatch):
    """A proxy or a login page of a network answers everything."""
    routes = [one if one[2] is not whoami else (*one[:2], lambda *_: answer) for one in ROUTES]
    monkeypatch.setattr("hub_server.ROUTES", routes)
    assert "gives no answer that can be used" in refusal(TARGET, tmp_path)


def test_a_hub_that_is_silent_is_given_up(hub, tmp_path, monkeypatch):
    from classification.reporting import hub_check

    monkeypatch.setattr(hub_check, "SECONDS", 0.05)
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setattr(huggingface_hub.constants, "ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        assert "gives no answer that can be used" in refusal(TARGET, tmp_path)


@pytest.mark.parametrize("variable", ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"])
def test_offline_the_hub_is_not_asked(variable, hub, tmp_path, monkeypatch):
    monkeypatch.delenv("HF_HUB_OFFLINE")
    monkeypatch.setenv(variable, "1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    message = refusal(TARGET, tmp_path)
    assert f"--push_to_hub: {variable} is set" in message and "Unset it" in message and not hub.requests
    assert command_in(message)[-1] == "--private"


@pytest.mark.parametrize(("text", "is_sent"), [(None, True), ("---\nlicense: mit\n---\n", True), ("# private", False)])
def test_the_command_for_later_leaves_out_private_notes(text, is_sent, hub, tmp_path):
    if text:
        (tmp_path / "README.md").write_text(text)
    hub.fail("GET", "whoami", 500)
    assert ("README.md" in command_in(refusal(TARGET, tmp_path))) is is_sent
