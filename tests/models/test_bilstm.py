"""The bidirectional LSTM leaves padding out and equals torch's own LSTM."""

from __future__ import annotations

import pytest
import torch
import zoo
from helpers import make_tokenizer
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence
from transformers import Trainer, TrainingArguments

from classification.errors import UsageError
from classification.models.bilstm import (
    BiLstmConfig,
    BiLstmForSequenceClassification,
    BiLstmModel,
    max_and_mean,
    reading_orders,
)
from classification.models.freezing import frozen_names
from classification.training.flops import Flops, passes_of_training
from classification.training.schedule import describe_decay


def make_lstm(**changes) -> BiLstmForSequenceClassification:
    torch.manual_seed(0)
    sizes = {"vocab_size": 50, "embedding_size": 12, "hidden_size": 16, "num_hidden_layers": 2, "num_labels": 3}
    return BiLstmForSequenceClassification(BiLstmConfig(**sizes | changes)).eval()


@pytest.fixture
def bare(tmp_path) -> str:
    """A folder with a model without head and dropout and a tokenizer, like a pretrained one."""
    make_lstm(vocab_size=64, hidden_dropout_prob=0.0, classifier_dropout=0.0).bilstm.save_pretrained(tmp_path)
    make_tokenizer().save_pretrained(tmp_path)
    return str(tmp_path)


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
    """With the weights of torch's own LSTM in both directions."""
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


def test_the_reading_orders_put_padding_last():
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
    for problem, labels, loss_function in (
        ("single_label_classification", torch.tensor([0, 2]), nn.functional.cross_entropy),
        ("multi_label_classification", torch.eye(3)[:2], nn.functional.binary_cross_entropy_with_logits),
    ):
        model = make_lstm(problem_type=problem)
        loss, logits = model(input_ids=ids, labels=labels, return_dict=False, num_items_in_batch=2)
        assert loss.item() == pytest.approx(loss_function(logits, labels).item())
        assert torch.equal(logits, model(input_ids=ids, token_type_ids=ids.sign()).logits)


def test_an_odd_hidden_size_is_refused():
    with pytest.raises(ValueError, match="hidden_size 15: must be even"):
        BiLstmConfig(hidden_size=15)


def test_the_operations_of_an_lstm_are_counted_in_full():
    """Two per weight of its layers, in each of three passes."""
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


def test_weights_decay_and_biases_do_not(bare, tmp_path):
    loaded = zoo.load(bare)
    args = TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    decayed = set(Trainer(model=loaded.model, args=args).get_decay_parameter_names(loaded.model))
    line = describe_decay(loaded.model, decayed, 0.01).text
    matrices = sum(weight.dim() == 2 for weight in loaded.model.parameters())
    assert matrices == 10 and f"on {matrices} weight tensors" in line and "none on 9 biases" in line
    assert f"{matrices - 1 + 8} of {matrices + 9} tensors loaded" in zoo.lines_of(loaded)["model"]
    assert "attention" not in zoo.lines_of(loaded)


def test_a_saved_model_has_its_own_pooling_and_no_attention_dropout(bare):
    with pytest.raises(UsageError, match="--pooling mean: this model already pools the maximum and the mean"):
        zoo.load(bare, pooling="mean")
    with pytest.raises(UsageError, match="--attention_dropout 0.1: this model has no attention dropout"):
        zoo.load(bare, attention_dropout=0.1)


def test_a_saved_model_reads_texts_of_any_length(bare):
    """The length of its tokenizer is the one of an earlier training."""
    loaded = zoo.load(bare, max_length=600)
    assert loaded.tokenizer.model_max_length == 600
    assert zoo.scores(loaded, ["good film " * 400, "bad"]).isfinite().all()
