"""A training ends with a model card whose lines load the model, and which other commands leave alone."""

from __future__ import annotations

import contextlib
import io
import re
import shutil
from pathlib import Path

import pytest
from corpus import make_rows, number_rows, several_rows, stars, write_splits
from helpers import AGAIN
from huggingface_hub import ModelCard

from run_classification import main


def make_pairs(count: int, seed: int) -> list[dict]:
    return [row | {"text_a": "a film", "text_b": row.pop("text")} for row in make_rows(count, seed)]


OPTIONS = {
    "one label": (make_rows, {}),
    "several labels": (several_rows, {"label_delimiter": "|", "tune_thresholds": "global"}),
    "a number": (number_rows(stars), {}),
    "pairs": (make_pairs, {}),
    "an adapter": (make_rows, {"lora_r": 2, "lora_merge": False}),
    "windows": (make_rows, {"truncation_strategy": "window", "max_seq_length": 16}),
}  # fmt: skip


def run(command, folder: Path, name: str, **more) -> Path:
    make, flags = OPTIONS[name]
    data = write_splits(folder, "data", make, 32, 16, 16)
    main(command(**data, **flags, **more))
    return folder / "out"


def printed(code: str) -> str:
    with contextlib.redirect_stdout(io.StringIO()) as out:
        exec(compile(code, "README.md", "exec"), {})
    return out.getvalue()


@pytest.mark.parametrize("name", OPTIONS)
def test_the_lines_of_the_card_load_the_model(name, command, tmp_path, tiny_model, monkeypatch):
    out = run(command, tmp_path, name)
    text = (out / "README.md").read_text(encoding="utf-8")
    assert tiny_model not in text and str(tmp_path) not in text
    (code,) = re.findall(r"```python\n(.*?)\n```", text, re.DOTALL)
    monkeypatch.chdir(out)
    shown = printed(code.replace("BASE_MODEL", tiny_model))
    assert "score" in shown and len(shown.splitlines()) == (2 if "cuts = " in code else 1)
    results = ModelCard.load(out / "README.md").data.eval_results
    assert results and {result.dataset_split for result in results} == {"test"}


def test_a_prediction_leaves_the_card_of_the_training(command, tmp_path):
    out = run(command, tmp_path, "one label")
    before = (out / "README.md").read_bytes()
    again = AGAIN | {"model_name_or_path": str(out), "output_dir": str(tmp_path / "again")}
    main(command(**again))
    assert (out / "README.md").read_bytes() == before and not (tmp_path / "again" / "README.md").exists()


def test_what_the_user_wrote_stays_beside_a_new_model(command, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    (out / "README.md").write_text("mine")
    run(command, tmp_path, "one label")
    assert (out / "README.md").read_text() == "mine" and (out / "model.safetensors").exists()


def test_language_and_licence_are_those_of_the_base_models_card(command, tmp_path, tiny_model):
    base = tmp_path / "base"
    shutil.copytree(tiny_model, base)
    (base / "README.md").write_text("---\nlanguage: [en, no]\nlicense: apache-2.0\n---\n# Base")
    out = run(command, tmp_path, "one label", model_name_or_path=str(base))
    found = ModelCard.load(out / "README.md").data
    assert found.language == ["en", "no"] and found.license == "apache-2.0" and found.base_model is None


def test_the_log_warns_of_a_test_set_with_one_class(command, tmp_path, capsys):
    """The test rows of a file that is sorted by label, with texts of train; the card says it first."""
    data = write_splits(tmp_path, "data", make_rows, 32, 16, 16)
    data["test_file"] = str(tmp_path / "sorted.csv")
    rows = Path(data["train_file"]).read_text().splitlines()
    Path(data["test_file"]).write_text("\n".join([rows[0], *(row for row in rows if row.endswith("positive"))]) + "\n")
    main(command(**data, num_train_epochs=6))
    shown = capsys.readouterr().out
    assert "warning: All 16 scored rows of test have the label positive." in shown
    assert "All 16 scored rows of test have the label positive" in (tmp_path / "out" / "README.md").read_text()
