"""The bidirectional LSTM: padding has no part in it, its vocabulary is that of train, every later path is BERT's."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pytest
import torch
import transformers
from conftest import AGAIN, ROOT, make_rows, make_tokenizer, run_in_two_processes, write_csv
from safetensors.torch import load_file
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from arguments import parse_arguments
from classification.errors import UsageError
from classification.models.bilstm import (
    BiLstmConfig,
    BiLstmForSequenceClassification,
    BiLstmModel,
    max_and_mean,
    reading_orders,
)
from classification.models.bilstm_tokenizer import train_tokenizer
from classification.models.freezing import frozen_names
from classification.training.throughput import Flops, passes_of_training
from run_classification import main


def make_lstm(**changes) -> BiLstmForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "embedding_size": 12, "hidden_size": 16, "num_hidden_layers": 2, "num_labels": 3}
    return BiLstmForSequenceClassification(BiLstmConfig(**sizes | changes)).eval()


@pytest.fixture
def scratch(command):
    """A function that builds a quick command line for a model from scratch."""

    def build(**flags) -> list[str]:
        return command(**{"model_name_or_path": "bilstm", "max_seq_length": None} | flags)

    return build


@pytest.fixture
def bare(tmp_path) -> str:
    """A folder with a bare model without dropout and a tokenizer, as pretrained ones come."""
    folder = tmp_path / "bare"
    make_lstm(vocab_size=64, hidden_dropout_prob=0.0, classifier_dropout=0.0).bilstm.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)
    return str(folder)


def predicted(folder) -> list[dict]:
    with (folder / "predictions.csv").open(encoding="utf-8", newline="") as handle:
        return list(csv.DictReader(handle))


# ---------------------------------------------------------------------------------------------------------- the model


@pytest.mark.parametrize("left", [0, 2, 5])
def test_padding_on_either_side_changes_nothing(left):
    model, ids = make_lstm(), torch.randint(1, 50, (3, 7), generator=torch.Generator().manual_seed(1))
    padded = torch.zeros(3, 12, dtype=torch.long)
    padded[:, left : left + 7] = ids
    with torch.no_grad():
        alone = model(input_ids=ids).logits
        assert torch.allclose(model(input_ids=padded, attention_mask=padded.sign()).logits, alone, atol=1e-6)
    assert (alone[0] - alone[1]).abs().max() > 1e-3


def test_the_states_are_those_of_packed_sequences():
    """Of torch's own LSTM in both directions, with the same weights."""
    model = BiLstmModel(BiLstmConfig(vocab_size=50, embedding_size=12, hidden_size=16)).eval()
    reference = nn.LSTM(12, 8, bidirectional=True, batch_first=True)
    for name, weight in model.layers[0].onward.named_parameters():
        reference.get_parameter(name).data.copy_(weight)
        reference.get_parameter(f"{name}_reverse").data.copy_(model.layers[0].back.get_parameter(name))
    ids = torch.randint(1, 50, (3, 7))
    ids[1, 4:] = 0
    packed = pack_padded_sequence(model.embeddings(ids), [7, 4, 7], batch_first=True, enforce_sorted=False)
    expected, _ = pad_packed_sequence(reference(packed)[0], batch_first=True)
    states = model(ids, ids.sign()).last_hidden_state
    assert torch.allclose(states[ids > 0], expected[ids > 0], atol=1e-6)


def test_the_orders_of_reading_put_padding_last():
    onward, back = reading_orders(torch.tensor([[1, 1, 1, 0], [0, 0, 1, 1]]))
    assert onward[0].tolist() == [0, 1, 2, 3] and onward[1].tolist() == [2, 3, 0, 1]
    assert back[0].tolist() == [2, 1, 0, 3] and back[1].tolist()[:2] == [3, 2]


def test_maximum_and_mean_are_those_of_the_tokens():
    states = torch.tensor([[[1.0, -5.0], [3.0, -1.0], [100.0, 100.0]]])
    assert max_and_mean(states, torch.tensor([[1, 1, 0]])).tolist() == [[3, -1, 2, -3]]


def test_gradients_in_bf16_are_those_of_fp32():
    model, ids = make_lstm(), torch.randint(1, 50, (4, 9))
    gradients = []
    for half in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", torch.bfloat16, enabled=half):
            logits = model(input_ids=ids).logits
        nn.functional.cross_entropy(logits.float(), torch.tensor([0, 1, 2, 1])).backward()
        gradients.append({name: weight.grad.flatten().clone() for name, weight in model.named_parameters()})
    for name, exact in gradients[0].items():
        assert nn.functional.cosine_similarity(exact, gradients[1][name], dim=0) > 0.99, name


def test_the_loss_is_that_of_the_task():
    ids = torch.randint(1, 50, (2, 5))
    for problem, labels, of in (
        ("single_label_classification", torch.tensor([0, 2]), nn.functional.cross_entropy),
        ("multi_label_classification", torch.eye(3)[:2], nn.functional.binary_cross_entropy_with_logits),
    ):
        model = make_lstm(problem_type=problem)
        loss, logits = model(input_ids=ids, labels=labels, return_dict=False, num_items_in_batch=2)
        assert loss.item() == pytest.approx(of(logits, labels).item())
        assert torch.equal(logits, model(input_ids=ids, token_type_ids=ids.sign()).logits)


def test_an_odd_width_has_no_halves():
    with pytest.raises(ValueError, match="hidden_size 15: must be even"):
        BiLstmConfig(hidden_size=15)


def test_the_arithmetic_of_an_lstm_is_counted_in_full():
    """By hand: 2 for each weight of its layers, in each of three passes."""
    model = make_lstm()
    flops = Flops(model, 64)
    weights = sum(
        weight.numel() for name, weight in model.named_parameters() if ".layers." in name and weight.dim() == 2
    )
    assert flops.per_token == pytest.approx(2 * weights) and flops.per_square == pytest.approx(0, abs=1e-6)
    assert passes_of_training(model) == 3
    for name in frozen_names(model, "none", 1):
        model.get_parameter(name).requires_grad_(False)
    frozen = {name for name, weight in model.named_parameters() if not weight.requires_grad}
    assert all(name.startswith(("bilstm.embeddings.", "bilstm.layers.0.")) for name in frozen) and len(frozen) == 9
    assert 1 < passes_of_training(model) < 3


# ------------------------------------------------------------------------------------------------------ the vocabulary


def test_every_script_has_pieces():
    """Neither Chinese nor Thai puts spaces between words."""
    texts = ["这部电影很好看", "这个酒店不好", "ราคาถูกมาก ราคาแพง", "とても良い映画でした", "Not a GOOD film"]
    tokenizer = train_tokenizer(texts * 2)
    for text in texts:
        assert tokenizer.unk_token not in tokenizer.tokenize(text)
    assert tokenizer.tokenize("电影好") == ["电", "影", "好"]
    assert tokenizer.tokenize("good") == tokenizer.tokenize("GOOD") == ["good"]


def test_a_pair_is_told_apart():
    encoding = train_tokenizer(["good film"] * 2)("good", "film")
    tokens = train_tokenizer(["good film"] * 2).convert_ids_to_tokens(encoding["input_ids"])
    assert tokens == ["[CLS]", "good", "[SEP]", "film", "[SEP]"]
    assert encoding["token_type_ids"] == [0, 0, 0, 1, 1]


def test_two_processes_make_the_same_vocabulary():
    """The trainer counts in hash tables, whose order differs from process to process."""
    texts = [row["text"] + f" {'aeiou'[i % 5]}{'bcdfg'[i % 4]}{'xyz'[i % 3]}o" for i, row in enumerate(make_rows(60))]
    code = "import sys, json; from classification.models.bilstm_tokenizer import train_tokenizer; "
    code += "print(train_tokenizer(json.loads(sys.argv[1])).backend_tokenizer.to_str())"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(texts)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == train_tokenizer(texts).backend_tokenizer.to_str(), done.stderr


# ------------------------------------------------------------------------------------------------------------ the runs

ELSEWHERE = """
import sys, json, torch, transformers
folder, texts = sys.argv[1], json.loads(sys.argv[2])
model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
with torch.no_grad():
    logits = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits
classify = transformers.pipeline("text-classification", folder, top_k=None, truncation=True, trust_remote_code=True)
scores = [{one["label"]: one["score"] for one in answer} for answer in classify(texts, batch_size=8)]
print(json.dumps([logits.tolist(), scores]))
"""


def test_a_trained_one_predicts_the_same_here_and_where_this_recipe_is_not(scratch, files, tmp_path, capsys):
    for split in ("validation", "test"):
        rows = make_rows(24, seed=len(split))
        rows[0]["text"] += f" only{split}"
        write_csv(tmp_path / f"{split}.csv", rows)
    out = tmp_path / "out"
    main(scratch(num_train_epochs=3))
    said = capsys.readouterr().out
    assert "bilstm: random weights, 11 tensors; a vocabulary of" in said
    assert "tensors loaded" not in said and "attention   " not in said and "trust_remote_code=True" in said
    assert "none on 5 biases and norms" in said and "none on 4" not in said
    vocabulary = transformers.AutoTokenizer.from_pretrained(out).get_vocab()
    assert "lovely" in vocabulary and not any("only" in piece or "valid" in piece for piece in vocabulary)
    main(scratch(**AGAIN, model_name_or_path=out, output_dir=tmp_path / "again"))
    assert "attention   " not in capsys.readouterr().out
    rows = predicted(out)
    assert predicted(tmp_path / "again") == rows and len({row["prob_positive"] for row in rows}) > 10
    done = subprocess.run(
        [sys.executable, "-I", "-c", ELSEWHERE, str(out), json.dumps([row["text"] for row in rows])], cwd=tmp_path,
        capture_output=True, text=True, timeout=120, env=os.environ | {"HF_MODULES_CACHE": str(tmp_path / "modules")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    logits, scores = json.loads(done.stdout.splitlines()[-1])
    shown = [float(row["prob_positive"]) for row in rows]
    assert torch.tensor(logits).softmax(-1)[:, 1].tolist() == pytest.approx(shown, abs=2e-6)
    assert [score["positive"] for score in scores] == pytest.approx(shown, abs=2e-6)


def largest_difference(first, second) -> float:
    first, second = (load_file(folder / "model.safetensors") for folder in (first, second))
    assert first.keys() == second.keys()
    return max((first[name] - second[name]).abs().max().item() for name in first)


SGD = {"optim": "sgd", "learning_rate": 0.2}


@pytest.mark.parametrize("micro_batch", [2, 4])
def test_accumulated_micro_batches_equal_one_batch(micro_batch, bare, command, tmp_path):
    """27 rows: no batch size divides them."""
    train = write_csv(tmp_path / "uneven.csv", make_rows(27, seed=5))
    common = {"model_name_or_path": bare, "train_file": train, "test_file": None, "num_train_epochs": 2, **SGD}
    main(command(**common, output_dir=tmp_path / "whole"))
    cut = {"per_device_train_batch_size": micro_batch, "gradient_accumulation_steps": 8 // micro_batch}
    main(command(**common, **cut, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5


def test_weights_decay_and_biases_do_not(bare, command, capsys):
    main(command(model_name_or_path=bare, dry_run=True))
    said = capsys.readouterr().out
    model = make_lstm()
    matrices = sum(weight.dim() == 2 for weight in model.parameters())
    assert matrices == 10 and f"on {matrices} weight tensors" in said
    assert "none on 9 biases" in said and f"{matrices - 1 + 8} of {matrices + 9} tensors loaded" in said


def test_one_seed_gives_one_model(scratch, tmp_path):
    for name, seed in (("one", 1), ("again", 1), ("other", 2)):
        main(scratch(seed=seed, data_seed=1, output_dir=tmp_path / name, test_file=None))
    assert largest_difference(tmp_path / "one", tmp_path / "again") == 0
    assert largest_difference(tmp_path / "one", tmp_path / "other") > 1e-2


def test_a_row_with_several_labels_and_a_number_train(scratch, tmp_path):
    rows = [row | {"label": "|".join(["odd"] * (i % 2) + ["third"] * (i % 3 == 0)), "number": i % 2 * 100 + i / 10}
            for i, row in enumerate(make_rows(60))]  # fmt: skip
    path, longer = write_csv(tmp_path / "rows.csv", rows), {"num_train_epochs": 8, "learning_rate": 0.01}
    files = {"train_file": path, "validation_file": None, "test_file": path, **longer}
    several = main(scratch(**files, label_column_name="label", label_delimiter="|", output_dir=tmp_path / "several"))
    assert several["test_f1_micro"] > 0.6
    number = main(scratch(**files, label_column_name="number", output_dir=tmp_path / "number"))
    assert number["test_pearson"] > 0.9 and number["test_mae"] < 40
    values = [float(row["prediction"]) for row in predicted(tmp_path / "number")]
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "number")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "number")
    with torch.no_grad():
        batch = tokenizer([row["text"] for row in rows], padding=True, return_tensors="pt")
        assert np.allclose(model(**batch).logits[:, 0], values, atol=1e-2)


def test_pairs_are_read_and_both_texts_are_in_the_vocabulary(scratch, tmp_path):
    rows = [{"one": row["text"], "two": f"{('yes', 'no')[i % 2]} second", "label": i % 2}
            for i, row in enumerate(make_rows(60))]  # fmt: skip
    path = write_csv(tmp_path / "pairs.csv", rows)
    flags = {"text_column_names": "one,two", "train_file": path, "validation_file": None, "test_file": path}
    result = main(scratch(**flags, num_train_epochs=6, learning_rate=0.01))
    assert result["test_accuracy"] > 0.9
    assert {"yes", "no", "second"} <= set(transformers.AutoTokenizer.from_pretrained(tmp_path / "out").get_vocab())


def test_a_saved_one_reads_texts_of_any_length_and_trains_on(scratch, tmp_path, capsys):
    main(scratch(max_seq_length=16))
    start = {"model_name_or_path": tmp_path / "out", "output_dir": tmp_path / "more"}
    main(scratch(**start, max_seq_length=600))
    assert "11 of 11 tensors loaded" in capsys.readouterr().out
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "more").model_max_length == 600


@pytest.mark.slow
def test_two_processes_start_from_one_vocabulary(scratch, tmp_path):
    flags = {"use_cpu": True, "test_file": None, "num_train_epochs": 3}
    main(scratch(**flags, output_dir=tmp_path / "one"))
    run_in_two_processes(scratch(**flags, per_device_train_batch_size=4, output_dir=tmp_path / "two"))
    one, two = (transformers.AutoTokenizer.from_pretrained(tmp_path / name).get_vocab() for name in ("one", "two"))
    assert one == two
    figures = json.loads((tmp_path / "two" / "all_results.json").read_text())
    assert figures["eval_loss"] < 0.69


def test_defaults_suit_random_weights_and_flags_win(scratch, tmp_path):
    flags = {"learning_rate": None, "num_train_epochs": None}
    settings = parse_arguments(scratch(**flags))
    assert settings.trainer["learning_rate"] == 2e-3 and settings.trainer["num_train_epochs"] == 3
    assert not settings.needs_hub and any("--learning_rate 0.002" in note for note in settings.notes)
    assert parse_arguments(scratch()).trainer["learning_rate"] == 0.005
    preset = tmp_path / "preset.yaml"
    preset.write_text("learning_rate: 1.0e-5\nweight_decay: 0.5\n", encoding="utf-8")
    settings = parse_arguments([str(preset), *scratch(**flags)])
    assert settings.trainer["learning_rate"] == 2e-3 and settings.trainer["weight_decay"] == 0.5


def test_a_folder_of_that_name_is_loaded(scratch, tmp_path, monkeypatch):
    (tmp_path / "bilstm").mkdir()
    monkeypatch.chdir(tmp_path)
    assert not parse_arguments(scratch()).from_scratch


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"do_predict": True, "train_file": None}, "starts from random weights, and this run does not train.*folder"),
        ({"pooling": "mean"}, "--pooling mean: this model starts from random weights.*Leave --pooling out"),
        ({"lora_r": 4}, "--lora_r 4: this model starts from random"),
        ({"freeze": "encoder"}, "--freeze encoder: this model starts from random"),
        ({"freeze_layers": 1}, "--freeze_layers 1: this model starts from random"),
        ({"tokenizer_name": "other"}, "--tokenizer_name other: this model starts from random"),
        ({"config_name": "other"}, "--config_name other: this model starts from random"),
        ({"attention_dropout": 0.1}, "--attention_dropout 0.1: this model has no such dropout"),
    ],
)
def test_what_needs_pretrained_weights_is_refused(flags, message, scratch, nothing_slow):
    with pytest.raises(UsageError, match=message):
        main(scratch(**flags))


def test_a_saved_one_has_its_own_pooling(bare, command, nothing_slow):
    with pytest.raises(UsageError, match="--pooling mean: this model pools the maximum and the mean already"):
        main(command(model_name_or_path=bare, pooling="mean"))
