"""The command line of scripts/convert_tf_checkpoint.py: one line for everything that cannot be meant."""

from __future__ import annotations

import shlex
import subprocess
import sys

import pytest
from helpers import ROOT, assert_refused
from made_releases import make_folder, make_zip

from classification.cli.conversion_flags import ConversionFlags, read_conversion_flags


@pytest.fixture(autouse=True)
def places(tmp_path, monkeypatch):
    """The working directory has a zip file, a folder and another file."""
    monkeypatch.chdir(tmp_path)
    make_zip("a.zip")
    make_folder("release")
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()


def read(line):
    return read_conversion_flags(shlex.split(line))


@pytest.mark.parametrize("line", ["a.zip out", "a.zip ./out/", "release new/out", "release empty"])
def test_two_paths_are_enough(line):
    source, out = line.split()
    assert read(line) == ConversionFlags(source, out)


@pytest.mark.parametrize(
    "line",
    ["--lower_case false a.zip out", "a.zip --lower_case=FALSE out", "a.zip out --lower-case false"],
)  # fmt: skip
def test_flags_stand_anywhere(line):
    assert read(line) == ConversionFlags("a.zip", "out", lower_case=False)


def test_every_flag_has_its_value():
    flags = read("a.zip out --python py --cache_dir c --checkpoint model.ckpt-2 --debug")
    assert flags == ConversionFlags("a.zip", "out", None, "model.ckpt-2", "py", "c")


def test_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert read("~/a.zip ~/out") == ConversionFlags(f"{tmp_path}/a.zip", f"{tmp_path}/out")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", "two paths are needed, and 0 are given"),
        ("a.zip", "ZIP_OR_DIR OUT a.zip: two paths are needed, and 1 are given"),
        ("a.zip out more", "and 3 are given"),
        ("a.zip ''", "one of them is empty"),
        ("b.zip out", "ZIP_OR_DIR b.zip: there is no such file or folder. Check its spelling."),
        ("a.zip file", "OUT file: is a file. Name a new folder."),
        (f"a.zip {'n' * 300}", "cannot be a folder (File name too long). Name another one."),
        ("a.zip release", "OUT release: holds files already. Name a new folder."),
        ("release/bert_model.ckpt out", "is one of several files. Pass their folder: release"),
        ("release/bert_model.ckpt.index out", "is one of several files. Pass their folder: release"),
        ("a.zip out --lower_case maybe", "--lower_case maybe: must be one of true, false."),
        ("a.zip out --lower_case", "--lower_case: needs a value. Give one: --lower_case true|false"),
        ("a.zip out --python", "--python: needs a value. Give one: --python PATH"),
        ("a.zip out --python ''", "--python '': is empty"),
        ("a.zip out --lowercase true", "--lowercase: there is no such flag. Did you mean 'lower_case'?"),
        ("a.zip out --check x", "--check: there is no such flag"),
        ("a.zip out -x", "-x: there is no such flag"),
    ],
)
def test_what_cannot_be_meant_is_one_line(line, words):
    assert_refused([words], read, line)


def test_the_remedy_for_one_file_of_several_works():
    assert read("release out").source == "release"


def test_help_and_wrong_flags_are_answered_without_the_libraries():
    code = (
        "import sys\nfrom classification.cli.conversion_flags import read_conversion_flags\n"
        "try: read_conversion_flags(['--help'])\nexcept SystemExit: pass\n"
        "print(sorted({'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert "--lower_case" in done.stdout and done.stdout.endswith("[]\n"), done.stdout + done.stderr
