"""Attention in pieces equals the library's attention, and is chosen where that is slow."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
import transformers
import zoo
from helpers import make_bert
from transformers.integrations.sdpa_attention import sdpa_attention_forward

from classification.models.kernels import cpu_attention as attention
from classification.models.kernels.cpu_attention import (
    NAMES,
    PIECES,
    decide_attention,
    name_of_pieces,
    speed_of_pieces,
    usage_of_pieces,
)
from classification.training.flops import Flops

BF16, FP32 = torch.bfloat16, torch.float32
attention_in_pieces = transformers.AttentionInterface()[name_of_pieces([BF16, FP32])]  # without dropout too
ENCODER = SimpleNamespace(is_causal=False)


@pytest.fixture
def pieces_are_fast(monkeypatch) -> list[int]:
    """Makes attention in pieces look fast; the list has the number of rows of every piece."""
    written_out, pieces = attention._attention, []
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: 9.0)
    monkeypatch.setattr(attention, "_attention", lambda *args: pieces.append(len(args[0])) or written_out(*args))
    return pieces


def states(rows: int, tokens: int, dtype=torch.float32, size: int = 8) -> list[torch.Tensor]:
    torch.manual_seed(rows * tokens)
    return [torch.randn(rows, 3, tokens, size).to(dtype).requires_grad_() for _ in range(3)]


def attend(forward, inputs, mask, module=ENCODER, **more):
    """The result and the gradients."""
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
    """Results and gradients agree for pieces of one row, of two of seven rows, and of all rows."""
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
    ids=["causal", "position bias", "grouped heads", "causal as an argument"],
)
def test_what_only_sdpa_supports_is_left_to_it(pieces_are_fast, module, more, heads):
    inputs = states(4, 5)
    inputs[1:] = [x.detach()[:, :heads].requires_grad_() for x in inputs[1:]]
    ours, theirs = (attend(f, inputs, None, module, **more) for f in (attention_in_pieces, sdpa_attention_forward))
    assert not pieces_are_fast
    assert all(torch.equal(one, other) for one, other in zip(ours, theirs, strict=True))


def test_dropout_drops_weights_and_keeps_their_mean(pieces_are_fast):
    """With values of 1 the result is the sum of the kept weights: mean 1, variance p / (1 - p) / T."""
    torch.manual_seed(0)
    query, key = torch.randn(2, 64, 4, 50, 8)
    value, p, tokens = torch.ones(64, 4, 50, 8), 0.2, 50
    out, _ = attention_in_pieces(ENCODER, query * 0, key, value, None, dropout=p)  # even weights
    assert pieces_are_fast
    assert out.mean().item() == pytest.approx(1, abs=5 * (p / (1 - p) / tokens / (64 * 4 * 50)) ** 0.5)
    assert out[..., 0].var().item() == pytest.approx(p / (1 - p) / tokens, rel=0.1)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_architecture_has_the_same_logits(architecture, pieces_are_fast):
    """Those without `sdpa` keep their own attention."""
    folder = zoo.saved(architecture)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    if tokenizer.pad_token is None:
        tokenizer.pad_token = tokenizer.eos_token
    batch = tokenizer(["good the film was very", "bad", "the room was fine and it"], padding=True, return_tensors="pt")
    config = transformers.AutoConfig.from_pretrained(folder)
    chosen, _ = decide_attention("cpu", FP32, config, dropout=0.0)
    has_none = architecture in ("deberta-v2", "mpnet")
    assert (chosen is None) == has_none
    logits = []
    for implementation in (None, chosen):
        torch.manual_seed(0)
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            folder, attn_implementation=implementation, dtype=torch.float32, pad_token_id=tokenizer.pad_token_id
        ).eval()
        logits.append(model(**batch).logits)
    torch.testing.assert_close(*logits, rtol=1e-4, atol=1e-5)
    assert bool(pieces_are_fast) == (not has_none and architecture != "qwen2")  # it has grouped heads


@pytest.mark.parametrize("config", [transformers.FalconConfig(attention_dropout=0.1), transformers.FunnelConfig()])
def test_a_model_that_does_not_use_the_librarys_table_keeps_its_attention(config, pieces_are_fast):
    """Falcon looks its attention up in a table of its own; Funnel has two base models."""
    assert decide_attention("cpu", BF16, config, dropout=0.1) == (None, "the library's choice for this model")


@pytest.mark.parametrize("dtype", [BF16, FP32], ids=["bf16", "fp32"])
def test_pieces_have_as_many_operations_as_sdpa(dtype):
    """A measurement of attention, in any number format, would count while operations are counted."""
    speed_of_pieces.cache_clear()
    counted = []
    for implementation in ("sdpa", PIECES):
        model = make_bert(attention_probs_dropout_prob=0.1)
        decide_attention("cpu", dtype, model.config, dropout=0.1)
        model.set_attn_implementation(implementation)
        flops = Flops(model, 64)
        counted.append((flops.per_token, flops.per_square))
    assert counted[0] == counted[1]


@pytest.mark.parametrize(
    ("instructions", "ratio", "formats"),
    [
        ("avx512_bf16", 0.7, []), ("avx512_bf16", 0.8, [BF16]), ("avx512_bf16", 2.9, [BF16]),
        ("avx512_bf16", 3.1, [BF16, FP32]), ("amx_bf16", 2.9, []), ("amx_bf16", 3.1, [BF16, FP32]), (None, 2.9, []),
    ],
)  # fmt: skip
def test_near_a_tie_the_instruction_set_decides(monkeypatch, instructions, ratio, formats):
    config, name = make_bert().config, name_of_pieces(formats)
    monkeypatch.setattr(attention, "bf16_instructions", lambda: instructions)
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: ratio)
    assert decide_attention("cpu", BF16, config, dropout=0.0)[0] == (name if BF16 in formats else None)
    assert decide_attention("cpu", BF16, config, dropout=0.1)[0] == name
    assert decide_attention("cuda", BF16, config, dropout=0.1)[0] is None
    assert decide_attention("cpu", BF16, config, dropout=0.1, compiled=True)[0] is None
    if formats:
        reason = decide_attention("cpu", BF16, config, dropout=0.0)[1]
        assert f"in bf16 is {ratio:.1f} times as fast as fused" in reason


def test_a_forward_pass_measures_nothing(monkeypatch):
    """Each implementation knows by its name in which number formats it is used without dropout."""
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: pytest.fail("measured"))
    used = []
    monkeypatch.setattr(attention, "_attention", lambda *args: used.append(1) or torch.zeros(4, 5, 3, 8))
    for name, formats in NAMES.items():
        for dtype in (BF16, FP32):
            for dropout in (0.0, 0.1):
                used.clear()
                transformers.AttentionInterface()[name](ENCODER, *states(4, 5, dtype), None, dropout=dropout)
                assert bool(used) == (dropout > 0 or dtype in formats)
    assert list(NAMES) == [f"{PIECES}{ending}" for ending in ("", "_bf16", "_fp32", "_bf16_fp32")]


def test_a_resumed_run_keeps_its_attention(monkeypatch):
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: pytest.fail("measured"))
    config = make_bert().config
    for stored, chosen in (*((name, name) for name in NAMES), ("sdpa", None), ("eager", None)):
        assert decide_attention("cpu", BF16, config, dropout=0.1, stored=stored) == (chosen, "as in the checkpoint")


def test_several_processes_decide_without_a_measurement(monkeypatch):
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setattr(attention, "speed_of_pieces", lambda dtype: pytest.fail("measured"))
    for instructions, used in (("avx512_bf16", True), ("amx_bf16", False), (None, False)):
        monkeypatch.setattr(attention, "bf16_instructions", lambda instructions=instructions: instructions)
        assert usage_of_pieces(BF16)[0] == used and not usage_of_pieces(FP32)[0]


def test_a_measurement_leaves_the_random_numbers_of_the_run_unchanged():
    """Otherwise a new head would differ between the first run of a process and the next."""
    speed_of_pieces.cache_clear()
    torch.manual_seed(3)
    expected = torch.rand(())
    torch.manual_seed(3)
    with torch.inference_mode():
        assert speed_of_pieces(torch.float32) > 0
    assert torch.rand(()) == expected
