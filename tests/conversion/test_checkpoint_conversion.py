"""A release becomes a folder with the same numbers, or one line that says why not; nothing is left behind."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import made_releases
import numpy as np
import pytest
import torch
from helpers import weights
from made_releases import CASED, CONFIG, make_folder, make_zip, release_files, variables_of
from numpy_bert import NumpyBert
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoModelForPreTraining,
    AutoModelForSequenceClassification,
    AutoTokenizer,
)

from classification.conversion import checkpoint_conversion
from classification.errors import RunError, UsageError
from classification.models.choice import ModelChoice
from classification.models.loading import load_config, load_model

IDS = np.array([[3, 7, 8, 9, 4, 12, 4], [3, 20, 4, 11, 4, 0, 0]])
SEGMENTS = np.array([[0, 0, 0, 0, 0, 1, 1], [0, 0, 0, 1, 1, 0, 0]])
MASK = np.array([[1] * 7, [1] * 5 + [0] * 2])


def as_inputs():
    arrays = {"input_ids": IDS, "token_type_ids": SEGMENTS, "attention_mask": MASK}
    return {name: torch.from_numpy(array) for name, array in arrays.items()}


def load(auto, folder):
    model, report = auto.from_pretrained(folder, output_loading_info=True)
    assert not report["missing_keys"] and not report["mismatched_keys"], report
    return model.eval(), report


def largest(difference, mask=MASK):
    return float(np.abs(difference)[mask > 0].max())


def assert_same(folder, variables, heads=CONFIG["num_attention_heads"]):
    """Every hidden state and the pooled state are those of the plain forward pass."""
    plain = NumpyBert(variables, heads)
    model, _ = load(AutoModel, folder)
    with torch.no_grad():
        answer = model(**as_inputs(), output_hidden_states=True)
    for ours, theirs in zip(answer.hidden_states, plain.states(IDS, SEGMENTS, MASK), strict=True):
        assert largest(ours.numpy() - theirs) <= 1e-5
    assert np.abs(answer.pooler_output.numpy() - plain.pooled(IDS, SEGMENTS, MASK)).max() <= 1e-5


# -------------------------------------------------------------------------------------------------- the same numbers


@pytest.mark.parametrize("inside", ["", "uncased_L-2_H-12_A-3", "a/b"])
def test_a_zip_file_gives_the_states_of_a_plain_forward_pass(converted, tmp_path, inside):
    variables = variables_of()
    source = make_zip(tmp_path / "uncased_L-2_H-12_A-3.zip", release_files(variables), inside=inside)
    folder = converted(source)
    assert_same(folder, variables)
    assert {path.name for path in folder.iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "conversion.json"
    }  # fmt: skip
    assert len({path.stat().st_mode for path in folder.iterdir()}) == 1  # others can read the weights too


@pytest.mark.parametrize("inside", ["", "inner"])
def test_so_does_a_folder(converted, tmp_path, inside):
    variables = variables_of(seed=3)
    make_folder(tmp_path / "release" / inside, release_files(variables))
    assert_same(converted(tmp_path / "release"), variables)


def test_both_heads_of_the_pretraining_are_kept(converted, tmp_path):
    variables = variables_of()
    folder = converted(make_folder(tmp_path / "release", release_files(variables)))
    model, _ = load(AutoModelForPreTraining, folder)
    plain = NumpyBert(variables, CONFIG["num_attention_heads"])
    with torch.no_grad():
        answer = model(**as_inputs())
    assert largest(answer.prediction_logits.numpy() - plain.token_logits(IDS, SEGMENTS, MASK)) <= 1e-5
    assert np.abs(answer.seq_relationship_logits.numpy() - plain.next_logits(IDS, SEGMENTS, MASK)).max() <= 1e-5
    load(AutoModelForMaskedLM, folder)


def test_a_new_classifier_takes_the_encoder_and_the_pooler(converted, tmp_path):
    folder = converted(make_folder(tmp_path / "release"))
    _, report = AutoModelForSequenceClassification.from_pretrained(folder, output_loading_info=True)
    assert set(report["missing_keys"]) == {"classifier.weight", "classifier.bias"}
    from classification.data.tasks import infer_task

    choice = ModelChoice(str(folder))
    _, lines = load_model(choice, load_config(choice), infer_task(["negative", "positive"]))
    assert lines[0].text.endswith("39 of 41 tensors loaded; new: classifier.bias, classifier.weight")


def test_a_fine_tuned_checkpoint_becomes_a_classifier_and_its_optimizer_is_left_out(converted, tmp_path):
    variables = variables_of(head=False, classes=3, slots=True)
    files = release_files(variables, checkpoint="model.ckpt-1234")
    folder = converted(make_folder(tmp_path / "release", files))
    model, report = load(AutoModelForSequenceClassification, folder)
    plain = NumpyBert(variables, CONFIG["num_attention_heads"])
    with torch.no_grad():
        logits = model(**as_inputs()).logits.numpy()
    assert np.abs(logits - plain.class_logits(IDS, SEGMENTS, MASK)).max() <= 1e-5
    assert not report["unexpected_keys"] and model.config.id2label == {i: f"LABEL_{i}" for i in range(3)}
    record = json.loads((folder / "conversion.json").read_text())
    assert record["left_out"].keys() == {"of the optimizer"} and "global_step" in record["left_out"]["of the optimizer"]
    names = [*record["used"], *record["left_out"]["of the optimizer"]]
    assert len(names) == len(set(names)) and set(names) == variables.keys()


@pytest.mark.parametrize(("made", "kind"), [({"pooler": False}, "BertForPreTraining"), ({"head": False}, "BertModel")])
def test_a_part_that_is_not_there_is_not_made_up(converted, tmp_path, made, kind):
    folder = converted(make_folder(tmp_path / "release", release_files(variables_of(**made))))
    assert json.loads((folder / "config.json").read_text())["architectures"] == [kind]
    _, report = AutoModel.from_pretrained(folder, output_loading_info=True)
    assert bool(report["missing_keys"]) == ("pooler" in made)


def test_a_flag_against_the_vocabulary_is_a_warning(converted, tmp_path, caplog):
    caplog.set_level("INFO")
    converted(make_zip(tmp_path / "cased.zip", release_files(words=CASED)), lower_case=True)
    assert "texts are lower-cased, without accents (--lower_case)\n" in caplog.text
    assert "WARNING" in caplog.text and "--lower_case lower-cases, but 41% of its word pieces have cap" in caplog.text


def test_half_precision_becomes_fp32(converted, tmp_path):
    variables = {name: value.astype(np.float16) for name, value in variables_of().items()}
    assert_same(converted(make_folder(tmp_path / "release", release_files(variables))), variables)


def test_the_tokenizer_cuts_texts_as_the_name_of_the_release_says(converted, tmp_path):
    source = make_zip(tmp_path / "multi_cased_L-2_H-12_A-3.zip", release_files(words=CASED))
    tokenizer = AutoTokenizer.from_pretrained(converted(source, tmp_path / "cased"))
    assert tokenizer.tokenize("The café films, 好影") == ["The", "café", "film", "##s", "[UNK]", "好", "影"]
    source = make_zip(tmp_path / "multi_uncased.zip")
    tokenizer = AutoTokenizer.from_pretrained(converted(source, tmp_path / "uncased"))
    assert tokenizer.tokenize("The Café FILMS") == ["the", "cafe", "film", "##s"]
    assert tokenizer.model_max_length == 24 and tokenizer.pad_token_id == 0 and tokenizer.mask_token_id == 5
    assert tokenizer("the", "good")["token_type_ids"] == [0, 0, 0, 1, 1]


def test_the_tool_says_what_it_decided_and_what_comes_next(converted, tmp_path, caplog):
    caplog.set_level("INFO")
    converted(make_zip(tmp_path / "chinese_L-2.zip", release_files(variables_of(slots=True))))
    text = caplog.text
    assert "texts are lower-cased, without accents (its name has 'chinese'). --lower_case false changes that" in text
    assert "46 of 139 used: encoder, pooler, head for masked tokens, head for the next sentence; left out: " in text
    assert f"python run_classification.py --model_name_or_path {tmp_path / 'out'}" in text


# ----------------------------------------------------------------------------------------------- nothing is left behind


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refused(converted, source, *words, out=None, kind=UsageError, **choice):
    out = out or source.parent / "new" / "out"
    before = files_below(source.parent)
    with pytest.raises(kind) as error:
        converted(source, out, **choice)
    text = str(error.value)
    assert "\n" not in text and not [word for word in words if word not in text], text
    assert files_below(source.parent) == before


def test_an_empty_folder_is_filled_and_no_other_folder_is_touched(converted, tmp_path):
    source, out = make_folder(tmp_path / "release"), tmp_path / "out"
    out.mkdir()
    assert (converted(source, out) / "config.json").is_file() and not list(out.glob(".*"))
    refused(converted, source, f"OUT {out}: holds files already. Name a new folder.", out=out)
    refused(converted, source, f"OUT {source}: holds files already", out=source)
    (tmp_path / "file").touch()
    refused(converted, source, "is a file", out=tmp_path / "file")
    refused(converted, source, "file", out=tmp_path / "file" / "out", kind=(UsageError, RunError))


def test_a_damaged_checkpoint_is_one_line(converted, tmp_path):
    files = release_files() | {"bert_model.ckpt.data-00000-of-00001": b"PK\x03\x04 nothing"}
    refused(converted, make_folder(tmp_path / "a"), "--checkpoint nope: there is no such", checkpoint="nope")
    refused(converted, make_folder(tmp_path / "b", files), "TensorFlow cannot read bert_model.ckpt: ", "is damaged")


def test_numbers_that_are_not_finite_are_refused(converted, tmp_path):
    variables = variables_of()
    variables["bert/pooler/dense/bias"][2] = np.nan
    source = make_folder(tmp_path / "release", release_files(variables))
    refused(
        converted, source, "bert/pooler/dense/bias holds numbers that are not finite", "Take an earlier checkpoint."
    )


def test_a_config_of_another_size_names_the_variable(converted, tmp_path):
    source = make_folder(tmp_path / "release", release_files(variables_of(), CONFIG | {"intermediate_size": 24}))
    refused(converted, source, "bert/encoder/layer_0/intermediate/dense/kernel has the shape [12, 20], and "
            "bert_config.json means [12, 24]. Take the bert_config.json of this checkpoint.")  # fmt: skip


def test_more_numbers_than_the_model_can_have_are_refused_before_they_are_unpacked(converted, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_conversion, "SMALL_PARTS", 0)
    large = release_files() | {"bert_model.ckpt.data-00000-of-00001": os.urandom(200_000)}
    refused(converted, make_zip(tmp_path / "large.zip", large), "its checkpoint has ", "has at most ")


def test_a_disk_without_room_is_refused_first(converted, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint_conversion, "free_bytes", lambda folder: 1000)
    refused(converted, make_zip(tmp_path / "a.zip"), "OUT: the conversion needs 0.05 GB on this disk")


def test_tensorflow_is_not_asked_for_before_the_files_are_sound(tmp_path):
    files = release_files()
    del files["vocab.txt"]
    source = make_folder(tmp_path / "release", files)
    choice = checkpoint_conversion.ConversionChoice(source, tmp_path / "out")
    with pytest.raises(UsageError, match="there is no vocab.txt beside bert_model.ckpt"):
        checkpoint_conversion.convert(choice, lambda: pytest.fail("asked for TensorFlow"))


def test_a_full_disk_is_one_line_and_leaves_nothing(converted, tmp_path, monkeypatch):
    def full(*arguments, **options):
        raise OSError(28, "No space left on device", "model.safetensors")

    monkeypatch.setattr("classification.conversion.converted_model.save_file", full)
    source = make_folder(tmp_path / "release")
    refused(converted, source, "cannot be written or read (No space left on device). Free some space", kind=RunError)


def test_made_releases_have_no_other_variables_than_google_has():
    """Names of the published bert_base, counted: 199 of the encoder with its pooler, and 7 of the heads."""
    config = CONFIG | {"num_hidden_layers": 12}
    names = set(made_releases.variables_of(config))
    assert len(names) == 206 and sum(name.startswith("cls/") for name in names) == 7


# ------------------------------------------------------------------------------------------------------- a real model


def google_name(name):
    """`encoder.layer.0.attention.self.query.weight` -> Google's name; written apart from the converter's table."""
    name = re.sub(r"layer\.(\d+)", r"layer_\1", name).replace(".", "/")
    if name.endswith("_embeddings/weight"):
        return f"bert/{name.removesuffix('/weight')}"
    kinds = {"weight": "gamma", "bias": "beta"} if "LayerNorm" in name else {"weight": "kernel", "bias": "bias"}
    start, _, kind = name.rpartition("/")
    return f"bert/{start}/{kinds[kind]}"


@pytest.mark.slow
def test_a_real_encoder_comes_back_bit_for_bit_with_its_tokenizer(converted, tmp_path, minilm):
    """all-MiniLM-L6-v2 has the vocabulary of bert-base-uncased."""
    tensors = weights(minilm)
    config = json.loads(Path(minilm, "config.json").read_text())
    turned = {google_name(name): value.numpy() for name, value in tensors.items() if "position_ids" not in name}
    variables = {name: value.T if name.endswith("kernel") else value for name, value in turned.items()}
    tokenizer = AutoTokenizer.from_pretrained(minilm)
    words = sorted(tokenizer.get_vocab(), key=tokenizer.get_vocab().get)
    files = release_files(variables, {name: config[name] for name in CONFIG})
    files["vocab.txt"] = "".join(f"{word}\n" for word in words).encode()
    folder = converted(make_zip(tmp_path / "no_name.zip", files))  # the vocabulary tells the casing
    ours = weights(folder)
    assert len(ours) == len(variables) == 103
    assert all(torch.equal(ours[f"bert.{name}"], tensors[name]) for name in tensors if "position_ids" not in name)
    texts = [
        "A café in São Paulo, 15% off!",
        "Das Übermaß – naïve?",
        "电影很好看。",
        "I’m “fine”\t\u200b now\x00",
        "x" * 300,
    ]
    again = AutoTokenizer.from_pretrained(folder)
    assert again(texts)["input_ids"] == tokenizer(texts, truncation=False)["input_ids"]
    pairs = list(zip(texts, reversed(texts), strict=True))
    assert again(pairs)["token_type_ids"] == tokenizer(pairs, truncation=False)["token_type_ids"]
