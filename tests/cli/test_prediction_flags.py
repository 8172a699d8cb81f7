"""The command line of predict.py: what it reads, and every impossible combination refused by name with a remedy."""

from __future__ import annotations

import dataclasses
import os
from pathlib import Path

import pytest
from helpers import assert_refused

from classification.cli.prediction_flags import FLAGS, TABLE, PredictionOptions, read_prediction_flags
from classification.cli.prediction_stop import job_command, without
from classification.cli.prediction_values import default_output
from classification.data.sources.file_formats import format_of_name
from classification.errors import UsageError


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """A working folder with a model `out` and inputs."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "config.json").write_text("{}")
    for name in ("reviews.csv", "reviews.jsonl", "lines.txt"):
        (tmp_path / name).write_text("text\na\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def read(line: str) -> PredictionOptions:
    return read_prediction_flags(line.split())


# ------------------------------------------------------------------------------------------------------ what is read


def test_every_flag_is_a_field_of_the_options_and_every_field_a_flag():
    fields = {field.name for field in dataclasses.fields(PredictionOptions)}
    assert fields - {"model", "input", "argv"} == {flag.name for flag in FLAGS}


def test_flags_stand_before_between_and_behind_the_model_and_the_input(place):
    for line in (
        "out reviews.csv --top_k 2 -o a.csv", "--top_k 2 -o a.csv out reviews.csv", "out --top_k=2 -oa.csv reviews.csv",
        "--csv_safe false out -o=a.csv reviews.csv --top-k 2", "--resume false out -o a.csv --top_k 2 -- reviews.csv",
    ):  # fmt: skip
        options = read(line)
        assert (options.model, options.input) == ("out", "reviews.csv")
        assert (options.top_k, options.output_file) == (2, "a.csv")


def test_a_switch_takes_no_word_that_is_not_true_or_false(place):
    options = read("--resume out --csv_safe reviews.csv --trust_remote_code=no")
    assert options.resume and options.csv_safe and not options.trust_remote_code
    assert (options.model, options.input) == ("out", "reviews.csv")


def test_texts_may_begin_with_a_dash_and_repeat(place):
    words = ["out", "--text", "-5 degrees", "--text=--resume", "--text", "-", "--text_pair", "", "--text_pair", "b"]
    assert_refused(["--text_pair: is given 2 times, and --text 3"], read_prediction_flags, words)
    options = read_prediction_flags([*words, "--text_pair=c"])
    assert options.text == ("-5 degrees", "--resume", "-") and options.text_pair == ("", "b", "c")
    assert options.is_at_terminal and options.output_file == "-"


@pytest.mark.parametrize(
    ("line", "out"),
    [
        ("out reviews.csv", "reviews.predictions.csv"),
        ("out ./reviews.csv --format jsonl", "reviews.predictions.jsonl"),
        ("out lines.txt", "lines.predictions.csv"),
        ("out -", "-"),
        ("out - --input_format csv", "-"),
        ("out owner/name", "name.predictions.parquet"),
        ("out reviews.csv -o -", "-"),
    ],
)
def test_the_output_has_a_default_name_in_the_working_folder(place, line, out):
    assert read(line).output_file == out


@pytest.mark.parametrize(
    ("source", "out"),
    [
        ("/data/a.b.tsv.gz", "a.b.predictions.tsv"), ("a.PARQUET", "a.predictions.parquet"),
        ("a.ndjson", "a.predictions.jsonl"), (".csv", ".csv.predictions.parquet"),
        ("folder/", "folder.predictions.parquet"), ("/", "input.predictions.parquet"),
    ],
)  # fmt: skip
def test_default_names_of_odd_inputs(source, out):
    assert default_output(source, {}) == out


def test_the_token_is_not_shown():
    assert "hf_x" not in repr(PredictionOptions(token="hf_x", argv=("--token", "hf_x")))


def test_formats_are_told_by_names():
    names = ["a.tsv", "a.JSON.zip", "a.txt.gz", "a.pq", "a.xlsx", "json", ""]
    assert [format_of_name(name) for name in names] == ["tsv", "json", "text", "parquet", None, None, None]


# --------------------------------------------------------------------------------------------------- what is refused


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", ["No model", "python predict.py MODEL INPUT"]),
        ("out", ["No input", "--text TEXT", "--interactive"]),
        ("reviews.csv", ["MODEL reviews.csv: is a file", "python predict.py MODEL reviews.csv"]),
        ("reviews.csv out", ["MODEL reviews.csv: is a file"]),
        ("out reviews.csv reviews.jsonl", ["reviews.jsonl: one input at a time", "by itself"]),
        ("out reviews.csv --top_kk 3", ["--top_kk: there is no such flag", "Did you mean 'top_k'?"]),
        ("out reviews.csv -k 3", ["-k: there is no such flag"]),
        ("out reviews.csv --top_k", ["--top_k: needs a value", "--top_k K"]),
        ("out reviews.csv --top_k --csv_safe", ["--top_k: needs a value"]),
        ("out reviews.csv --top_k 0", ["--top_k 0", "whole number from 1"]),
        ("out reviews.csv --top_k 1.5", ["--top_k 1.5", "whole number"]),
        ("out reviews.csv --top_k 99999999999", ["--top_k 99999999999"]),
        ("out reviews.csv --max_seq_length 3", ["--max_seq_length 3", "from 4"]),
        ("out reviews.csv --abstain_below 1.5", ["--abstain_below 1.5", "between 0 and 1"]),
        ("out reviews.csv --abstain_below 80", ["--abstain_below 80", "divided by 100"]),
        ("out reviews.csv --abstain_below nan", ["--abstain_below nan", "between 0 and 1"]),
        ("out reviews.csv --abstain_below 0", ["--abstain_below 0"]),
        ("out reviews.csv --shard 0/4", ["--shard 0/4", "from 1 to 4"]),
        ("out reviews.csv --shard 5/4", ["--shard 5/4", "1/4 to 4/4"]),
        ("out reviews.csv --shard -1/4", ["--shard -1/4", "from 1 to 4"]),
        ("out reviews.csv --shard 1/0", ["--shard 1/0", "from 1"]),
        ("out reviews.csv --shard 2", ["--shard 2", "I/N"]),
        ("out reviews.csv --format cvs", ["--format cvs", "Did you mean 'csv'?"]),
        ("out reviews.csv --on_bad_row skip", ["--on_bad_row skip", "error, keep, drop"]),
        ("out reviews.csv --precision int8", ["--precision int8", "auto, bf16, fp16, fp32"]),
        ("out reviews.csv --resume maybe", ["maybe: one input at a time"]),
        ("out reviews.csv --resume=maybe", ["--resume maybe", "true or false"]),
        ("out reviews.csv --output_prefix=", ["--output_prefix ''", "is empty"]),
        ("out - --resume", ["--resume", "standard input can be read only once", "Save it to a file"]),
        ("out - --shard 1/2 -o a.csv", ["--shard 1/2", "standard input"]),
        ("out reviews.csv -o - --resume", ["--resume", "standard output cannot be continued", "-o OUT"]),
        ("out reviews.csv -o /dev/null --shard 1/2", ["--shard 1/2", "/dev/null cannot be continued", "-o OUT"]),
        ("out reviews.csv --resume --overwrite", ["--resume and --overwrite contradict"]),
        ("out reviews.csv --join a.parts -o o.csv", ["--join a.parts: out has no effect"]),
        ("--join a.parts -o o.csv --top_k 3", ["--join a.parts: --top_k has no effect"]),
        ("--join a.parts", ["--join a.parts", "Add -o OUT"]),
        ("--join a.parts,,b -o o.csv", ["--join a.parts,,b", "empty name"]),
        ("out reviews.csv --text a", ["--text: INPUT reviews.csv would not be read"]),
        ("out reviews.csv --interactive", ["--interactive: INPUT reviews.csv would not be read"]),
        ("out --interactive --text a", ["--interactive and --text", "one or the other"]),
        ("out --text a -o o.csv", ["--output_file o.csv: has no effect with --text"]),
        ("out --interactive --on_bad_row keep", ["--on_bad_row keep: has no effect with --interactive"]),
        ("out --text a --shard 1/2", ["--shard 1/2: has no effect with --text"]),
        ("out reviews.csv --text_pair b", ["--text_pair: is given 1 times, and --text 0 times"]),
        ("out reviews.csv --explain --variant int8", ["--explain", "gradients", "int8"]),
        ("out reviews.csv --variant int8 --precision fp32", ["--precision fp32", "--variant int8"]),
        ("out reviews.csv --explain_html a.html", ["--explain_html a.html", "--text", "--explain"]),
        ("out reviews.csv --uncertain_file u.csv", ["--uncertain_file u.csv", "--most_uncertain N"]),
        ("out - --most_uncertain 5", ["--most_uncertain 5", "--uncertain_file"]),
        ("out reviews.csv --text_column_names a,a", ["--text_column_names a,a", "twice"]),
        ("out reviews.csv --label_column_names a,b --label_column_name c", ["--label_column_names a,b", "Give one"]),
        ("out reviews.csv --label_column_names a,b --label_delimiter ;", ["--label_column_names a,b", "Give one"]),
        ("out reviews.csv --label_column_names a", ["--label_column_names a", "fewer than two"]),
        ("out reviews.csv --label_column_names a,b,a", ["--label_column_names a,b,a", "Name each once"]),
        ("out reviews.csv --label_delimiter=", ["--label_delimiter ''", "'|'"]),
        ("out --text a --label_delimiter ;", ["--label_delimiter ;", "Leave it out"]),
        ("out reviews.csv --text_column_names a,b,c", ["a,b,c", "--text_column_delimiter ' '"]),
        ("out reviews.csv --split test", ["--split test: has no effect with a file"]),
        ("out reviews.jsonl --csv_safe --format jsonl", ["--csv_safe", "jsonl"]),
        ("out review.csv", ["INPUT review.csv: there is no such file", "Did you mean 'reviews.csv'?"]),
        ("out missing/reviews.csv", ["INPUT missing/reviews.csv: there is no such file"]),
        ("out reviews.xlsx", ["INPUT reviews.xlsx: there is no such file"]),
        ("./ot reviews.csv", ["MODEL ./ot: there is no such folder", "Did you mean 'out'?"]),
        ("a/b/c reviews.csv", ["MODEL a/b/c: there is no such folder"]),
        ("out reviews.csv -o reviews.csv", ["--output_file reviews.csv: is the input", "Name another file"]),
        ("out reviews.csv -o ./out/../reviews.csv --overwrite", ["is the input"]),
        ("out reviews.csv -o out/config.json --overwrite", ["is a file of the model's folder"]),
        ("out reviews.csv -o nowhere/a.csv", ["the folder nowhere does not exist", "Create it first"]),
        ("out reviews.csv -o reviews.csv/a.csv", ["reviews.csv is a file", "Name another folder"]),
        ("out reviews.csv -o out", ["--output_file out: is a folder"]),
        ("out reviews.csv -o new/", ["--output_file new/: is a folder"]),
        ("out reviews.csv -o lines.txt --overwrite", [".txt is no format", "--format"]),
        ("out reviews.csv -o a.csv.gz", ["compressed files are not written"]),
        ("out reviews.csv -o a.csv.gz --format csv", ["compressed files are not written", "Leave .gz out"]),
        ("out reviews.csv -o reviews.jsonl", ["--output_file reviews.jsonl: exists", "--overwrite", "--resume"]),
        ("out reviews.csv --most_uncertain 3 -o a.csv --uncertain_file a.csv", ["name the same file"]),
        ("out reviews.csv --cache_dir lines.txt", ["--cache_dir lines.txt: is a file"]),
    ],
)
def test_what_cannot_work_is_refused_by_name_with_a_remedy(place, line, words):
    assert_refused(words, read_prediction_flags, line.split())


def test_a_folder_without_a_config_suggests_one_inside(place):
    os.makedirs("study/seed-1")
    assert_refused(["MODEL study: the folder has no config.json"], read, "study reviews.csv")
    Path("study/seed-1/config.json").write_text("{}")
    assert_refused(["Did you mean study/seed-1?"], read, "study reviews.csv")
    assert read("study/seed-1 reviews.csv").model == "study/seed-1"


def test_the_input_under_another_name_is_still_the_input(place):
    os.link("reviews.csv", "hard.csv")
    os.symlink("reviews.csv", "soft.csv")
    for name in ("hard.csv", "soft.csv"):
        assert_refused(["is the input"], read, f"out reviews.csv -o {name} --overwrite")
    os.symlink("gone.csv", "broken.csv")
    assert_refused(["INPUT broken.csv: is a link to a file that is not there"], read, "out broken.csv")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_written_is_found_at_once(place):
    os.mkdir("locked", 0o555)
    assert_refused(["the folder locked cannot be written"], read, "out reviews.csv -o locked/a.csv")


def test_a_folder_whose_disk_refuses_is_found_at_once(place, monkeypatch):
    import classification.cli.prediction_paths as paths

    def refuse(**arguments):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(paths.tempfile, "TemporaryFile", refuse)
    assert_refused(
        ["--output_file a.csv", "cannot be written (Read-only file system)"], read, "out reviews.csv -o a.csv"
    )


def test_several_processes_need_files(place, monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert_refused(["accelerate launch", "-o OUT"], read, "out -")
    assert_refused(["--shard 1/2: accelerate launch shards the rows already"], read, "out reviews.csv --shard 1/2")
    assert_refused(["--text: every process would answer"], read, "out --text a")
    assert read("out reviews.csv").output_file == "reviews.predictions.csv"


@pytest.mark.parametrize("line", ["out reviews.csv -o -", "out -"])
def test_a_closed_standard_output_is_known_before_the_model_is_loaded(place, monkeypatch, line):
    monkeypatch.setattr("sys.stdout", None)
    assert_refused(["-o -: standard output is closed", "-o OUT"], lambda: read(line))


def test_words_that_are_no_text_are_refused(place):
    assert_refused(["--text", "not valid UTF-8"], read_prediction_flags, ["out", "--text", "caf\udce9"])
    assert_refused(["INPUT ''", "is empty"], read_prediction_flags, ["out", ""])
    assert_refused(["INPUT aaa", "too long"], read_prediction_flags, ["out", "a" * 300 + ".csv"])


def test_remedies_work(place):
    """What an error suggests is accepted."""
    for line in (
        "out reviews.csv --abstain_below 0.8", "out reviews.csv --shard 4/4", "out --text a --text_pair b",
        "out reviews.csv --text_column_names a,b,c --text_column_delimiter=", "--join a.parts,b.parts -o o.csv",
        "out reviews.csv -o reviews.jsonl --overwrite", "out - --most_uncertain 5 --uncertain_file u.csv",
        "out reviews.csv -o no_ending",
    ):  # fmt: skip
        read(line)


# ------------------------------------------------------------------------------------------ commands of messages


def test_the_command_of_a_job_has_no_shard_and_no_secret():
    words = [
        "out",
        "a b.csv",
        "--shard",
        "1/4",
        "--resume",
        "true",
        "--token",
        "hf_abcdefghijklmnopqrstuvwx",
        "--top_k=3",
    ]
    command = job_command(words)
    assert "1/4" not in command and "--resume" not in command and "hf_abc" not in command
    assert "'a b.csv'" in command and "--top_k=3" in command
    assert without(["--resume", "out", "--overwrite=true"], ("resume", "overwrite")) == ["out"]


# ---------------------------------------------------------------------------------------------------------- the help


def test_help_is_short_and_begins_with_examples():
    shown = TABLE.help_text()
    assert shown.index("python predict.py out reviews.csv") < shown.index("--text_column_names")
    assert len(shown.splitlines()) < 110 and all(f"--{flag.name}" in shown for flag in FLAGS)


def test_errors_are_usage_errors(place):
    with pytest.raises(UsageError):
        read("out nothing.csv")
    with pytest.raises(SystemExit):
        read("--help")
