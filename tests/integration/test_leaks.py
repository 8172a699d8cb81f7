"""What leaves a run: a push sends the model alone, secrets are written nowhere, no pickle is left."""

from __future__ import annotations

import logging
import shutil

import huggingface_hub
import pytest
import transformers
from corpus import make_rows, write_csv
from helpers import RUN_FILES, TRAINED_FILES, account, read_predictions

from classification.errors import UsageError
from run_classification import main

PUSH = {"push_to_hub": True, "hub_model_id": "me/model", "token": "hf_sentinel_token"}
FOREIGN = {
    "customers.txt": "private", "README.md": "# private notes", ".env": "TOKEN=private", "vocab.txt": "private",
    "old_args.bin": "private", "old.pkl": "private", "model.pt": "private", "more.safetensors": "private",
}  # fmt: skip


def plant(folder, files=FOREIGN):
    folder.mkdir(exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)


# --------------------------------------------------------------------------------------------------------------- push


def test_a_run_pushes_its_model_once_after_the_last_result_and_nothing_else(command, hub, tmp_path, capsys):
    plant(tmp_path / "out")
    held_at_push = []
    hub.before_commit = lambda: held_at_push.append(account(tmp_path / "out")["results"])
    results = main(command(**PUSH))
    assert hub.commits == [("me/model", "main", TRAINED_FILES - {"README.md"})] and hub.created[0]["private"]
    assert [held["test_loss"] for held in held_at_push] == [results["test_loss"]]
    assert hub.created[0]["token"] == "hf_sentinel_token"
    for name, text in FOREIGN.items():
        assert (tmp_path / "out" / name).read_text() == text
    shown = capsys.readouterr().out
    assert shown.rindex("to me/model (private)") > shown.index("[Test]") and "model.safetensors" in shown


def test_the_working_directory_as_output_folder_is_not_pushed(command, hub, tmp_path, monkeypatch):
    plant(tmp_path / "work", FOREIGN | {"special.py": "private"})
    monkeypatch.chdir(tmp_path / "work")
    main(command(**PUSH, output_dir="."))
    assert hub.commits == [("me/model", "main", TRAINED_FILES - {"README.md"})]
    assert not [name for name, content in hub.files().items() if b"private" in content]


def test_what_was_pushed_is_a_whole_model(command, hub, tmp_path):
    """A head of our own needs its Python file on the Hub too."""
    main(command(**PUSH, pooling="mean"))
    assert hub.commits[0][2] == TRAINED_FILES | {"pooled_head.py"}
    (tmp_path / "remote").mkdir()
    for name, content in hub.files().items():
        (tmp_path / "remote" / name).write_bytes(content)
    classify = transformers.pipeline(
        "text-classification", model=str(tmp_path / "remote"), truncation=True, trust_remote_code=True
    )
    rows = read_predictions(tmp_path / "out")
    assert [answer["label"] for answer in classify([row["text"] for row in rows])] == [r["prediction"] for r in rows]


def test_a_study_pushes_its_best_model_once(command, hub, tmp_path):
    results = main(command(**PUSH, seeds="1,2"))
    assert hub.commits == [("me/model", "main", TRAINED_FILES)] and len(hub.created) == 1
    assert hub.files()["model.safetensors"] == (tmp_path / "out" / "model.safetensors").read_bytes()
    assert account(tmp_path / "out")["results"]["best"] == results["best"]


def test_a_dry_run_sends_nothing(command, hub, tmp_path):
    main(command(**PUSH, dry_run=True))
    assert not hub.requests and not (tmp_path / "out").exists()


def test_a_failed_push_costs_nothing_and_its_repetition_sends_the_same(command, hub, tmp_path):
    hub.fail("POST", "commit", 500, times=1)
    with pytest.raises(UsageError, match="not pushed to me/model: .*500.* To push it later: hf "):
        main(command(**PUSH))
    written = TRAINED_FILES | {*RUN_FILES, "checkpoint-8"} - {"curves.svg"}
    assert {path.name for path in (tmp_path / "out").iterdir()} == written
    assert "test_loss" in account(tmp_path / "out")["results"]
    main(command(**PUSH, resume="auto"))
    assert hub.commits == [("me/model", "main", TRAINED_FILES)]


# ------------------------------------------------------------------------------------------------------------ secrets

SENTINEL = "SENTINEL-7c1f"


def everything_in(folder) -> str:
    """The names and contents of all files of a folder, as text."""
    return "\n".join(f"{path}\n{path.read_bytes().decode('latin-1')}" for path in folder.rglob("*") if path.is_file())


def test_secrets_are_in_no_file_and_no_log(command, hub, tmp_path, capfd, caplog, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", f"{SENTINEL}-environment")
    monkeypatch.setattr(huggingface_hub.constants, "HF_TOKEN_PATH", str(tmp_path / "none"))
    preset = tmp_path / "preset.yaml"
    preset.write_text(f"hub_token: {SENTINEL}-preset\nlearning_rate: 0.005\n")
    flags = command(
        **PUSH | {"token": None, "learning_rate": None}, max_seq_length=9, cache_dir=tmp_path / "cache",
        lr_scheduler_kwargs='{"num_cycles": 1}', lr_scheduler_type="cosine_with_restarts",
        run_name=f"https://me:{SENTINEL}-address@host/x?token={SENTINEL}-query", report_to="none",
    )  # fmt: skip
    with caplog.at_level(logging.DEBUG):
        main([str(preset), *flags, "--token", f"{SENTINEL}-flag"])
    assert hub.commits and hub.created[0]["token"] == f"{SENTINEL}-preset"
    written, shown = everything_in(tmp_path / "out") + everything_in(tmp_path / "cache"), capfd.readouterr()
    assert len(written) > 10_000 and "predictions.csv" in written and "optimizer.pt" in written
    for text in (written, shown.out, shown.err, caplog.text, *map(str, hub.files().values())):
        assert SENTINEL not in text
    command_line = account(tmp_path / "out")["command"]
    assert command_line[-2:] == ["--token", "<redacted>"]
    assert "--run_name=https://<redacted>@host/x?token=<redacted>" in command_line


@pytest.mark.parametrize(
    "flags",
    [
        {"token": f"hf_{'a1B2' * 8}{SENTINEL}", "seed": f"hf_{'a1B2' * 8}"},
        {"train_file": f"https://me:{SENTINEL}@host/x.csv"},
        {"model_name_or_path": f"https://me:{SENTINEL}@host/model"},
        {"dataset_name": f"s3://{SENTINEL}:{SENTINEL}/x@bucket/set", "train_file": None, "validation_file": None,
         "test_file": None},
        {"resume": f"https://{SENTINEL}@host/checkpoint"},
        {"hub_model_id": f"https://me:{SENTINEL}@host/x", "push_to_hub": True},
        {"lr_scheduler_kwargs": f'{{"token": "{SENTINEL}", '},
        {"deepspeed": f"https://me:{SENTINEL}@host/ds.json"},
    ],
)  # fmt: skip
def test_an_error_shows_no_secret(command, flags):
    with pytest.raises(UsageError) as refused:
        main(command(**flags))
    assert SENTINEL not in str(refused.value) and "a1B2a1B2" not in str(refused.value)


# ------------------------------------------------------------------------------------------------------------ pickles


def pickles(folder) -> set[str]:
    """Files that may be pickles, outside checkpoints."""
    return {
        str(path.relative_to(folder))
        for path in folder.rglob("*")
        if path.suffix in (".bin", ".pt", ".pth", ".pkl", ".pickle", ".joblib", ".npy", ".ckpt")
        and "checkpoint-" not in str(path)
    }


@pytest.mark.parametrize(
    "flags",
    [{}, {"seeds": "1,2"}, {"folds": 2, "validation_file": None}, {"lora_r": 2, "lora_merge": False},
     {"baselines": "bilstm,random_forest", "suspect_labels": True}],
)  # fmt: skip
def test_no_pickle_is_left(finished, flags):
    folder = finished(**flags).folder
    assert not pickles(folder)
    assert not list(folder.rglob("training_args.bin"))
    assert {path.parent for path in folder.rglob("README.md")} <= {folder}  # no card of peft


# ----------------------------------------------------------------------------------------------------------- formulas


def test_formulas_are_marked_as_text_where_asked_for(command, tmp_path):
    rows = [row | {"id": f"={i}", "label": f"-{row['label']}"} for i, row in enumerate(make_rows(24, seed=3))]
    file = write_csv(tmp_path / "formulas.csv", rows)
    train = write_csv(tmp_path / "train.csv", [row | {"label": f"-{row['label']}"} for row in make_rows(64, seed=1)])
    flags = {"train_file": train, "validation_file": file, "test_file": file}
    main(command(**flags, suspect_labels=True))
    main(command(**flags, suspect_labels=True, csv_safe=True, output_dir=tmp_path / "safe"))
    plain, safe = (read_predictions(tmp_path / name) for name in ("out", "safe"))
    assert [row["id"] for row in plain] == [f"={i}" for i in range(24)]
    for before, after in zip(plain, safe, strict=True):
        assert after["id"] == f"'{before['id']}" and after["label"] == f"'{before['label']}"
        assert after["prediction"] == f"'{before['prediction']}" and after["text"] == before["text"]
        assert [after[name] for name in list(after)[4:]] == [before[name] for name in list(before)[4:]]
    for row in read_predictions(tmp_path / "safe", "suspect_labels.csv"):
        assert row["label"].startswith("'-") and row["likely_label"].startswith("'-")
        assert row["split"] == "train" or row["id"].startswith("'=")
    shutil.rmtree(tmp_path / "safe")
