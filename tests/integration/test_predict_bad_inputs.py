"""Bad input of predict.py is one line that names the place and the remedy, and never costs good rows or good files."""

from __future__ import annotations

import csv
import gzip
import json
import os
import shutil

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from corpus import make_rows, write_csv

from classification.errors import UsageError
from predict import main

TEXTS = ["a good film", "the meal was awful", "it was a fine room", "not a bad book"]


@pytest.fixture(scope="module")
def model(finished):
    return str(finished().folder)


@pytest.fixture(scope="module")
def pair_model(finished, tmp_path_factory):
    rows = [{"premise": row["text"], "hypothesis": "it was", "label": row["label"]} for row in make_rows(48)]
    file = write_csv(tmp_path_factory.mktemp("pairs") / "pairs.csv", rows)
    return str(finished(train_file=file, validation_file=None, test_file=None).folder)


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, content: bytes | str) -> str:
    with open(name, "wb") as handle:
        handle.write(content.encode() if isinstance(content, str) else content)
    return name


def refused(*words) -> str:
    """The one line of the error of a command; it leaves no output."""
    before = set(os.listdir("."))
    with pytest.raises(UsageError) as error:
        main([str(word) for word in words])
    message = str(error.value)
    assert "\n" not in message and "Traceback" not in message
    left = {name for name in set(os.listdir(".")) - before if not name.endswith(".parts")}
    assert not left, left
    return message


def read(name: str) -> list[dict]:
    if name.endswith(".csv"):
        with open(name, encoding="utf-8", newline="") as handle:
            return list(csv.DictReader(handle))
    with open(name, encoding="utf-8") as handle:
        return [json.loads(line) for line in handle]


def lines(*values: str) -> str:
    return "".join(f"{value}\n" for value in values)


def text_object(text) -> str:
    return json.dumps({"text": text})


def third_is_bad(name: str, bad: bytes | str) -> bytes:
    """An input of four rows whose third one is bad."""
    makers = {"in.jsonl": text_object, "in.csv": lambda text: f"7,{text}", "in.txt": str}
    good = [makers[name](text).encode() for text in TEXTS]
    head = [b"id,text"] if name == "in.csv" else []
    return b"\n".join([*head, *good[:2], bad.encode() if isinstance(bad, str) else bad, good[3], b""])


BAD_ROWS = {  # the input, its third row, and words of the error
    "broken JSON": ("in.jsonl", '{"text": "a good', "line 3"),
    "no object": ("in.jsonl", "[1, 2]", "line 3"),
    "blank JSON text": ("in.jsonl", text_object(" "), "row 3: null or blank text"),
    "null": ("in.jsonl", text_object(None), "row 3: null or blank text"),
    "a list as text": ("in.jsonl", text_object(["a"]), "row 3: has a list"),
    "half of a character": ("in.jsonl", text_object("a \ud83d"), "line 3"),
    "JSON in latin-1": ("in.jsonl", b'{"text": "caf\xe9"}', "line 3"),
    "blank cell": ("in.csv", "7,", "row 3 (id 7): null or blank text"),
    "too many fields": ("in.csv", "7,a,b,c", "line 4"),
    "CSV in latin-1": ("in.csv", b"7,caf\xe9", "line 4"),
    "text in latin-1": ("in.txt", b"caf\xe9", "line 3"),
    "blank line": ("in.txt", "", "row 3: null or blank text"),
}


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_an_error_with_its_place_and_the_remedy_before_the_model_is_loaded(model, never_loaded, kind):
    name, bad, words = BAD_ROWS[kind]
    message = refused(model, write(name, third_is_bad(name, bad)), "-o", "out.jsonl")
    assert words in message and "--on_bad_row" in message and name in message


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_kept_with_its_error(model, kind):
    name, bad, _ = BAD_ROWS[kind]
    main([model, write(name, third_is_bad(name, bad)), "-o", "out.jsonl", "--on_bad_row", "keep"])
    rows = read("out.jsonl")
    assert len(rows) == 4 and [bool(row["error"]) for row in rows] == [False, False, True, False]
    assert not rows[2]["prediction"] and all(rows[i]["prediction"] for i in (0, 1, 3))


@pytest.mark.parametrize("kind", BAD_ROWS)
def test_a_bad_row_is_dropped_and_the_others_are_answered_as_without_it(model, kind):
    name, bad, _ = BAD_ROWS[kind]
    main([model, write(name, third_is_bad(name, bad)), "-o", "out.jsonl", "--on_bad_row", "drop"])
    main([model, write("good.txt", lines(TEXTS[0], TEXTS[1], TEXTS[3])), "-o", "good.jsonl"])
    rows, good = read("out.jsonl"), read("good.jsonl")
    assert [row["prediction"] for row in rows] == [row["prediction"] for row in good]
    assert [row["text"] for row in rows] == [TEXTS[0], TEXTS[1], TEXTS[3]] and "error" not in rows[0]


# ------------------------------------------------------------------------------------------------------ whole inputs


def truncated_parquet() -> bytes:
    pq.write_table(pa.table({"text": TEXTS * 100}), "whole.parquet")
    with open("whole.parquet", "rb") as handle:
        content = handle.read()
    os.remove("whole.parquet")
    return content[: len(content) // 2]


@pytest.mark.parametrize("policy", ["error", "keep", "drop"])
@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.parquet", truncated_parquet),
        ("in.json", lambda: b'[{"text": "a"}, {"text": '),
        ("in.csv.gz", lambda: gzip.compress(b"text\n" + b"a good film\n" * 1000)[:-20]),
        ("in.csv", lambda: b'text\n"a good film\nthe meal\n'),
        ("in.csv", lambda: b"text\n"),
        ("in.csv", lambda: b""),
        ("in.txt", lambda: b"\n\n \n"),
        ("in.parquet", lambda: b"PAR1 this is no table PAR1"),
    ],
    ids=["Parquet cut off", "JSON array cut off", "gzip cut off", "open quotation mark", "header only", "empty",
         "blank lines only", "no Parquet"],
)  # fmt: skip
def test_what_cannot_be_read_row_by_row_is_one_error_with_every_policy(model, name, content, policy):
    if name == "in.txt" and policy == "keep":
        pytest.skip("every row is kept with its error")
    file = write(name, content())
    assert name in refused(model, file, "-o", "out.csv", "--on_bad_row", policy)


@pytest.mark.parametrize("column", ["txt", "Text", "texts", "review text"])
def test_a_missing_text_column_suggests_a_flag_that_works(model, column):
    file = write("in.csv", lines(f"id,{column}", f"1,{TEXTS[0]}"))
    message = refused(model, file, "-o", "out.csv", "--text_column_names", "text")
    assert column in message
    main([model, file, "-o", "out.csv", "--text_column_names", column])
    assert read("out.csv")[0]["prediction"]


def test_the_models_own_column_is_looked_for_and_a_near_one_suggested(model):
    file = write("in.csv", lines("id,txet,other", f"1,{TEXTS[0]},x"))
    message = refused(model, file, "-o", "out.csv")
    assert "text" in message and "--text_column_names txet" in message
    main([model, file, "-o", "out.csv", "--text_column_names", "txet"])
    assert read("out.csv")[0]["prediction"]


def test_the_text_column_of_the_training_is_found_among_others(command, tmp_path):
    rows = [{"customer said": row["text"], "text": "ignore", "label": row["label"]} for row in make_rows(48)]
    file = write_csv(tmp_path / "train.csv", rows)
    from run_classification import main as train

    train(command(train_file=file, validation_file=None, test_file=None, text_column_names="customer said"))
    data = write("in.csv", lines("text,customer said", f"ignore,{TEXTS[0]}", f"ignore,{TEXTS[1]}"))
    main([str(tmp_path / "out"), data, "-o", "a.csv"])
    main([str(tmp_path / "out"), data, "-o", "b.csv", "--text_column_names", "customer said"])
    assert read("a.csv") == read("b.csv")


@pytest.mark.parametrize("policy", ["error", "keep", "drop"])
def test_a_missing_second_text(pair_model, policy):
    rows = [{"premise": TEXTS[0], "hypothesis": "it was"}, {"premise": TEXTS[1], "hypothesis": None}, {"premise": "a"}]
    file = write("in.jsonl", lines(*map(json.dumps, rows)))
    if policy == "error":
        message = refused(pair_model, file, "-o", "out.jsonl")
        assert "row 2" in message and "--on_bad_row" in message
        return
    main([pair_model, file, "-o", "out.jsonl", "--on_bad_row", policy])
    answers = read("out.jsonl")
    assert len(answers) == (3 if policy == "keep" else 1) and answers[0]["prediction"]
    assert policy == "drop" or [bool(row["error"]) for row in answers] == [False, True, True]


def test_a_missing_second_column_names_both(pair_model):
    message = refused(pair_model, write("in.csv", lines("premise,other", "a,b")), "-o", "out.csv")
    assert "hypothesis" in message and "--text_column_names" in message


def test_single_texts_for_a_model_of_pairs_say_so(pair_model):
    message = refused(pair_model, write("in.csv", lines("text", "a")), "-o", "out.csv", "--text_column_names", "text")
    assert "pairs" in message and "--text_column_names a,b" in message


# --------------------------------------------------------------------------------------------------- model and output


def test_a_model_without_a_head_is_refused(tiny_model):
    message = refused(tiny_model, write("in.txt", lines(*TEXTS)), "-o", "out.csv")
    assert "head" in message and "MODEL" in message


@pytest.fixture
def never_loaded(monkeypatch):
    def load(*args, **kwargs):
        raise AssertionError("the model was loaded before the error")

    monkeypatch.setattr("classification.models.loading.load_classifier", load)
    monkeypatch.setattr("classification.inference.saved_classifier.load_classifier", load)


@pytest.mark.parametrize(
    ("out", "words"),
    [
        ("nowhere/out.csv", "does not exist"), ("in.csv", "is the input"), (".", "is a folder"),
        ("in.csv/out.csv", "file"), ("there.csv", "--overwrite"),
    ],
)  # fmt: skip
def test_an_output_that_cannot_be_written_is_known_before_the_model_is_loaded(model, never_loaded, out, words):
    file = write("in.csv", lines("text", *TEXTS))
    write("there.csv", "mine")
    assert words in refused(model, file, "-o", out)
    assert read("in.csv")[0] == {"text": TEXTS[0]} and open("there.csv").read() == "mine"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_permission_is_known_before_the_model_is_loaded(model, never_loaded):
    os.mkdir("closed")
    os.chmod("closed", 0o555)
    assert "cannot be written" in refused(model, write("in.csv", lines("text", *TEXTS)), "-o", "closed/out.csv")


def test_an_input_that_is_not_there_suggests_one_that_is(model, never_loaded):
    write("reviews.csv", lines("text", *TEXTS))
    assert "reviews.csv" in refused(model, "review.csv", "-o", "out.csv")


@pytest.mark.parametrize("column", ["prediction", "prob_negative", "truncated"])
def test_a_column_with_the_name_of_a_new_one_is_refused_and_the_remedy_works(model, column):
    file = write("in.csv", lines(f"text,{column}", f"{TEXTS[0]},mine"))
    assert "--output_prefix" in refused(model, file, "-o", "out.csv")
    main([model, file, "-o", "out.csv", "--output_prefix", "model_"])
    row = read("out.csv")[0]
    assert row[column] == "mine" and row["model_prediction"]


# ----------------------------------------------------------------------------------------------- input unlike training


def test_input_unlike_training_is_one_warning_and_changes_no_answer(model, capsys):
    file = write("in.txt", lines(*["это не очень хороший фильм"] * 30))
    main([model, file, "-o", "out.csv"])
    shown = capsys.readouterr()
    warnings = [line for line in (shown.out + shown.err).splitlines() if "unlike the training data" in line]
    assert len(warnings) == 1 and "script Cyrillic 100% (train 0%)" in warnings[0]
    assert "unknown tokens 100%" in warnings[0] and len(read("out.csv")) == 30


def test_input_like_training_and_a_model_made_elsewhere_get_no_warning(model, shared_files, capsys, tmp_path):
    main([model, shared_files["test_file"], "-o", "like.csv"])
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(model, elsewhere)
    os.chmod(elsewhere, 0o755)
    (elsewhere / "data_statistics.json").unlink()
    main([str(elsewhere), write("in.txt", lines(*["это не очень хороший фильм"] * 30)), "-o", "out.csv"])
    shown = capsys.readouterr()
    assert "unlike the training data" not in shown.out + shown.err


@pytest.fixture
def small_parts(monkeypatch):
    monkeypatch.setattr("classification.data.sources.row_batches.PART_ROWS", 20)


def warnings_of(capsys) -> list[str]:
    shown = capsys.readouterr()
    return [line for line in (shown.out + shown.err).splitlines() if "unlike the training data" in line]


def like_then_unlike() -> str:
    """Three parts of rows like those of the training, then one of others."""
    rows = [row["text"] for row in make_rows(60, seed=9)]
    return write("in.txt", lines(*rows, *["это не очень хороший фильм"] * 20))


def test_the_first_part_is_compared_early_and_the_same_is_not_said_at_the_end(model, small_parts, capsys):
    main([model, write("in.txt", lines(*["это не очень хороший фильм"] * 80)), "-o", "out.csv"])
    (warning,) = warnings_of(capsys)
    assert "the first 20 rows are unlike the training data" in warning


def test_shards_add_up_to_the_warning_of_one_run(model, small_parts, capsys):
    file = like_then_unlike()
    main([model, file, "-o", "whole.csv"])
    (whole,) = warnings_of(capsys)
    assert "the input is unlike" in whole and "script Cyrillic 25% (train 0%)" in whole
    for shard in ("1/2", "2/2"):
        main([model, file, "-o", f"{shard[0]}.csv", "--shard", shard])
    assert not warnings_of(capsys)
    main(["--join", "1.csv.parts,2.csv.parts", "-o", "joined.csv"])
    assert warnings_of(capsys) == [whole] and read("joined.csv") == read("whole.csv")


def test_a_resumed_prediction_warns_about_all_parts(model, small_parts, capsys, monkeypatch):
    file = like_then_unlike()
    main([model, file, "-o", "whole.csv"])
    (whole,) = warnings_of(capsys)

    def fail(*args, **kwargs):
        raise KeyboardInterrupt

    from classification.inference import file_prediction

    calls = iter(range(100))
    sums = file_prediction.sums_of_answers
    monkeypatch.setattr(file_prediction, "sums_of_answers", lambda *given: fail() if next(calls) == 2 else sums(*given))
    with pytest.raises(KeyboardInterrupt):
        main([model, file, "-o", "out.csv"])
    main([model, file, "-o", "out.csv", "--resume"])
    assert warnings_of(capsys) == [whole] and read("out.csv") == read("whole.csv")
