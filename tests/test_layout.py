"""The shape of the project: imports only go down, files stay readable, the README tells the truth about both."""

from __future__ import annotations

import ast
import sys

import pytest
from conftest import ROOT

PARTS = {  # of classification/, by floor
    0: "adapters decisions dropout errors files findings flag_checks flags labels norms settings splits truncation "
       "words",
    1: "attention batching checks classical columns data_checks device duplicates encoding label_columns leaks "
       "losses lstm metrics models optim pooling schedule scratch significance sources suspects thresholds "
       "tokenizer trainable units vocabulary windows word_counts",
    2: "checkpoints throughput",
    3: "callbacks rows trainer",
    4: "baseline_runs comparison console data_report dry_run plots results studies",
    6: "baselines",  # it is run, and runs run_classification
}  # fmt: skip
FLOORS = {"arguments": 0, "classification": 0, "data_utils": 2, "run_classification": 5}
FLOORS |= {f"classification.{name}": floor for floor, names in PARTS.items() for name in names.split()}
SOURCES = [*sorted(ROOT.glob("*.py")), *sorted((ROOT / "classification").glob("*.py"))]


def module_name(path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


def imported_modules(path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return names & set(FLOORS)


def test_every_file_has_a_floor():
    assert {module_name(path) for path in SOURCES} == set(FLOORS)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_imports_only_go_down(path):
    """Neighbours on one floor may know each other; argument objects stay at the top."""
    floor = FLOORS[module_name(path)]
    too_high = {name for name in imported_modules(path) if FLOORS[name] > floor}
    assert not too_high
    if floor < FLOORS["run_classification"]:
        assert "arguments" not in imported_modules(path)


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_files_are_read_at_one_sitting(path):
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 350
    assert lines[0].startswith('"""')


def test_no_file_shadows_a_library():
    assert not {path.stem for path in SOURCES} & (set(sys.stdlib_module_names) | {"evaluate", "datasets", "tokenizers"})


def test_main_reads_like_a_table_of_contents():
    tree = ast.parse((ROOT / "run_classification.py").read_text(encoding="utf-8"))
    main = next(node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == "main")
    assert main.end_lineno - main.lineno < 40


@pytest.mark.parametrize("path", SOURCES, ids=module_name)
def test_functions_fit_on_a_screen(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef):
            assert node.end_lineno - node.lineno < 70, node.name
