"""What is saved, and by which process."""

from __future__ import annotations

from transformers import TrainingArguments


def test_only_the_main_process_writes_the_model(make_trainer, monkeypatch, tmp_path):
    """The library calls `_save` in every process. Two that write one config.json leave a broken file."""
    trainer = make_trainer()
    monkeypatch.setattr(TrainingArguments, "should_save", False)
    trainer.save_model(str(tmp_path / "other"))
    assert not (tmp_path / "other").exists()
    monkeypatch.setattr(TrainingArguments, "should_save", True)
    trainer.save_model(str(tmp_path / "main"))
    assert (tmp_path / "main" / "config.json").is_file()
