"""The command line of scripts/export_onnx.py: each mistake is one line with its remedy, before anything is loaded."""

from __future__ import annotations

import subprocess
import sys

import pytest
from helpers import ROOT, assert_refused

from classification.cli.export_flags import read_export_flags


@pytest.fixture
def model(tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    return str(folder)


def test_the_defaults(model, tmp_path):
    given = read_export_flags([model, str(tmp_path / "new")])
    assert (given.variant, given.rows, given.check_file, given.min_agreement) == ("fp32", 500, None, None)


def test_flags_may_stand_anywhere_and_have_hyphens(model, tmp_path):
    out = str(tmp_path / "new")
    given = read_export_flags(["--variant=INT8", model, "--min-agreement", "0.9", out, "--overwrite", "--rows", "7"])
    assert (given.variant, given.min_agreement, given.overwrite, given.rows) == ("int8", 0.9, True, 7)


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (["--variant", "int4"], ["--variant int4", "fp32, fp16, int8"]),
        (["--varient", "int8"], ["--varient", "Did you mean 'variant'?"]),
        (["--rows", "0"], ["--rows 0", "from 1 on"]),
        (["--rows", "many"], ["--rows many"]),
        (["--min_agreement", "99"], ["--min_agreement 99", "0.99"]),
        (["--min_agreement", "0"], ["--min_agreement 0", "above 0"]),
        (["--min_agreement", "nan"], ["--min_agreement nan"]),
        (["--check_file", ""], ["--check_file ''", "is empty"]),
        (["--check_file", "-"], ["--check_file -", "Save it to a file"]),
        (["--check_file"], ["--check_file", "needs a value"]),
        (["--text_column_names", "review"], ["--text_column_names review", "--check_file"]),
        (["--label_column_name", "stars"], ["--label_column_name stars", "--check_file"]),
        (["third"], ["MODEL OUT"]),
    ],
)
def test_a_wrong_flag_is_refused_with_its_remedy(model, tmp_path, flags, words):
    assert_refused(words, read_export_flags, [model, str(tmp_path / "new"), *flags])


@pytest.mark.parametrize("place", ["", "/inside", "/..", "/inside/deeper"])
def test_the_new_folder_is_apart_from_the_model(model, place):
    assert_refused(["OUT", "the folder of the model"], read_export_flags, [model, model + place])


def test_a_link_to_the_model_is_the_model(model, tmp_path):
    (tmp_path / "link").symlink_to(model)
    assert_refused(["the folder of the model"], read_export_flags, [model, str(tmp_path / "link")])


def test_a_folder_without_a_config_is_no_model(tmp_path):
    assert_refused(["MODEL", "config.json"], read_export_flags, [str(tmp_path), str(tmp_path.parent / "new")])


def test_a_name_that_no_disk_takes_is_refused(model):
    assert_refused(["OUT", "too long"], read_export_flags, [model, "n" * 300])


def test_help_imports_no_library_that_is_slow():
    script = str(ROOT / "scripts" / "export_onnx.py")
    code = f"import runpy, sys; sys.argv = ['x', '--help']\ntry: runpy.run_path({script!r}, run_name='__main__')\n"
    code += "except SystemExit as end: print('torch' in sys.modules, 'transformers' in sys.modules, end.code)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert "--min_agreement P" in done.stdout and done.stdout.endswith("False False 0\n"), done.stdout + done.stderr
