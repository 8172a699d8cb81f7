"""Attention in pieces is the library's attention, and is chosen where that is slow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers
import zoo
from conftest import make_bert
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from classification.models.kernels import cpu_attention as attention
from classification.models.kernels.cpu_attention import PIECES, attention_in_pieces, decide_attention, speed_of_pieces
from classification.models.precision import Precision
from classification.training.throughput import Flops
from run_classification import main

BF16, FP32 = Precision("bf16", ""), Precision("fp32", "")
ENCODER = SimpleNamespace(is_causal=False)


@pytest.fixture
def pieces_are_fast(monkeypatch) -> list[int]:
    """The list has the rows of every piece."""
    written_out, pieces = attention._attention, []
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: 9.0)
    monkeypatch.setattr(attention, "_attention", lambda *args: pieces.append(len(args[0])) or written_out(*args))
    return pieces


def states(rows: int, tokens: int, dtype=torch.float32, size: int = 8) -> list[torch.Tensor]:
    torch.manual_seed(rows * tokens)
    return [torch.randn(rows, 3, tokens, size).to(dtype).requires_grad_() for _ in range(3)]


def attend(forward, inputs, mask, module=ENCODER, **more):
    """The outcome and the gradients."""
    out, _ = forward(module, *inputs, mask, **more)
    return [out.detach(), *torch.autograd.grad(out.square().sum(), inputs)]


def mask_of(rows: int, tokens: int) -> torch.Tensor:
    lengths = torch.arange(rows) % tokens + 1
    return (torch.arange(tokens) < lengths[:, None])[:, None, None].expand(rows, 1, tokens, tokens)


LOWEST = torch.finfo(torch.float32).min
MASKS = {
    "none": None,
    "bool": mask_of(7, 5),
    "of one row of keys": mask_of(7, 5)[:, :, :1],
    "of all rows alike": mask_of(7, 5)[3:4],
    "additive": torch.zeros(7, 1, 5, 5).masked_fill(~mask_of(7, 5), LOWEST),
    "of each head": torch.randn(7, 3, 5, 5),
    "causal": mask_of(7, 5) & torch.ones(5, 5, dtype=torch.bool).tril(),
}


@pytest.mark.parametrize(("at_once", "pieces"), [(1, [1] * 7), (3 * 25 * 2, [2, 2, 2, 1]), (10**9, [7])])
@pytest.mark.parametrize("mask", MASKS.values(), ids=MASKS)
def test_pieces_are_sdpa(monkeypatch, pieces_are_fast, at_once, pieces, mask):
    """Outcome and gradients, whatever divides the rows: one at a time, two of seven, all."""
    monkeypatch.setattr(attention, "SCORES_AT_ONCE", at_once)
    inputs = states(7, 5)
    ours, theirs = (attend(forward, inputs, mask) for forward in (attention_in_pieces, sdpa_attention_forward))
    assert pieces_are_fast == pieces and ours[0].shape == (7, 5, 3, 8)
    for one, other in zip(ours, theirs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-5, atol=5e-6)


@pytest.mark.parametrize("size", [8, 32, 64])
def test_in_bf16_pieces_are_exact_to_its_rounding(pieces_are_fast, size):
    """Scores and weights are rounded to bf16 (2**-9), which `sdpa` keeps in fp32: two to four times its error."""
    inputs, mask = states(6, 64, torch.bfloat16, size), mask_of(6, 64)
    exact = attend(sdpa_attention_forward, [x.detach().double().requires_grad_() for x in inputs], mask)
    ours = attend(attention_in_pieces, inputs, mask)
    assert pieces_are_fast
    for got, truth in zip(ours, exact, strict=True):
        assert (got - truth).norm() / truth.norm() < 2**-6


def test_long_texts_are_left_to_sdpa(monkeypatch, pieces_are_fast):
    """Their scores would fill the memory; with dropout `sdpa` makes them too."""
    monkeypatch.setattr(attention, "MOST_SCORES", 3 * 25 - 1)
    attention_in_pieces(ENCODER, *states(7, 5), None)
    assert not pieces_are_fast
    attention_in_pieces(ENCODER, *states(7, 5), None, dropout=0.1)
    assert pieces_are_fast


@pytest.mark.parametrize(
    ("module", "more", "heads"),
    [
        (SimpleNamespace(is_causal=True), {}, 3),
        (ENCODER, {"position_bias": torch.randn(1, 3, 5, 5)}, 3),
        (SimpleNamespace(is_causal=False, num_key_value_groups=3), {}, 1),
        (ENCODER, {"is_causal": True}, 3),
    ],
    ids=["causal", "position bias", "grouped heads", "asked to be causal"],
)
def test_what_only_sdpa_knows_it_does(pieces_are_fast, module, more, heads):
    inputs = states(4, 5)
    inputs[1:] = [x.detach()[:, :heads].requires_grad_() for x in inputs[1:]]
    ours, theirs = (attend(f, inputs, None, module, **more) for f in (attention_in_pieces, sdpa_attention_forward))
    assert not pieces_are_fast
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_dropout_drops_weights_and_keeps_their_mean(pieces_are_fast):
    """With values of 1 an outcome is the sum of what is left of the weights: 1 on average, variance p / (1 - p) / T."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 64, 4, 50, 8)
    value, p, tokens = torch.ones(64, 4, 50, 8), 0.2, 50
    out, _ = attention_in_pieces(ENCODER, query * 0, key, value, None, dropout=p)  # even weights
    assert pieces_are_fast
    assert out.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / tokens / (64 * 4 * 50)) ** 0.5)
    assert out[..., 0].var().item() == pytest.approx(p / (1 - p) / tokens, rel=0.1)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_architecture_has_the_same_logits(architecture, tmp_path, pieces_are_fast):
    """Also those that have no `sdpa`, and are left alone."""
    zoo.save_pretrained(architecture, tmp_path)
    tokenizer = transformers.AutoTokenizer.from_pretrained(tmp_path)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    batch = tokenizer(["good the film was very", "bad", "the room was fine and it"], padding=True, return_tensors="pt")
    config = transformers.AutoConfig.from_pretrained(tmp_path)
    chosen, _ = decide_attention("cpu", FP32, config, training=False)
    has_none = architecture in ("deberta-v2", "mpnet")
    assert (chosen is None) == has_none
    logits = []
    for implementation in (None, chosen):
        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            tmp_path, attn_implementation=implementation, dtype=torch.float32, pad_token_id=tokenizer.pad_token_id
        ).eval()
        logits.append(model(**batch).logits)
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-5)
    assert bool(pieces_are_fast) == (not has_none and architecture != "qwen2")  # whose heads are grouped


def test_a_model_with_a_table_of_its_own_is_left_alone(pieces_are_fast):
    config = transformers.FalconConfig(attention_dropout=0.1)
    assert decide_attention("cpu", BF16, config, training=True) == (None, "the library's choice for this model")


@pytest.mark.parametrize("precision", [BF16, FP32], ids=["bf16", "fp32"])
def test_operations_are_counted_as_ever(precision):
    """Which would be wrong if attention were measured, in any format, while they are counted."""
    speed_of_pieces.cache_clear()
    counted = []
    for implementation in ("sdpa", PIECES):
        model = make_bert(attention_probs_dropout_prob=0.1)
        decide_attention("cpu", precision, model.config, training=True)
        model.set_attn_implementation(implementation)
        flops = Flops(model, 64)
        counted.append((flops.per_token, flops.per_square))
    assert counted[0] == counted[1]


def test_attention_is_chosen_by_what_is_slow(monkeypatch):
    with_dropout, without = make_bert(attention_probs_dropout_prob=0.1).config, make_bert().config
    for ratio, chosen in ((1.2, None), (4.0, PIECES)):
        monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype, ratio=ratio: ratio)
        assert decide_attention("cpu", BF16, without, training=True)[0] == chosen
        assert decide_attention("cpu", BF16, with_dropout, training=False)[0] == chosen
        assert decide_attention("cpu", FP32, with_dropout, training=True)[0] == PIECES
        assert decide_attention("cuda", BF16, with_dropout, training=True)[0] is None
        assert decide_attention("cpu", BF16, with_dropout, training=True, compiled=True)[0] is None
    assert "4.0 times as fast as fused" in decide_attention("cpu", BF16, without, training=True)[1]


def test_what_is_measured_leaves_the_runs_random_numbers_alone():
    """A head that is made after it would differ between the first run of a process and the next."""
    speed_of_pieces.cache_clear()
    torch.manual_seed(3)
    wanted = torch.rand(())
    torch.manual_seed(3)
    with torch.inference_mode():
        assert speed_of_pieces(torch.float32) > 0
    assert torch.rand(()) == wanted


def test_a_run_says_why_attention_is_in_pieces(command, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: 1.0)
    zoo.save_pretrained("bert", tmp_path / "model")
    main(command(model_name_or_path=tmp_path / "model", dry_run=True))
    shown = capsys.readouterr().out
    assert f"attention    {PIECES} (written out in pieces, since fused attention with dropout" in shown
    assert "by random bits from SFC64" in shown
    main(command(model_name_or_path=tmp_path / "model", dry_run=True, attention_dropout=0))
    assert "attention    sdpa" in capsys.readouterr().out
