"""The word that decides has the largest score, with its sign and its place; all scores add up to the change."""

from __future__ import annotations

import builtins
import sys
from types import SimpleNamespace

import pytest
import torch
import zoo
from helpers import assert_refused, make_bert, make_tokenizer
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel
from transformers.modeling_outputs import SequenceClassifierOutput

from classification.data.encoding import encode_batch
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.data.tasks import task_from_config
from classification.data.truncation import Truncation
from classification.inference.explanation import explain
from classification.inference.integrated_gradients import TokenAttributions
from classification.inference.read_tokens import read_tokens

pytest.importorskip("captum", reason="captum is not installed (requirements-extras.txt)")
TWO = SingleLabel(("negative", "positive"))


class LinearConfig(PreTrainedConfig):
    model_type = "linear-test"


class LinearModel(PreTrainedModel):
    """Sums one number per token and label: its attributions are known exactly."""

    config_class = LinearConfig

    def __init__(self, table: torch.Tensor):
        super().__init__(LinearConfig(num_labels=table.shape[1]))
        self.embeddings = nn.Embedding(*table.shape, _weight=table.clone())

    def get_input_embeddings(self):
        return self.embeddings

    def forward(self, input_ids, attention_mask=None, token_type_ids=None):
        return SequenceClassifierOutput(logits=self.embeddings(input_ids).sum(1))


def classifier(model, tokenizer, task=TWO, truncation=None, length=None):
    tokenizer.model_max_length = length or tokenizer.model_max_length
    return SimpleNamespace(model=model, tokenizer=tokenizer, task=task, truncation=truncation or Truncation())


def linear(task=TWO, truncation=None, length=None, **scores):
    """A linear classifier that gives these words these scores for the last label, and all other words none."""
    tokenizer = make_tokenizer()
    table = torch.zeros(len(tokenizer), task.num_labels)
    for word, score in scores.items():
        table[tokenizer.convert_tokens_to_ids(word), -1] = score
    return classifier(LinearModel(table), tokenizer, task, truncation, length)


def scores(label) -> dict[str, float]:
    """Word -> score, without words of no score."""
    return {word.text: round(word.score, 5) for word in label.words if word.score}


def from_zoo(architecture, tmp_path, **changes):
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    zoo.save_pretrained(architecture, tmp_path, **changes)
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    model.config.pad_token_id = tokenizer.pad_token_id
    return classifier(model, tokenizer, task_from_config(model.config), length=zoo.LENGTH)


# ---------------------------------------------------------------------------------------------------- what is known


def test_a_linear_model_is_explained_exactly():
    found = explain(linear(good=2.0, bad=-3.0), "The film was good, not BAD").labels[0]
    assert found.label == "negative" and scores(found) == {}  # its own output is always 0
    found = explain(linear(good=2.0, bad=-1.0), "The film was good, not BAD").labels[0]
    assert found.label == "positive" and scores(found) == {"good": 2.0, "BAD": -1.0}
    assert (found.steps, found.is_exact, found.output, found.baseline) == (16, True, 1.0, 0.0)


def test_the_word_that_decides_has_the_only_score_and_its_place():
    """All other words of this BERT have the embedding of the pad token."""
    model, tokenizer = make_bert(num_labels=2), make_tokenizer()
    table, word = model.get_input_embeddings().weight.data, tokenizer.convert_tokens_to_ids("awful")
    own = table[word].clone() * 20
    table[:] = table[tokenizer.pad_token_id]
    table[word] = own
    text = "the film\twas 👍 AWFUL and good"
    found = explain(classifier(model, tokenizer), text, labels=[0, 1])
    for label in found.labels:
        strongest, *others = label.strongest(10)
        assert strongest.text == "AWFUL" and text[strongest.start : strongest.end] == "AWFUL"
        assert strongest.score == pytest.approx(label.output - label.baseline, abs=1e-4)
        assert abs(strongest.score) > 1e-3 and max(abs(word.score) for word in others) < 1e-6


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_the_scores_add_up_in_every_architecture(architecture, tmp_path):
    text = "It's good!\t电影很好 👍 naïve\nbad film"
    found = explain(from_zoo(architecture, tmp_path), text, labels=[0, 1])
    for label in found.labels:
        change = label.output - label.baseline
        assert label.is_exact and abs(change) > 1e-3
        total = sum(word.score for word in label.words)
        assert abs(abs(total - change) - label.completeness_error) < 1e-5
        assert all(text[word.start : word.end] == word.text for word in label.words)


def test_few_steps_are_enough_for_a_model_without_positions(tmp_path):
    """In front of the norm of DeBERTa's embeddings, 64 steps miss a third of the change."""
    found = explain(from_zoo("deberta-v2", tmp_path), "the film was good and the meal was bad", labels=[0, 1])
    assert max(label.steps for label in found.labels) <= 64


def test_special_tokens_get_no_share_where_embeddings_mix_neighbours(tmp_path):
    subject = from_zoo("bert", tmp_path)
    embeddings = subject.model.bert.embeddings
    embeddings.register_forward_hook(lambda module, args, output: output + output.roll(1, dims=1))
    found = explain(subject, "good film", labels=[0, 1])
    for label in found.labels:
        total = sum(word.score for word in label.words)
        assert label.is_exact and total == pytest.approx(
            label.output - label.baseline, abs=label.completeness_error + 1e-5
        )


@pytest.mark.parametrize("architecture", ["roberta", "mpnet", "deberta-v2"])
def test_the_output_is_that_of_the_model(architecture, tmp_path):
    """And the baseline has the positions of the text, which RoBERTa counts by tokens that are no padding."""
    subject = from_zoo(architecture, tmp_path)
    batch = subject.tokenizer(["good film"], return_tensors="pt")
    with torch.no_grad():
        logits = subject.model.eval()(**batch).logits[0]
    found = explain(subject, "good film", labels=[0, 1])
    assert [label.output for label in found.labels] == pytest.approx(logits.tolist(), abs=1e-6)


# ------------------------------------------------------------------------------------------------------------- tasks


def test_each_predicted_label_of_several_is_explained():
    task = MultiLabel(("a", "b", "c"), thresholds=(0.5, 0.5, 0.5))
    tokenizer = make_tokenizer()
    table = torch.zeros(len(tokenizer), 3)
    table[tokenizer.convert_tokens_to_ids("good")] = torch.tensor([2.0, -2.0, 1.0])
    table[tokenizer.convert_tokens_to_ids("film")] = torch.tensor([-0.5, 0.0, -3.0])
    subject = classifier(LinearModel(table), tokenizer, task)
    found = explain(subject, "good")
    assert [(label.label, scores(label)) for label in found.labels] == [("a", {"good": 2.0}), ("c", {"good": 1.0})]
    assert [one["label"] for one in found.as_json()] == ["a", "c"]
    assert [one["label"] for one in explain(subject, "good film").as_json()] == ["a"]  # a list also of one


def test_where_no_label_is_predicted_the_nearest_is_explained_and_said_to_be_none():
    task = MultiLabel(("a", "b"), thresholds=(0.9, 0.9))
    found = explain(linear(task, good=1.0), "good")
    assert [(label.label, label.is_predicted) for label in found.labels] == [("b", False)]
    assert found.as_json()[0]["predicted"] is False


def test_a_number_is_explained_in_its_own_units():
    found = explain(linear(Regression(("score",), 100.0, 10.0), good=0.5), "good film").labels[0]
    assert (found.label, found.output, found.baseline, found.is_predicted) == ("score", 105.0, 100.0, True)
    assert scores(found) == {"good": 5.0}


def test_the_predicted_label_follows_the_costs():
    task = TWO.with_thresholds(0.9)
    assert explain(linear(task, good=1.0), "good").labels[0].label == "negative"
    assert explain(linear(TWO, good=1.0), "good").labels[0].label == "positive"


# -------------------------------------------------------------------------------------------------- pairs and lengths


def test_words_of_a_pair_name_their_text():
    found = explain(linear(good=2.0, bad=-1.0), "good film", "a bad film")
    words = found.as_json()["words"]
    assert words[0] == {"text": "good", "start": 0, "end": 4, "score": 2.0, "in": "text"}
    assert words[1] == {"text": "bad", "start": 2, "end": 5, "score": -1.0, "in": "text_pair"}


def test_an_empty_second_text_is_no_error():
    found = explain(linear(good=2.0), "good film", " ")
    assert scores(found.labels[0]) == {"good": 2.0} and found.unread == ((), ())


@pytest.mark.parametrize(
    ("strategy", "score", "unread"),
    [("head", 1.0, ((0,), (9, 14))), ("tail", 1.0, None), ("head_tail", 2.0, None), ("window", 2.0, None)],
)
def test_places_are_those_of_the_whole_text(strategy, score, unread):
    text = "good " + "film " * 30 + "good"
    found = explain(linear(truncation=Truncation(strategy), length=12, good=1.0), text, labels=[1])
    words = [word for word in found.labels[0].words if word.score]
    assert {text[word.start : word.end] for word in words} == {"good"}
    places = {word.start for word in words}
    assert places == {"head": {0}, "tail": {155}}.get(strategy, {0, 155})
    assert bool(found.unread[0]) == (strategy != "window")
    if strategy == "head":
        assert found.unread == (((50, 159),),)


def test_a_word_in_several_windows_has_the_sum_of_its_shares():
    subject = linear(truncation=Truncation("window", 2), length=6, good=1.0)
    text = "film film good film film film film"
    tokens = read_tokens(subject.tokenizer, subject.truncation, text)
    share = sum(3 in window for window in tokens.windows) / len(tokens.windows)  # the token [CLS] is 0
    assert len(tokens.windows) > 2 and 0 < share < 1
    found = explain(subject, text, labels=[1]).labels[0]
    assert scores(found) == {"good": round(share, 5)} and found.output == pytest.approx(share)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "xlm-roberta", "gpt2"])
@pytest.mark.parametrize("strategy", ["head", "tail", "head_tail", "window"])
@pytest.mark.parametrize(
    ("text", "pair"),
    [
        ("good " * 40, None),
        ("a [SEP] b </s> <s> " * 9, None),
        ("good " * 20, "bad film " * 30),
        ("good", " "),
        ("", None),
    ],
)
def test_the_tokens_are_those_of_the_prediction(architecture, strategy, text, pair):
    tokenizer = zoo.make_tokenizer(architecture)
    tokenizer.model_max_length = 24
    batch = {"text": [text]} | ({} if pair is None else {"text_pair": [pair]})
    truncation = Truncation(strategy)
    expected = encode_batch(batch, tokenizer=tokenizer, max_length=24, truncation=truncation)["input_ids"][0]
    tokens = read_tokens(tokenizer, truncation, text, pair)
    found = [[tokens.columns["input_ids"][i] for i in window] for window in tokens.windows]
    assert found == (expected if truncation.in_windows else [expected])


# ---------------------------------------------------------------------------------------------------------- hostile


@pytest.mark.parametrize(
    "text",
    [
        "", "\u200b", "\x00", "👍" * 100, "e\u0301\u0302" * 50, "zzz qqq xxx", "[CLS] [SEP] [PAD]", "a" * 10_000,
        "\tgood\n", "good film " * 1000, "<s></s><mask>", "\ud7ff\ue000", "很好" * 300,
    ],
)  # fmt: skip
@pytest.mark.parametrize("architecture", ["bert", "roberta"])
def test_hostile_texts_are_explained(architecture, text, tmp_path):
    subject = from_zoo(architecture, tmp_path)
    found = explain(subject, text)
    label = found.labels[0]
    total = sum(word.score for word in label.words)
    assert abs(abs(total - (label.output - label.baseline)) - label.completeness_error) < 1e-5
    assert all(text[word.start : word.end] == word.text for word in label.words)
    assert explain(subject, "good", text).labels[0].words


def test_the_model_is_left_as_it_was():
    subject = linear(good=1.0)
    subject.model.train()
    explain(subject, "good film")
    assert subject.model.training and all(weight.requires_grad for weight in subject.model.parameters())
    assert not subject.model.embeddings._forward_pre_hooks and not subject.model.embeddings._forward_hooks


def test_dropout_does_not_blur_the_scores():
    model = make_bert(hidden_dropout_prob=0.5)
    model.train()
    found = [explain(classifier(model, make_tokenizer()), "good film") for _ in range(2)]
    assert found[0] == found[1]


def test_long_texts_are_computed_in_chunks(monkeypatch):
    sizes = []
    subject = linear(good=1.0, length=50)
    forward = subject.model.forward
    monkeypatch.setattr("classification.inference.integrated_gradients.STEP_TOKENS", 100)
    monkeypatch.setattr(
        subject.model, "forward", lambda **batch: sizes.append(len(batch["input_ids"])) or forward(**batch)
    )
    found = explain(subject, "good " + "film " * 60, labels=[1])
    assert max(sizes) == 2 and scores(found.labels[0]) == {"good": 1.0}


def test_steps_double_until_the_error_is_small_and_end_at_256(monkeypatch):
    subject = linear(good=1.0)
    tokens = read_tokens(subject.tokenizer, Truncation(), "good")
    attributions = TokenAttributions(subject.model, tokens, subject.tokenizer.pad_token_id)
    right, asked = attributions._integrate, []

    def rough(label, steps, enough=64):
        asked.append(steps)
        return right(label, steps) * (1.0 if steps >= enough else 0.9)

    monkeypatch.setattr(attributions, "_integrate", rough)
    found = attributions.of_output(1)
    assert asked == [16, 32, 64] and found.is_exact
    monkeypatch.setattr(attributions, "_integrate", lambda label, steps: rough(label, steps, 1000))
    found = attributions.of_output(1)
    assert found.steps == 256 and not found.is_exact and found.error == pytest.approx(0.1, abs=1e-5)


def test_a_file_has_the_strongest_words_only():
    subject = linear(good=1.0)
    found = explain(subject, " ".join(["good", "film", "the", "was"] * 10), labels=[1])
    value = found.as_json()
    assert list(value) == ["label", "words", "completeness_error", "steps"] and len(value["words"]) == 20
    assert {word["text"] for word in value["words"][:10]} == {"good"} and len(found.labels[0].words) == 40


# ------------------------------------------------------------------------------------------------------------ refused


def test_a_tokenizer_without_offsets_is_refused():
    subject = linear(good=1.0)
    slow = SimpleNamespace(is_fast=False)
    assert_refused(["--explain", "SimpleNamespace", "tokenizer.json"], read_tokens, slow, subject.truncation, "good")


def test_without_captum_one_line_names_the_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "captum", None)
    real = builtins.__import__
    monkeypatch.setattr("importlib.util.find_spec", lambda name, *args: None if name == "captum" else real(name))
    assert_refused(["--explain", "captum", "requirements-extras.txt"], explain, linear(good=1.0), "good")


def test_models_with_several_embeddings_per_token_are_refused():
    subject = linear(good=1.0)
    forward = subject.model.forward
    subject.model.forward = lambda **batch: forward(**batch) and forward(**batch)
    assert_refused(["--explain", "LinearModel"], explain, subject, "good")
    subject.model.forward = lambda input_ids, **more: forward(input_ids.T, **more)
    assert_refused(["--explain", "LinearModel"], explain, subject, "good")
    subject.model.get_input_embeddings = lambda: None
    assert_refused(["--explain", "LinearModel", "no table"], explain, subject, "good")
