"""The READMEs and docs/ tell the truth: their commands parse and run, their files exist, their flags are flags."""

from __future__ import annotations

import ast
import re
import shlex
import subprocess
from importlib import import_module
from pathlib import Path

import baselines
import pytest
import transformers
from corpus import hub_folder, make_rows
from datasets import Dataset
from helpers import ROOT, make_bert, make_tokenizer

from classification.cli.conversion_flags import FLAGS as CONVERSION_FLAGS
from classification.cli.conversion_flags import read_conversion_flags
from classification.cli.export_flags import FLAGS as EXPORT_FLAGS
from classification.cli.export_flags import read_export_flags
from classification.cli.old_names import GONE, OLD_NAMES
from classification.cli.parser import make_parser, parse_arguments
from classification.cli.prediction_flags import FLAGS, read_prediction_flags
from classification.cli.server_flags import FLAGS as SERVER_FLAGS
from classification.cli.server_flags import read_server_flags
from run_classification import main

PATHS = [path for pattern in ("README*.md", "docs/*.md", "data/*/README.md") for path in sorted(ROOT.glob(pattern))]
PAGES = {path.relative_to(ROOT).as_posix(): path.read_text(encoding="utf-8") for path in PATHS}
README, CHINESE = PAGES["README.md"], PAGES["README.zh-CN.md"]
# Scripts that hand the rest of their command line to run_classification.py -> what they put before it, words to skip.
WRAPPERS = {
    "scripts/quickstart.sh": (["presets/quickstart.yaml"], 0),
    "scripts/run_imdb.sh": (["presets/imdb.yaml"], 0),
    "scripts/run_multi_gpu.sh": ([], 1),
    "scripts/compare_with_tfidf.py": (["presets/quickstart.yaml"], 0),
    "scripts/compare_imbalance.py": ([], 0),
    "scripts/compare_truncation.py": ([], 0),
    "scripts/ablate.py": ([], 0),
    "scripts/baselines.py": ([], 0),
    "run_classification.py": ([], 0),
}
# With a command line of their own.
OWN_PARSERS = (
    "scripts/adapt_pretrain.py",
    "scripts/benchmark.py",
    "scripts/benchmark_two_runs.py",
    "scripts/benchmark_save.py",
    "scripts/compare_runs.py",
    "scripts/gpu_check.sh",
    "scripts/load_test.py",
    "scripts/report.py",
    "scripts/write_docs.py",
)
PREDICT = re.compile(r"\bpredict\.py (?P<words>[^>|]*)")  # also behind a launcher or a pipe, and before a redirection
WITHOUT_FLAGS = (
    "pip install -r requirements-serve.txt",
    "pip install -r requirements-extras.txt",
    "bash scripts/test.sh",
    "head -201 data/reviews/train.csv > mine.csv",
    "sha256sum DISK/whole/model.safetensors DISK/killed/model.safetensors",
)


def blocks_of(text: str, language: str) -> list[str]:
    """The content of every code block in a language."""
    return [block for name, block in re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL) if name == language]


def commands_of(text: str) -> list[str]:
    """The commands of a page without their comments."""
    lines = "".join(blocks_of(text, "bash")).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#\s.*", "", line).strip() for line in lines if line.strip()]


COMMANDS = sorted({" ".join(command.split()) for text in PAGES.values() for command in commands_of(text)})


def recipe_arguments(command: str) -> list[str] | None:
    """What a command hands to run_classification.py; None for another kind of command."""
    _, script, *words = shlex.split(command)
    if script not in WRAPPERS:
        return None
    before, skipped = WRAPPERS[script]
    words = words[skipped:]
    has_preset = bool(words) and words[0].endswith(".yaml")
    return words if has_preset else [*before, *words]


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The working directory of a command: presets and data of the project, and no output of others."""
    monkeypatch.chdir(tmp_path)
    for name in ("presets", "data"):
        (tmp_path / name).symlink_to(ROOT / name)
    return tmp_path


def write_named_files(folder: Path, arguments: list[str]) -> None:
    """Write every data file that the arguments name: spam and ham with a date, as CSV or Parquet."""
    for flag, value in zip(arguments, arguments[1:], strict=False):
        if flag.endswith("_file") and flag.startswith("--"):
            rows = make_rows(64, seed=len(flag), labels=("ham", "spam"))
            data = Dataset.from_list([row | {"date": f"2024-01-{i % 28 + 1:02}"} for i, row in enumerate(rows)])
            write = data.to_csv if value.endswith(".csv") else data.to_parquet
            write(str(folder / value))


def write_model_and_inputs(folder: Path, words: list[str]) -> None:
    """What the commands of predict.py read: the models `out` and `out-onnx`, and the input behind them."""
    models = ("out", "out-onnx")
    for name in models:
        (folder / name).mkdir()
        (folder / name / "config.json").write_text("{}")
    if words[0] in models and len(words) > 1 and not words[1].startswith("-"):
        (folder / words[1]).write_text("text\n")


# ------------------------------------------------------------------------------------------------------------ commands


def test_there_are_commands_to_check():
    assert len(COMMANDS) >= 40


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[:90])
def test_every_command_parses(command, folder):
    if prediction := PREDICT.search(command):
        write_model_and_inputs(folder, words := shlex.split(prediction["words"]))
        assert "--help" in words or read_prediction_flags(words)
        return
    if command in WITHOUT_FLAGS:
        return
    program, script, *words = shlex.split(command)
    arguments = recipe_arguments(command)
    if script == "scripts/serve.py":
        write_model_and_inputs(folder, words[:1])
        (folder / "token.txt").write_text("a token of 16 or more".replace(" ", "-"))
        assert "--help" in words or read_server_flags(words)
        return
    if script == "scripts/export_onnx.py":
        write_model_and_inputs(folder, words[:1])
        assert "--help" in words or read_export_flags(words)
        return
    if script == "scripts/convert_tf_checkpoint.py":
        (folder / words[0]).touch()
        assert read_conversion_flags(words)
        return
    if script == "-c":
        ast.parse(words[0])
        return
    assert program in ("python", "bash") and (ROOT / script).is_file()
    if program == "bash":
        subprocess.run(["bash", "-n", ROOT / script], check=True)
    if script in OWN_PARSERS:
        import_module(Path(script).stem).make_parser().parse_args(words)
    elif "--help" not in words:
        write_named_files(folder, arguments)
        own = {"--seeds", "--lengths", "--strategies"} if script.startswith("scripts/compare") else set()
        assert parse_arguments(without(arguments, own))


def without(arguments: list[str], flags: set[str]) -> list[str]:
    """The arguments without some flags and their values."""
    places = {place for place, word in enumerate(arguments) if word in flags}
    return [word for place, word in enumerate(arguments) if not {place, place - 1} & places]


SMALL = {"max_train_samples": 32, "max_eval_samples": 16, "max_predict_samples": 16, "num_train_epochs": 1}


def essence(command: str) -> tuple[str, ...]:
    """A command without what `test_every_quick_command_runs` replaces: commands that are equal in it run once."""
    arguments = without(recipe_arguments(command), {"--model_name_or_path", "--output_dir"})
    return shlex.split(command)[1], *(re.sub(r"[\w-]+\.(csv|parquet)$", r"\1", word) for word in arguments)


# These take under 10 s with a tiny model and few rows. The other scripts install packages, measure speed, or train
# many models.
QUICK_SCRIPTS = ("run_classification.py", "scripts/baselines.py")
QUICK = {
    essence(command): command
    for command in COMMANDS
    # tests/reliability runs the first; the second needs a trained model, tests/integration/test_teacher_runs.py has one
    if shlex.split(command)[1] in QUICK_SCRIPTS and "--inject_fault" not in command and "--teacher" not in command
}


@pytest.fixture(scope="module")
def readers(tmp_path_factory) -> dict[int, str]:
    """Number of layers -> a tiny model with the positions of a base model."""
    folders = {layers: tmp_path_factory.mktemp("models") / f"{layers}-layers" for layers in (1, 6)}
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = 512
    for layers, folder in folders.items():
        model = make_bert(num_hidden_layers=layers, max_position_embeddings=512, hidden_dropout_prob=0.1)
        model.bert.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
    return {layers: str(folder) for layers, folder in folders.items()}


@pytest.mark.parametrize("command", QUICK.values(), ids=lambda command: command[:90])
def test_every_quick_command_runs(command, folder, readers, capsys):
    """With a tiny model instead of the named one, few rows, and a local folder instead of the Hub's IMDB."""
    arguments = recipe_arguments(command)
    if "--help" in arguments:
        pytest.raises(SystemExit, main, arguments)
        return
    write_named_files(folder, arguments)
    arguments = without(arguments, {"--model_name_or_path", "--dataset_name"})
    small = dict(SMALL)
    if "--folds" in arguments:
        small |= {"max_eval_samples": None, "num_train_epochs": 4}  # the preset's early stopping needs four
    if "--search" in arguments:
        small["search"] = 2
    if "imdb" in command and "--train_file" not in arguments:
        small["dataset_name"] = hub_folder(folder)
    arguments += [f"--{name}={value}" for name, value in small.items() if value is not None]
    run = baselines.main if "baselines.py" in command else main
    arguments += [f"--model_name_or_path={readers[6 if '--freeze_layers' in arguments else 1]}", "--disable_tqdm=true"]
    assert run(arguments)


def test_three_lines_make_a_classifier_of_your_own_data(tiny_model, folder):
    """The commands as they are, with the tiny model in the place of bert-base-uncased."""
    block = next(block for block in blocks_of(README, "bash") if "head -201" in block)
    make, train, use = commands_of(f"```bash\n{block}```")
    subprocess.run(["bash", "-c", make], check=True)
    arguments = [tiny_model if word == "bert-base-uncased" else word for word in recipe_arguments(train)]
    result = main([*arguments, "--max_seq_length", "32", "--num_train_epochs", "1"])
    assert result["train_samples"] == 160 and result["eval_samples"] == 40
    programs = [shlex.split(use)[2], *(block for block in blocks_of(CHINESE, "python") if '"out"' in block)]
    assert len(programs) == 2
    for program in programs:
        answers: list = []
        exec(program, {"print": answers.append, "pipeline": transformers.pipeline})
        assert answers[0][0]["label"] in ("negative", "positive")


def test_the_chinese_file_of_labels_is_read(folder, tiny_model):
    """The CSV of its example, repeated to be enough."""
    header, *rows = next(block for block in blocks_of(CHINESE, "") if block.startswith("text,label")).splitlines()
    (folder / "mine.csv").write_text(
        "\n".join([header, *(f"{i}{row}" for i in range(6) for row in rows)]) + "\n", encoding="utf-8"
    )
    assert main(["--train_file", "mine.csv", "--model_name_or_path", tiny_model, "--dry_run"])["dry_run_loss"] > 0


LOSS = r"\b0\.6\d{5}\b"


@pytest.mark.slow
def test_the_dry_run_of_the_chinese_guide_is_real(minilm, tmp_path, capsys):
    """The block as it is printed, except the lines that depend on the machine and its cache."""
    command = [str(ROOT / "presets" / "quickstart.yaml"), "--model_name_or_path", minilm, "--dry_run"]
    main([*command, "--precision", "fp32", "--output_dir", str(tmp_path / "out")])
    elsewhere = ("cache", "model", "attention", "dropout", "precision", "loader")
    guide = PAGES["docs/guide.zh-CN.md"]
    shown = next(block for block in blocks_of(guide, "") if "dry_run" not in block and "input_ids" in block)
    wanted, printed = (
        [re.sub(LOSS, "", line) for line in text.strip().splitlines() if not line.startswith(elsewhere)]
        for text in (shown, capsys.readouterr().out)
    )
    assert printed == wanted
    losses = re.findall(LOSS, shown)
    assert len(losses) == 2 and all(abs(float(loss) - 0.6910) < 1e-3 for loss in losses)


# ------------------------------------------------------------------------------------------------------ flags and paths


def known_flags() -> set[str]:
    parsers = [make_parser(), *(import_module(Path(script).stem).make_parser() for script in OWN_PARSERS)]
    flags = {option for parser in parsers for action in parser._actions for option in action.option_strings}
    flags |= {f"--{name}" for names in OLD_NAMES.items() for name in names} | {"--group_by_length"}  # translated
    flags |= {f"--{name}" for name in GONE} | {"--mixed_precision"}  # refused; of `accelerate launch`
    flags |= {f"--{flag.name}" for flag in (*FLAGS, *SERVER_FLAGS, *CONVERSION_FLAGS, *EXPORT_FLAGS)} | {
        "--num_processes"
    }  # of `accelerate launch`
    return flags | {"--slow", "--seeds", "--lengths", "--strategies"}  # of scripts


@pytest.mark.parametrize("page", PAGES)
def test_every_flag_that_is_named_exists(page):
    named = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9_]+", PAGES[page].replace("`--do_*`", "")))
    assert named - known_flags() == set()


@pytest.mark.parametrize("page", PAGES)
def test_every_path_that_is_named_exists(page):
    named = re.findall(r"`((?:presets|scripts|tests|data|classification|docs)/[\w./-]+)`", PAGES[page])
    linked = [path.partition("#")[0] for path in re.findall(r"\]\(([^)]+)\)", PAGES[page]) if "://" not in path]
    paths = [ROOT / path for path in named] + [(ROOT / page).parent / path for path in linked]
    assert not [path for path in paths if not path.exists()]


def test_every_page_is_linked_from_the_readme():
    assert not [page for page in PAGES if page.startswith("docs/") and f"]({page})" not in README]


@pytest.mark.parametrize("text", [README, CHINESE], ids=["English", "Chinese"])
def test_every_folder_is_in_the_code_layout(text):
    plan = next(block for block in blocks_of(text, "") if "classification/" in block)
    folders = {path.parent.relative_to(ROOT / "classification") for path in ROOT.glob("classification/**/__init__.py")}
    listed = set(re.findall(r"(?:^  |     )([\w/]+)/ ", plan, re.MULTILINE))
    kernels_and_parts = {"models/kernels", "cli/checks", "report/page", "report/card", "data/rules"}
    assert {folder.as_posix() for folder in folders} - {"."} - kernels_and_parts == listed
    assert all(path.name in plan for path in ROOT.glob("*.py"))


def test_every_figure_has_its_command():
    """A row of the results table names the script or preset that made it."""
    table = README[README.index("| data | model |") :].split("\n\n")[0]
    rows = table.splitlines()[2:]
    assert len(rows) >= 3 and all(re.search(r"`(scripts|presets)/[\w.]+[^`]*`", row) for row in rows)
