"""The shape of the project: imports only go down, files stay readable, the README tells the truth about both."""

from __future__ import annotations

import ast
import sys

import pytest
from conftest import ROOT

FLOORS = {
    "arguments": 0, "classification": 0, "classification.adapters": 0, "classification.decisions": 0,
    "classification.dropout": 0, "classification.errors": 0,
    "classification.flag_checks": 0, "classification.flags": 0, "classification.labels": 0,
    "classification.norms": 0, "classification.settings": 0, "classification.splits": 0, "classification.truncation": 0,
    "classification.attention": 1, "classification.batching": 1, "classification.checks": 1,
    "classification.columns": 1,
    "classification.device": 1, "classification.encoding": 1, "classification.label_columns": 1,
    "classification.losses": 1,
    "classification.metrics": 1, "classification.models": 1, "classification.optim": 1,
    "classification.pooling": 1,
    "classification.schedule": 1, "classification.sources": 1, "classification.thresholds": 1,
    "classification.tokenizer": 1, "classification.trainable": 1, "classification.units": 1,
    "classification.vocabulary": 1, "classification.windows": 1,
    "classification.checkpoints": 2, "classification.throughput": 2, "data_utils": 2,
    "classification.callbacks": 3, "classification.rows": 3, "classification.trainer": 3,
    "classification.console": 4, "classification.dry_run": 4, "classification.plots": 4, "classification.results": 4,
    "classification.studies": 4,
    "run_classification": 5,
}  # fmt: skip
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
    if module_name(path) != "run_classification":
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
