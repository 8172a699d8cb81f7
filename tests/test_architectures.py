"""Many models, one recipe: each trains a few steps, is saved, is reloaded by the library alone, and gives the same."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import make_bert, make_rows, make_tokenizer, write_csv
from safetensors.torch import load_file
from test_results import read_predictions

from classification.errors import UsageError
from run_classification import main

LANGUAGES = [
    {"id": "zh", "text": "电影 很好", "label": "positive"},
    {"id": "ar", "text": "كتاب سيئ", "label": "negative"},
    {"id": "long", "text": "the film was good and " * 20, "label": "positive"},
]


@pytest.fixture
def train(command, files, tmp_path):
    """Train the model in a folder for six steps; returns the results and the rows of predictions.csv."""
    test = write_csv(tmp_path / "languages.csv", make_rows(9, 3) + LANGUAGES)

    def run(folder, name="out", **changes):
        flags = {"max_train_samples": 48, "max_seq_length": 24, "test_file": test, "output_dir": tmp_path / name}
        result = main(command(**flags | {"model_name_or_path": folder} | changes))
        return result, read_predictions(tmp_path / name)

    return run


def probabilities(folder, texts: list[str], **options) -> np.ndarray:
    """Of a saved model, by the library alone, all texts in one padded batch; [B, C]."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, **options)
    with torch.no_grad():
        batch = tokenizer(texts, padding=True, truncation=True, return_tensors="pt")
        return model(**batch).logits.softmax(-1).numpy()


def shown(rows: list[dict]) -> np.ndarray:
    return np.array([[float(row["prob_negative"]), float(row["prob_positive"])] for row in rows])


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_it_trains_saves_and_reloads_to_equal_logits(architecture, train, command, tmp_path):
    zoo.save_pretrained(architecture, tmp_path / "model")
    before = load_file(tmp_path / "model" / "model.safetensors")
    result, rows = train(tmp_path / "model")
    texts = [row["text"] for row in rows]
    assert np.isfinite(result["train_loss"]) and shown(rows).std() > 0.01
    assert np.allclose(probabilities(tmp_path / "out", texts), shown(rows), atol=5e-6)
    classify = transformers.pipeline("text-classification", str(tmp_path / "out"), truncation=True, top_k=None)
    for row, answers in zip(rows, classify(texts, batch_size=5), strict=True):
        for answer in answers:
            assert answer["score"] == pytest.approx(float(row[f"prob_{answer['label']}"]), abs=5e-6)
    _, again = train(
        tmp_path / "out", "again", train_file=None, validation_file=None, max_train_samples=None, do_predict=True
    )
    assert again == rows
    assert {tensor.dtype for tensor in load_file(tmp_path / "out" / "model.safetensors").values()} == {torch.float32}
    after = transformers.AutoModel.from_pretrained(tmp_path / "out").state_dict()
    kept = [name for name in before if ".pooler." not in f".{name}" and torch.equal(before[name].float(), after[name])]
    assert not [name for name in kept if before[name].dim() > 1]  # every matrix of the encoder has moved


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_the_saved_tokenizer_and_config_agree(architecture, train, tmp_path):
    """A pad token, padding on the right, segments where the model has them, the length that training cut at."""
    zoo.save_pretrained(architecture, tmp_path / "model")
    train(tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert tokenizer.pad_token_id is not None and config.pad_token_id == tokenizer.pad_token_id
    assert tokenizer.padding_side == "right" and tokenizer.model_max_length == 24
    batch = tokenizer(["good", "bad film"], ["the", "a"], padding=True)
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    assert set(batch) <= set(inspect.signature(model.forward).parameters)
    has_segments = getattr(config, "type_vocab_size", 0) > 1
    assert not has_segments or set(batch["token_type_ids"][0]) >= {0, 1}


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert", "gpt2", "llama", "qwen2"])
def test_padding_left_or_right_gives_the_same(architecture, train, tmp_path):
    """Whatever side a tokenizer came with: its positions would move, and with them the logits."""
    results = []
    for side in ("left", "right"):
        folder = tmp_path / f"from-{side}"
        zoo.save_pretrained(architecture, folder)
        path = folder / "tokenizer_config.json"
        path.write_text(json.dumps(json.loads(path.read_text()) | {"padding_side": side}))
        assert transformers.AutoTokenizer.from_pretrained(folder).padding_side == side
        results.append(train(folder, side)[1])
    assert results[0] == results[1]


@pytest.mark.parametrize("architecture", ["llama", "qwen2"])
def test_a_decoder_reads_its_last_token_on_either_side(architecture, train, tmp_path):
    """The saved model itself, with rotary positions: left padding gives the same logits to rounding."""
    zoo.save_pretrained(architecture, tmp_path / "model")
    _, rows = train(tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "out", padding_side="left")
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    batch = tokenizer([row["text"] for row in rows], padding=True, truncation=True, return_tensors="pt")
    assert batch["attention_mask"][0, 0] == 0
    with torch.no_grad():
        assert np.allclose(model(**batch).logits.softmax(-1), shown(rows), atol=5e-6)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_the_longest_text_fits_and_one_token_more_is_refused(architecture, train, tmp_path):
    """514 positions are 512 tokens in RoBERTa-like models."""
    zoo.save_pretrained(architecture, tmp_path / "model")
    train(tmp_path / "model", max_seq_length=64, max_train_samples=8)
    with pytest.raises(UsageError, match="--max_seq_length 65: this model reads at most 64"):
        train(tmp_path / "model", "longer", max_seq_length=65)


def test_a_dry_run_of_a_decoder(command, tmp_path):
    zoo.save_pretrained("qwen2", tmp_path / "model")
    result = main(command(model_name_or_path=tmp_path / "model", dry_run=True))
    assert result["dry_run_loss"] == pytest.approx(result["dry_run_loss_explicit"])


def test_a_tokenizer_without_any_end_is_refused(command, nothing_slow, tmp_path):
    make_bert().bert.save_pretrained(tmp_path / "model")
    tokenizer = make_tokenizer()
    tokenizer.pad_token = None
    tokenizer.save_pretrained(tmp_path / "model")
    with pytest.raises(UsageError, match="has no pad token, nor is there an end-of-text token.*--tokenizer_name"):
        main(command(model_name_or_path=tmp_path / "model"))


def test_a_tokenizer_of_another_model_is_refused(command, tmp_path):
    """Its ids are beyond the model's vocabulary: the library would fail in the first step, or on a GPU anywhere."""
    make_tokenizer(words=[f"w{i}" for i in range(90)]).save_pretrained(tmp_path / "other")
    rows = [row | {"text": f"w{i} {row['text']} w{i + 40}"} for i, row in enumerate(make_rows(48))]
    with pytest.raises(UsageError, match=r"--tokenizer_name.*token \d+.*64 tokens"):
        main(command(tokenizer_name=tmp_path / "other", train_file=write_csv(tmp_path / "w.csv", rows)))
    assert not list(Path(tmp_path / "out").glob("*"))


def test_a_pad_token_that_was_added_to_the_tokenizer_alone(command, tmp_path, capsys):
    """Common beside decoders: its id is beyond the embeddings, and padding would fail in the first uneven batch."""
    zoo.save_pretrained("gpt2", tmp_path / "model")
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path / "model")
    tokenizer.add_special_tokens({"pad_token": "[PAD]"})
    tokenizer.save_pretrained(tmp_path / "model")
    main(command(model_name_or_path=tmp_path / "model"))
    assert "padding      by <|endoftext|>: the model has no embedding for [PAD]" in capsys.readouterr().out
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").pad_token == "<|endoftext|>"


def test_positions_that_are_counted_from_another_pad_token_are_refused(command, nothing_slow, tmp_path):
    """RoBERTa's start behind the id of its pad token: a tokenizer that pads with 0 would shift them when reloaded."""
    zoo.save_pretrained("roberta", tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "other")
    with pytest.raises(UsageError, match="--tokenizer_name .*other: pads with token 0.* its own pad token, 1"):
        main(command(model_name_or_path=tmp_path / "model", tokenizer_name=tmp_path / "other"))


@pytest.mark.parametrize(("architecture", "says"), [("gpt2", True), ("llama", False), ("bert", False)])
def test_two_texts_that_nothing_tells_apart_are_said(architecture, says, command, tmp_path, capsys):
    zoo.save_pretrained(architecture, tmp_path / "model")
    rows = [{"first": row["text"], "second": "the film", "label": row["label"]} for row in make_rows(48)]
    files = {"train_file": write_csv(tmp_path / "pairs.csv", rows), "validation_file": None, "test_file": None}
    main(command(**files, model_name_or_path=tmp_path / "model", text_column_names="first,second", dry_run=True))
    assert ("--text_column_delimiter ' | '" in capsys.readouterr().out) == says


@pytest.mark.parametrize(
    ("columns", "length", "words"),
    [("text", 4, None), ("text,more", 4, ["--max_seq_length 4: 3 of", "two texts", "at least 5"])],
)
def test_a_length_without_room_for_the_texts_is_refused(columns, length, words, command, nothing_slow, tmp_path):
    rows = [row | {"more": "the film"} for row in make_rows(48)]
    files = {"train_file": write_csv(tmp_path / "pairs.csv", rows), "validation_file": None, "test_file": None}
    with pytest.raises(UsageError if words else AssertionError) as refused:
        main(command(**files, text_column_names=columns, max_seq_length=length))
    for word in words or ["tokenising began"]:
        assert word in str(refused.value)
