"""The command line of scripts/serve.py: every wrong value is one line with a remedy that works."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.server_flags import FLAGS, ServerOptions, read_server_flags

TOKEN = "0123456789abcdef"


@pytest.fixture(autouse=True)
def model(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SERVE_TOKEN", raising=False)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text("{}")
    return tmp_path


def test_every_flag_is_a_field_with_the_default_of_its_help():
    options = read_server_flags(["out"])
    assert options == ServerOptions("out") and options.server_token is None
    assert {flag.name for flag in FLAGS} | {"model", "server_token"} == set(ServerOptions.__dataclass_fields__)
    for flag in FLAGS:
        default = getattr(options, flag.name)
        if isinstance(default, int) and not isinstance(default, bool):
            assert f"(default: {default})" in flag.help, flag.name


def test_values_are_read_in_every_form():
    options = read_server_flags(["--port=8001", "out", "--max-texts", "5", "--queue_texts", "5", "--trust_remote_code"])
    assert (options.port, options.max_texts, options.queue_texts, options.trust_remote_code) == (8001, 5, 5, True)
    assert read_server_flags(["out", "--max_body_megabytes", "2"]).max_body_bytes == 2_000_000


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        ([], ["MODEL: is missing", "scripts/serve.py out"]),
        (["nowhere/else/x"], ["MODEL nowhere/else/x", "no such folder"]),
        (["out", "other"], ["other: one model is served", "--port"]),
        (["out", "--prot", "1"], ["--prot", "Did you mean 'port'?"]),
        (["out", "--port", "http"], ["--port http", "whole number"]),
        (["out", "--port", "-1"], ["--port -1"]),
        (["out", "--port", "70000"], ["--port 70000", "at most 65,535"]),
        (["out", "--port"], ["--port: needs a value"]),
        (["out", "--max_texts", "0"], ["--max_texts 0", "from 1 on"]),
        (["out", "--max_texts", "5000"], ["--max_texts 5000", "--queue_texts"]),
        (["out", "--queue_texts", "10"], ["--queue_texts 10", "--max_texts 10 --queue_texts 10"]),
        (["out", "--queue_megabytes", "2"], ["--queue_megabytes 2", "--max_body_megabytes 2 --queue_megabytes 2"]),
        (["out", "--max_body_megabytes", "99"], ["--max_body_megabytes 99", "--queue_megabytes"]),
        (["out", "--read_seconds", "0"], ["--read_seconds 0"]),
        (["out", "--stop_seconds", "9999"], ["--stop_seconds 9999", "3,600"]),
        (["out", "--abstain_below", "80"], ["--abstain_below 80", "divided by 100"]),
        (["out", "--precision", "int4"], ["--precision int4", "bf16"]),
        (["out", "--variant", "int8"], ["--variant", "no such flag"]),
        (["out", "--host", ""], ["--host ''", "is empty"]),
        (["out", "--token", TOKEN], ["--token", "no such flag", "token_file"]),
        (["out", "--token_file", "nowhere"], ["--token_file nowhere", "cannot be read"]),
        (["out", "--token_file", "out"], ["--token_file out", "cannot be read"]),
    ],
)
def test_a_wrong_command_line_is_named(words, parts):
    assert_refused(parts, read_server_flags, words)


def test_the_remedy_of_a_small_queue_works():
    assert read_server_flags(["out", "--max_body_megabytes", "2", "--queue_megabytes", "2"]).queue_bytes == 2_000_000
    assert read_server_flags(["out", "--max_texts", "10", "--queue_texts", "10"]).queue_texts == 10


def test_the_token_comes_from_a_file_or_a_variable(model, monkeypatch):
    path = model / "token.txt"
    path.write_text(f"{TOKEN}\n")
    assert read_server_flags(["out", "--token_file", str(path)]).server_token == TOKEN
    monkeypatch.setenv("SERVE_TOKEN", f" {TOKEN} ")
    options = read_server_flags(["out"])
    assert options.server_token == TOKEN and TOKEN not in repr(options)
    assert_refused(
        ["--token_file", "SERVE_TOKEN has a token too"], read_server_flags, ["out", "--token_file", str(path)]
    )


@pytest.mark.parametrize(
    "content", ["", "  \n", "short", "two words of a token", "t\u00f6ken-of-16-characters", "a" * 600]
)
def test_a_token_that_can_be_guessed_or_not_sent_is_refused(content, model, monkeypatch):
    (model / "token.txt").write_text(content, encoding="utf-8")
    words = ["out", "--token_file", "token.txt"]
    assert_refused(["--token_file token.txt", "16 to 512", "secrets.token_urlsafe"], read_server_flags, words)
    monkeypatch.setenv("SERVE_TOKEN", content)
    assert_refused(["SERVE_TOKEN", "16 to 512"], read_server_flags, ["out"])


def test_help_lists_every_flag(capsys):
    with pytest.raises(SystemExit) as ended:
        read_server_flags(["--help"])
    shown = capsys.readouterr().out
    assert ended.value.code == 0 and all(f"--{flag.name}" in shown for flag in FLAGS)
