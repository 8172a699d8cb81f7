"""No secret is left in a command line, in arguments or in a message; all else stays as it is."""

from __future__ import annotations

import pytest

from classification.errors import UsageError
from classification.messages.redaction import hide_secrets, is_secret, redact, redact_command, secrets_of

LONG = "hf_" + "a1B2" * 8


@pytest.mark.parametrize(
    "name", ["token", "--hub_token", "--hub-token", "push_to_hub_token", "api_key", "apiKey", "AWS_SECRET_ACCESS_KEY",
             "password", "client_secret", "key"],
)  # fmt: skip
def test_names_of_secrets_are_recognised(name):
    assert is_secret(name)


@pytest.mark.parametrize(
    "name", ["max_tokens", "tokenizer_name", "include_num_input_tokens_seen", "trust_remote_code", "label_column_name",
             "metric_for_best_model", "keys", "secretary_column"],
)  # fmt: skip
def test_other_names_are_no_secrets(name):
    assert not is_secret(name)


@pytest.mark.parametrize(
    ("argv", "expected"),
    [
        (["--token", "a", "--seed", "1"], ["--token", "<redacted>", "--seed", "1"]),
        (["--hub-token=b", "--push_to_hub_token=c"], ["--hub-token=<redacted>", "--push_to_hub_token=<redacted>"]),
        (["--token=", "abcdefg"], ["--token=<redacted>", "<redacted>"]),
        (["--token", "sentinel", "--run_name", "with-sentinel"], ["--token", "<redacted>", "--run_name",
                                                                  "with-<redacted>"]),
        (['--optim_kwargs={"api_key": "b", "lr": 1}'], ['--optim_kwargs={"api_key": "<redacted>", "lr": 1}']),
        (["--optim_kwargs", '{"a": {"token": "sentinel"}}', "x=sentinel"],
         ["--optim_kwargs", '{"a": {"token": "<redacted>"}}', "x=<redacted>"]),
        (["--train_file=https://me:pass@host/x.csv"], ["--train_file=https://<redacted>@host/x.csv"]),
        (["--train_file", "s3://AKIA:s3cret/x@bucket/y"], ["--train_file", "s3://<redacted>@bucket/y"]),
        (["--class_weights", '{"token": 2.5, "key": 1}'], ["--class_weights", '{"token": 2.5, "key": 1}']),
        (["preset.yaml", "--dry_run"], ["preset.yaml", "--dry_run"]),
    ],
)  # fmt: skip
def test_a_command_line_is_written_without_secrets(argv, expected):
    assert redact_command(argv) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (f"--seed {LONG}: no number", "--seed <redacted>: no number"),
        ("https://me:p@ss@host/x", "https://<redacted>@host/x"),
        ("https://ghp_x@host/x", "https://<redacted>@host/x"),
        ("get https://h/x?a=1&X-Amz-Signature=ab12&b=2", "get https://h/x?a=1&X-Amz-Signature=<redacted>&b=2"),
        ('line 3: "hub_token": "sentinel99"', 'line 3: "hub_token": "<redacted>"'),
        ("Authorization: Bearer abcdefgh12", "Authorization: Bearer <redacted>"),
        ("AKIAABCDEFGHIJKLMNOP", "<redacted>"),
    ],
)
def test_what_looks_like_a_secret_is_hidden_in_a_message(text, expected):
    assert hide_secrets(text) == expected and str(UsageError(text)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "--hub_token: is missing. Give --token", "unknown token: [PAD]", "a@b.example writes", "https://host/a?b=c",
        "hf-internal-testing/tiny-random-bert", "0123456789abcdef0123456789abcdef01234567", "key=value",
        "max_tokens=12345678",
        "hf://datasets/me/set@main/train.csv",
    ],
)  # fmt: skip
def test_other_text_stays(text):
    assert hide_secrets(text) == text


def test_arguments_are_redacted_at_every_depth():
    arguments = {"token": "a", "seed": 1, "trainer": {"hub_token": "b", "hub_model_id": None, "x": [{"password": "c"}]}}
    expected = {
        "token": "<redacted>", "seed": 1,
        "trainer": {"hub_token": "<redacted>", "hub_model_id": None, "x": [{"password": "<redacted>"}]},
    }  # fmt: skip
    assert redact(arguments) == expected
    assert redact({"weights": '{"token": 2}', "kwargs": '{"token": "b"}'}) == {
        "weights": '{"token": 2}', "kwargs": '{"token": "<redacted>"}',
    }  # fmt: skip


def test_no_arguments_hold_no_secrets(monkeypatch):
    monkeypatch.delenv("HF_TOKEN", raising=False)
    assert secrets_of([]) == secrets_of(["--dry_run"]) == redact_command([]) == []


def test_the_secrets_of_a_command_line_and_its_environment_are_found(monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "from-the-environment")
    found = secrets_of(["--token", "first-secret", "--x", '{"password": "third-secret"}', "--hub_token=second-secret"])
    assert set(found) >= {"from-the-environment", "first-secret", "second-secret", "third-secret"}
