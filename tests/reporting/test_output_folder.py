"""Which folder a run may write to, and how another run in it is moved aside."""

from __future__ import annotations

import pytest

from classification.errors import UsageError
from classification.reporting.output_folder import OutputFolder, holds_a_run


def claim(folder, **changes) -> OutputFolder:
    return OutputFolder.claim(folder, folder, **{"overwrite": True, "resume": None, "inputs": []} | changes)


@pytest.mark.parametrize("name", ["predictions.csv", "model.safetensors", "run.json", "checkpoint-5", "seed-1"])
def test_every_kind_of_run_is_moved_aside(tmp_path, name):
    """A prediction alone, a model alone, an unfinished training, a study."""
    (tmp_path / "out" / name).mkdir(parents=True)
    assert holds_a_run(tmp_path / "out")
    for number in (1, 2):
        claim(tmp_path / "out").make_room()
        assert (tmp_path / f"out.bak-{number}" / name).exists() and not (tmp_path / "out").exists()
        (tmp_path / "out" / name).mkdir(parents=True)


def test_a_folder_of_other_files_is_no_run(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("x")
    assert not holds_a_run(tmp_path / "out")
    claim(tmp_path / "out", overwrite=False).make_room()
    assert (tmp_path / "out" / "notes.txt").exists()


def test_another_run_is_refused_without_the_flag(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(UsageError, match="holds another run.*--resume.*--overwrite_output_dir"):
        claim(tmp_path, overwrite=False)
