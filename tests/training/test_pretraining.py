"""The Trainer of masked tokens: its loss is the mean over all predicted tokens, however the batch is cut."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
import zoo
from torch.nn import functional as F
from transformers import AutoConfig, AutoTokenizer, TrainingArguments

from classification.data.windows import IGNORED
from classification.errors import RunError
from classification.models.choice import ModelChoice
from classification.models.masked_lm import load_masked_lm
from classification.training.callbacks import epoch_figures
from classification.training.faults import faults_armed, parse_faults
from classification.training.masked_tokens import MaskedBlocks, Masking, collate
from classification.training.pretraining import PretrainingTrainer, score_tokens, speed_lines
from classification.training.run_state import read_run_state

T = 16


@pytest.fixture
def make(tmp_path):
    """A function that builds a Trainer of 22 blocks with unequal numbers of predicted tokens."""
    folder = zoo.saved("bert")
    tokenizer = AutoTokenizer.from_pretrained(folder)

    def make(model=None, **changes) -> PretrainingTrainer:
        draws = np.random.default_rng(0)
        ids = draws.integers(5, 60, (30, T)).astype(np.int32)
        for row in range(30):
            ids[row, : draws.integers(1, T - 2)] = tokenizer.sep_token_id
        config = AutoConfig.from_pretrained(folder, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
        torch.manual_seed(0)
        model = model or load_masked_lm(ModelChoice(str(folder)), config, None).model
        masking = Masking.from_tokenizer(tokenizer, 0.3, config.vocab_size)
        standard = {
            "output_dir": str(tmp_path / "out"), "use_cpu": True, "report_to": "none", "disable_tqdm": True,
            "num_train_epochs": 2, "per_device_train_batch_size": 8, "learning_rate": 0.1, "optim": "sgd",
            "data_seed": 42, "eval_strategy": "epoch", "save_strategy": "no", "logging_nan_inf_filter": False,
            "max_grad_norm": 1.0,
        }  # fmt: skip
        return PretrainingTrainer(
            model=model, args=TrainingArguments(**standard | changes), tokenizer=tokenizer,
            train_dataset=MaskedBlocks(ids[:22], masking, 1),
            eval_dataset=MaskedBlocks(ids[22:], masking, 1, has_fixed_masks=True),
        )  # fmt: skip

    return make


def weights_of(trainer) -> torch.Tensor:
    return torch.cat([each.detach().flatten() for each in trainer.model.parameters()])


def mean_loss(model, blocks: MaskedBlocks) -> float:
    """The plain mean over the predicted tokens of all blocks, from the logits of all positions."""
    losses = []
    for row in range(len(blocks)):
        block = blocks[row]
        chosen = block["labels"] != IGNORED
        logits = model.eval()(input_ids=torch.from_numpy(block["input_ids"])[None]).logits[0]
        labels = torch.from_numpy(block["labels"][chosen])
        losses += F.cross_entropy(logits[block["positions"][chosen]], labels, reduction="none").tolist()
    return float(np.mean(losses))


def test_the_steps_do_not_depend_on_how_the_global_batch_is_cut(make):
    whole, parts = make(), make(per_device_train_batch_size=2, gradient_accumulation_steps=4)
    counts = [(whole.train_dataset[row]["labels"] != IGNORED).sum() for row in range(22)]
    assert len(set(counts)) > 2  # a mean of means would be another number
    for trainer in (whole, parts):
        trainer.train()
    assert torch.allclose(weights_of(whole), weights_of(parts), atol=1e-6)
    first, second = ([epoch["train_loss"] for epoch in epoch_figures(trainer.state)] for trainer in (whole, parts))
    assert len(first) == 2 and first == pytest.approx(second, abs=1e-6)


def test_val_loss_is_the_mean_over_all_predicted_tokens_whatever_the_batch(make):
    metrics = [make(per_device_eval_batch_size=size).evaluate() for size in (3, 8)]
    trainer = make()
    expected = mean_loss(trainer.model, trainer.eval_dataset)
    for each in metrics:
        assert each["eval_loss"] == pytest.approx(expected, abs=1e-6)
        assert each["eval_perplexity"] == pytest.approx(math.exp(expected), rel=1e-5)


def test_train_loss_of_an_epoch_is_the_mean_over_its_predicted_tokens(make):
    trainer = make(num_train_epochs=1, learning_rate=0.0)
    trainer.train()
    expected = mean_loss(trainer.model, trainer.train_dataset)
    assert epoch_figures(trainer.state)[0]["train_loss"] == pytest.approx(expected, abs=1e-6)


def test_masks_of_validation_are_the_same_in_every_evaluation(make):
    trainer = make()
    assert trainer.evaluate()["eval_loss"] == trainer.evaluate()["eval_loss"]


def test_every_block_is_read_once_per_epoch_with_masks_of_that_epoch(make):
    trainer = make()
    seen = []
    token_losses = trainer.token_losses

    def noted(model, inputs):
        seen.extend([inputs["positions"]] if model.training else [])
        return token_losses(model, inputs)

    trainer.token_losses = noted
    trainer.train()
    both = torch.cat(seen).numpy()
    assert len(both) == 44
    for epoch, part in enumerate((both[:22], both[22:])):
        expected = np.stack([trainer.train_dataset[epoch * 23 + row]["positions"] for row in range(22)])
        assert sorted(map(tuple, part)) == sorted(map(tuple, expected))


def test_the_output_layer_stays_tied_while_it_trains(make):
    trainer = make()
    before = trainer.model.get_input_embeddings().weight.clone()
    trainer.train()
    embeddings = trainer.model.get_input_embeddings().weight
    assert trainer.model.get_output_embeddings().weight is embeddings and not torch.equal(embeddings, before)


def test_a_loss_that_is_not_finite_names_the_blocks(make):
    trainer = make(max_steps=1)
    with torch.no_grad():
        trainer.model.cls.predictions.bias.fill_(math.nan)
    with pytest.raises(RunError, match=r"diverged at step 1 of 1.*block \d+, block \d+"):
        trainer.train()


def test_a_step_without_memory_runs_again_in_halves(make, caplog):
    whole, halves = make(max_steps=2), make(max_steps=2)
    whole.train()
    with faults_armed(parse_faults("oom@train=2")):
        halves.train()
    assert "passes of 4" in caplog.text
    assert torch.allclose(weights_of(whole), weights_of(halves), atol=1e-6)


def test_the_speed_is_blocks_and_tokens_per_second(make):
    trainer = make(max_steps=2)
    trainer.train()
    speed = trainer.throughput()
    assert speed["training"]["rows"] == 16 and speed["training"]["padding_share"] == 0
    assert speed["training"]["tokens_per_second"] == pytest.approx(T * speed["training"]["rows_per_second"])
    assert "blocks/s" in speed_lines(speed, torch.device("cpu"))[0].text


def test_perplexity_of_a_huge_loss_is_still_a_number():
    class Evaluation:
        predictions = np.array([[9000.0, 3.0], [0.0, 0.0]])

    assert score_tokens(Evaluation)["loss"] == 3000 and math.isfinite(score_tokens(Evaluation)["perplexity"])


def test_a_checkpoint_holds_the_sums_of_the_epoch(make):
    trainer = make(num_train_epochs=1, save_strategy="steps", save_steps=2, eval_strategy="no")
    trainer.train()
    state = read_run_state(Path(trainer.args.output_dir) / "checkpoint-2")
    labels = [trainer.train_dataset[row]["labels"] for row in trainer.sampler_epoch.sampler]
    assert state["kept"]["epoch"][0]["sums"][1] == sum((each != IGNORED).sum() for each in labels[:16])


def test_a_batch_of_padding_alone_has_a_loss_of_zero(make):
    trainer = make()
    batch = collate([trainer.train_dataset[22], trainer.train_dataset[22]])
    assert trainer.token_losses(trainer.model, batch).sum() == 0
