"""scripts/adapt_pretrain.py: whole trainings on texts, stopped and resumed, by one process and by two."""

from __future__ import annotations

import json

import adapt_pretrain
import pytest
import torch
import zoo
from corpus import make_rows, write_csv
from helpers import SGD, file_times, largest_difference, make_bert, make_tokenizer, run_in_two_processes, weights
from transformers import AutoModel, AutoModelForMaskedLM

from classification.errors import Stopped, UsageError
from run_classification import main


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, str]:
    """64 labelled texts, 152 unlabelled ones of which 3 are in test and 2 in train, and 24 of test."""
    folder = tmp_path_factory.mktemp("texts")
    unlabelled = [{"text": row["text"].upper()} for row in [*make_rows(147, 7), *make_rows(3, 2), *make_rows(2, 1)]]
    train, more = write_csv(folder / "train.csv", make_rows(64, 1)), write_csv(folder / "more.csv", unlabelled)
    return {"train_file": f"{train},{more}", "test_file": write_csv(folder / "test.csv", make_rows(24, 2))}


@pytest.fixture(scope="module")
def encoder(tmp_path_factory) -> str:
    """A BERT with dropout, a pooler and the description of a pooling."""
    folder = tmp_path_factory.mktemp("encoder")
    make_bert(hidden_dropout_prob=0.1).bert.save_pretrained(folder)
    make_tokenizer(mask_token="[MASK]").save_pretrained(folder)
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}')
    (folder / "modules.json").write_text(json.dumps([{"path": ""}, {"path": "1_Pooling"}]))
    return str(folder)


@pytest.fixture(scope="module")
def words(files, encoder):
    """A function that builds a command line; keywords add or replace flags."""
    standard = {
        "model_name_or_path": encoder, **files, "max_seq_length": 32, "num_train_epochs": 2, "precision": "fp32",
        "per_device_train_batch_size": 4, "learning_rate": 1e-3, "disable_tqdm": True,
    }  # fmt: skip
    return lambda folder, **flags: [f"--{k}={v}" for k, v in (standard | {"output_dir": folder} | flags).items()]


@pytest.fixture(scope="module")
def trained(words, tmp_path_factory):
    """Folder and results of one whole run; nobody writes into it."""
    folder = tmp_path_factory.mktemp("adapted") / "out"
    return folder, adapt_pretrain.main(words(folder))


def test_an_encoder_learns_to_predict_tokens_and_says_what_it_left_out(trained):
    folder, results = trained
    assert results["val_loss"] < results["val_loss_before"]
    record = json.loads((folder / "pretraining.json").read_text())
    assert record["texts"] == {"train": 169, "validation": 42, "left_out_of_test": 3, "left_out_repeats": 2,
                               "test_given": True} and record["results"]["val_loss"] == results["val_loss"]  # fmt: skip
    assert record["command"][0] == "scripts/adapt_pretrain.py"
    card = (folder / "README.md").read_text()
    assert "3 texts of test" in card and f"{results['val_loss']:.4f}" in card
    assert (folder / "1_Pooling" / "config.json").exists() and not list(folder.glob("**/training_args.bin"))


def test_the_folder_has_the_pooler_of_before_and_loads_with_and_without_the_head(trained, encoder):
    folder, _ = trained
    before, after = weights(encoder), weights(folder)
    assert torch.equal(before["pooler.dense.weight"], after["bert.pooler.dense.weight"])
    assert not torch.equal(before["encoder.layer.0.attention.self.query.weight"],
                           after["bert.encoder.layer.0.attention.self.query.weight"])  # fmt: skip
    for kind in (AutoModel, AutoModelForMaskedLM):
        _, report = kind.from_pretrained(folder, output_loading_info=True)
        assert not report["missing_keys"]


def test_a_classifier_begins_with_the_trained_encoder(trained, files, tmp_path, capsys):
    train, out = files["train_file"].split(",")[0], tmp_path / "out"
    main([f"--model_name_or_path={trained[0]}", f"--train_file={train}", f"--output_dir={out}", "--max_seq_length=32",
          "--precision=fp32", "--freeze=encoder", "--learning_rate=1e-3", "--max_steps=2"])  # fmt: skip
    assert "new: classifier.bias, classifier.weight" in capsys.readouterr().out
    encoder = {name: values for name, values in weights(trained[0]).items() if ".encoder." in name}
    after = weights(out)
    assert encoder and all(torch.equal(values, after[name]) for name, values in encoder.items())


def test_a_stopped_training_resumes_to_the_same_weights_and_a_finished_one_stays_as_it_is(
    words, trained, tmp_path, capsys
):
    out = tmp_path / "out"
    with pytest.raises(Stopped):
        adapt_pretrain.main(words(out, inject_fault="stop@step=17"))
    with pytest.raises(UsageError, match="--mlm_probability: the checkpoint was trained with 0.15"):
        adapt_pretrain.main(words(out, resume="auto", mlm_probability=0.2))
    assert adapt_pretrain.main(words(out, resume="auto")) == trained[1]
    assert largest_difference(out, trained[0]) == 0
    capsys.readouterr()
    before = file_times(out)
    assert adapt_pretrain.main(words(out, resume="auto")) == trained[1]
    assert file_times(out) == before and "this training is finished: nothing to do" in capsys.readouterr().out
    (out / "pretraining.json").write_text("{")  # damaged: a kill cannot leave this, but it is written again
    assert adapt_pretrain.main(words(out, resume="auto")) == trained[1]
    assert json.loads((out / "pretraining.json").read_text())["results"]["val_loss"] == trained[1]["val_loss"]


@pytest.mark.slow
def test_two_processes_train_the_weights_of_one(words, tmp_path):
    model = tmp_path / "model"
    zoo.save_pretrained("bert", model, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    flags = {"model_name_or_path": model, **SGD, "per_device_train_batch_size": 6, "mlm_probability": 0.3}
    one = adapt_pretrain.main(words(tmp_path / "one", **flags))
    halved = flags | {"per_device_train_batch_size": 3}
    run_in_two_processes(
        words(tmp_path / "two", **halved),
        words(tmp_path / "resumed", **halved, inject_fault="stop@step=5"),
        words(tmp_path / "resumed", **halved, resume="auto"),
        script="two_process_pretraining.py",
    )
    assert largest_difference(tmp_path / "one", tmp_path / "two") < 1e-5
    assert largest_difference(tmp_path / "two", tmp_path / "resumed") == 0
    for rank in (0, 1):
        two = json.loads((tmp_path / f"two.result-{rank}.json").read_text())
        assert two["val_loss"] == pytest.approx(one["val_loss"], abs=1e-5)
        assert two["val_loss_before"] == pytest.approx(one["val_loss_before"], abs=1e-6)


def test_a_dry_run_writes_nothing_and_a_folder_with_another_run_is_refused(words, trained, tmp_path):
    assert adapt_pretrain.main(words(tmp_path / "out", dry_run=True))["dry_run_loss"] > 0
    assert not (tmp_path / "out").exists()
    with pytest.raises(UsageError, match="holds another run"):
        adapt_pretrain.main(words(trained[0]))
