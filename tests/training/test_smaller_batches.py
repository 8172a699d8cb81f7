"""A step that does not fit into memory runs in smaller passes: weights, figures and plan stay."""

from __future__ import annotations

import inspect
from contextlib import contextmanager

import pytest
import torch
from corpus import long_rows, make_rows, number_rows, several_rows, stars
from helpers import make_bert, make_tokenizer
from transformers import DataCollatorWithPadding

from classification.data.tasks import infer_task
from classification.data.windows import COUNTS, WindowCollator
from classification.errors import RunError
from classification.models.memory_errors import is_out_of_memory
from classification.training import smaller_batches
from classification.training.objective import Objective
from classification.training.out_of_memory import cut_rows
from classification.training.repeated_step import PassSizes

EXACT = {"optim": "sgd", "learning_rate": 0.2, "eval_strategy": "no"}  # SGD keeps rounding in proportion


class Memory:
    """Counts passes, and raises as an allocator does where a pass has more than `most` rows.

    Args:
        at: `forward` or `backward`, where the memory lacks.
    """

    def __init__(self, most: float, at: str = "forward", error: type[Exception] = torch.OutOfMemoryError):
        self.most, self.at, self.error = most, at, error
        self.rows: list[int] = []  # of each pass that fits

    def check(self, rows: int) -> None:
        if rows > self.most:
            raise self.error("CUDA out of memory. Tried to allocate 20.00 MiB.")

    def forward(self, module, args, kwargs):
        if module.training or self.at == "evaluation":
            rows = len(kwargs["input_ids"])
            if self.at != "backward":
                self.check(rows)
            self.rows.append(rows)

    def backward(self, module, args, kwargs, output):
        if module.training and self.at == "backward":
            rows = len(kwargs["input_ids"])
            output.logits.register_hook(lambda gradient: self.check(rows))


@contextmanager
def limited(trainer, *limits, **keywords):
    memory = Memory(*limits, **keywords)
    hooks = [
        trainer.model.register_forward_pre_hook(memory.forward, with_kwargs=True),
        trainer.model.register_forward_hook(memory.backward, with_kwargs=True),
    ]
    try:
        yield memory
    finally:
        for hook in hooks:
            hook.remove()


def difference(first, second) -> float:
    return max((a - b).abs().max().item() for a, b in zip(first.model.parameters(), second.model.parameters(),
                                                          strict=True))  # fmt: skip


def assert_same_training(first, second, tolerance=1e-6) -> None:
    """Weights, sums and logged losses of two trainings agree up to rounding."""
    assert difference(first, second) <= tolerance
    assert first.state.global_step == second.state.global_step
    assert torch.equal(first.training.counts, second.training.counts)
    for one, other in zip(first.state.log_history, second.state.log_history, strict=True):
        for key in ("loss", "grad_norm", "learning_rate", "train_loss"):
            assert one.get(key, 0) == pytest.approx(other.get(key, 0), abs=2e-6), key
    for one, other in zip(first.epochs, second.epochs, strict=True):
        for key in ("train_loss", "train_accuracy"):
            assert one.get(key, 0) == pytest.approx(other.get(key, 0), abs=1e-6), key


def several_parts(encode) -> dict:
    rows = several_rows(64, 1)
    rows = [row | {"label": [name for name in row["labels"].split("|") if name]} for row in rows]
    task = infer_task([row["label"] for row in rows])
    return {"train_dataset": encode(rows, task), "objective": Objective(task), "model": make_bert(
        num_labels=task.num_labels, problem_type="multi_label_classification")}  # fmt: skip


def number_parts(encode) -> dict:
    rows = number_rows(stars)(64, 1)
    rows = [row | {"label": float(row["label"])} for row in rows]
    task = infer_task([row["label"] for row in rows])
    return {"train_dataset": encode(rows, task), "objective": Objective(task), "model": make_bert(num_labels=1)}


def window_parts(encode) -> dict:
    return {
        "train_dataset": encode(long_rows(40, 3), stride=4), "eval_tokens": None,
        "data_collator": WindowCollator(DataCollatorWithPadding(make_tokenizer())),
    }  # fmt: skip


CASES = {
    "one label": (lambda encode: {}, {}, 3, "forward"),
    "in the backward pass": (lambda encode: {}, {}, 3, "backward"),
    "second micro-batch of two": (lambda encode: {}, {"gradient_accumulation_steps": 2}, 4, "forward"),
    "three micro-batches, backward": (lambda encode: {}, {"gradient_accumulation_steps": 3}, 4, "backward"),
    "one row at a time": (lambda encode: {}, {"per_device_train_batch_size": 5}, 1, "forward"),
    "plain shuffle": (lambda encode: {}, {"train_sampling_strategy": "random"}, 2, "backward"),
    "several labels": (several_parts, {}, 4, "forward"),
    "a number": (number_parts, {"learning_rate": 0.01}, 4, "backward"),
    "windows": (window_parts, {"per_device_train_batch_size": 4}, 14, "forward"),
}


@pytest.mark.parametrize("case", CASES)
def test_the_weights_are_those_of_the_undisturbed_training(case, encode, make_trainer):
    make_parts, changes, most, at = CASES[case]
    whole, cut = (make_trainer(make_parts(encode), **EXACT | {"logging_steps": 2} | changes) for _ in range(2))
    whole.train()
    with limited(cut, most, at=at) as memory:
        cut.train()
    assert cut.pass_sizes.parts > 1 and max(memory.rows[-3:]) <= most
    assert_same_training(whole, cut)


def test_a_step_is_run_again_from_its_first_micro_batch(make_trainer):
    """Its gradients are cleared: those of earlier micro-batches are lost with them."""
    trainer = make_trainer(**EXACT, gradient_accumulation_steps=2, max_steps=1)
    other = make_trainer(**EXACT, gradient_accumulation_steps=2, max_steps=1)
    other.train()
    calls = []

    def fail_once(module, args, kwargs):
        calls.append(len(kwargs["input_ids"]))
        if len(calls) == 2:
            raise torch.OutOfMemoryError("CUDA out of memory.")

    trainer.model.register_forward_pre_hook(fail_once, with_kwargs=True)
    trainer.train()
    assert calls == [8, 8, 4, 4, 4, 4]
    assert_same_training(other, trainer)


def test_it_is_said_once_and_kept_for_the_run(make_trainer, caplog):
    trainer = make_trainer(**EXACT)
    with limited(trainer, 4) as memory, caplog.at_level("WARNING"):
        trainer.train()
    lines = [record.getMessage() for record in caplog.records if "out of memory" in record.getMessage()]
    assert len(lines) == 1 and "8 rows" in lines[0] and "passes of 4" in lines[0] and "same result" in lines[0]
    assert memory.rows == [4] * 32  # after the first step no pass is too large
    assert trainer.kept["memory"].state_dict() == {"parts": 2, "eval_tokens": None}


def test_nothing_changes_where_memory_suffices(make_trainer):
    plain, watched = make_trainer(**EXACT), make_trainer(**EXACT)
    plain.train()
    watched.pass_sizes.parts = 1
    with limited(watched, 8):
        watched.train()
    assert difference(plain, watched) == 0 and watched.pass_sizes.parts == 1


def test_dropout_of_a_repeated_step_does_not_depend_on_where_it_failed(make_trainer):
    def weights(at):
        trainer = make_trainer({"model": make_bert(hidden_dropout_prob=0.1)}, **EXACT, max_steps=2)
        torch.manual_seed(3)
        with limited(trainer, 4, at=at):
            trainer.train()
        return trainer

    assert difference(weights("forward"), weights("backward")) == 0


def test_a_bad_row_is_named_after_a_repeated_step(encode, make_trainer):
    """The output of each pass stays with its rows."""
    trainer = make_trainer(**EXACT, train_sampling_strategy="random")
    trainer.finite_steps.row_ids = {"train": [f"id-{number}" for number in range(64)]}

    def spoil(module, args, kwargs, output):
        if module.training and (kwargs["input_ids"] == trainer.spoilt).all(1).any():
            bad = (kwargs["input_ids"] == trainer.spoilt).all(1)
            output.logits = torch.where(bad[:, None], torch.nan, output.logits)

    trainer.data_collator.padding, trainer.data_collator.max_length = "max_length", 64
    row = trainer.train_dataset[11]["input_ids"]
    trainer.spoilt = torch.tensor(row + [0] * (64 - len(row)))
    trainer.model.register_forward_hook(spoil, with_kwargs=True)
    with limited(trainer, 3), pytest.raises(RunError, match=r"not finite for 1 of them: id-11\."):
        trainer.train()


def test_one_row_that_does_not_fit_is_an_error_with_remedies(make_trainer):
    trainer = make_trainer(**EXACT)
    with limited(trainer, 0), pytest.raises(RunError) as refused:
        trainer.train()
    message = str(refused.value)
    for words in ("step 1 of 16", "one row of", "--max_seq_length", "--activation_checkpointing true",
                  "--precision bf16", "--lora_r 8", "CUDA out of memory"):  # fmt: skip
        assert words in message
    assert "\n" not in message


def test_a_remedy_that_is_in_use_is_not_named(make_trainer):
    trainer = make_trainer(**EXACT, gradient_checkpointing=True, bf16=True)
    with limited(trainer, 0), pytest.raises(RunError) as refused:
        trainer.train()
    assert "--activation_checkpointing" not in str(refused.value) and "bf16." not in str(refused.value)
    assert "--precision bf16" not in str(refused.value)


def test_another_error_is_not_taken_for_a_lack_of_memory(make_trainer):
    trainer = make_trainer(**EXACT)
    with limited(trainer, 4, error=KeyError), pytest.raises(KeyError):
        trainer.train()


def test_a_lack_of_memory_in_the_optimizer_is_one_line(make_trainer, monkeypatch):
    trainer = make_trainer(**EXACT)

    def fail(*args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr(torch.optim.SGD, "step", fail)
    with pytest.raises(RunError, match="Out of memory in training .*--resume auto"):
        trainer.train()


def test_an_optimizer_that_steps_in_the_backward_pass_cannot_repeat_it(make_trainer, monkeypatch):
    trainer = make_trainer(**EXACT)
    monkeypatch.setattr(smaller_batches.SmallerBatches, "_updates_in_backward", lambda self: True)
    with limited(trainer, 4), pytest.raises(RunError, match="--resume auto"):
        trainer.train()


def test_the_graph_of_the_failed_pass_is_freed(make_trainer, monkeypatch):
    """Otherwise its tensors would take the memory that the smaller passes need."""
    import gc
    import weakref

    trainer, outputs, alive = make_trainer(**EXACT, max_steps=1), [], []

    def remember(module, args, kwargs, output):
        if module.training:
            outputs.append(weakref.ref(output.logits))

    monkeypatch.setattr(smaller_batches, "free_memory", lambda: alive.append(outputs[0]() is not None))
    trainer.model.register_forward_hook(remember, with_kwargs=True)
    gc.disable()
    try:
        with limited(trainer, 4, at="backward"):
            trainer.train()
    finally:
        gc.enable()
    assert alive == [False]


# ------------------------------------------------------------------------------------------------------- recognised


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("x"), True),
        (torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has ..."), True),
        (RuntimeError("MPS backend out of memory (MPS allocated: 8.00 GB, other allocations: 1.00 GB)."), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp:118] err == 0. DefaultCPUAllocator: can't allocate memory: "
                      "you tried to allocate 4000000000000 bytes. Error code 12 (Cannot allocate memory)"), True),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] data. DefaultCPUAllocator: not enough memory"), True),
        (RuntimeError("CUDA error: out of memory\nCUDA kernel errors might be asynchronously reported"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (MemoryError(), True),
        (RuntimeError("CUDA error: device-side assert triggered"), False),
        (RunError("Out of memory at step 3"), False),
        (RunError("out of memory"), False),
        (ValueError("out of memory"), False),
        (KeyboardInterrupt(), False),
    ],
)  # fmt: skip
def test_a_lack_of_memory_is_recognised_by_every_allocator(error, expected):
    assert is_out_of_memory(error) is expected


def test_a_real_lack_of_memory_of_the_cpu_is_recognised():
    with pytest.raises(RuntimeError) as refused:
        torch.empty(1 << 60, dtype=torch.uint8)
    assert is_out_of_memory(refused.value)


def test_windows_are_cut_at_documents():
    batch = {
        "input_ids": torch.arange(12).reshape(6, 2), COUNTS: torch.tensor([3, 1, 2]), "labels": torch.tensor([7, 8, 9])
    }  # fmt: skip
    first, second = cut_rows(batch, 2)
    assert first["input_ids"].tolist() == [[0, 1], [2, 3], [4, 5], [6, 7]] and first[COUNTS].tolist() == [3, 1]
    assert second["input_ids"].tolist() == [[8, 9], [10, 11]] and second["labels"].tolist() == [9]


# -------------------------------------------------------------------------------------------------------- rehearsal


@pytest.mark.parametrize("order", ["random", "sequential", "batch_rebalance", "group_by_length"])
@pytest.mark.parametrize("dropout", [0.0, 0.1])
def test_a_rehearsal_changes_no_bit(dropout, order, encode, make_trainer, monkeypatch):
    def trained(rehearses: bool):
        torch.manual_seed(5)
        parts = {"model": make_bert(hidden_dropout_prob=dropout), "train_dataset": encode(long_rows(64, 5))}
        trainer = make_trainer(parts, train_sampling_strategy=order, logging_steps=1, data_seed=3)
        if rehearses:
            monkeypatch.setattr(smaller_batches.SmallerBatches, "rehearses", property(lambda self: True))
        torch.manual_seed(6)
        with limited(trainer, 99) as memory:
            trainer.train()
        return trainer, memory.rows

    (plain, rows), (rehearsed, more) = trained(False), trained(True)
    assert difference(plain, rehearsed) == 0 and len(more) == len(rows) + (order != "group_by_length")
    assert torch.equal(plain.training.counts, rehearsed.training.counts)
    losses = [[entry.get("loss") for entry in trainer.state.log_history] for trainer in (plain, rehearsed)]
    assert losses[0] == losses[1]
    for key in ("train_loss", "train_accuracy", "eval_loss"):
        assert [figures[key] for figures in plain.epochs] == [figures[key] for figures in rehearsed.epochs]


@pytest.mark.parametrize("order", ["random", "sequential", "batch_rebalance"])
def test_a_rehearsal_runs_the_longest_micro_batch(order, encode, make_trainer, monkeypatch):
    monkeypatch.setattr(smaller_batches.SmallerBatches, "rehearses", property(lambda self: True))
    data = encode(long_rows(64, 5))
    trainer, shapes = make_trainer({"train_dataset": data}, **EXACT, train_sampling_strategy=order,
                                   num_train_epochs=1, data_seed=3), []  # fmt: skip
    trainer.model.register_forward_pre_hook(
        lambda module, args, kwargs: shapes.append(kwargs["input_ids"].numel()), with_kwargs=True
    )
    trainer.train()
    assert len(shapes) == 9 and shapes[0] == max(shapes[1:]) > shapes[1]


def test_there_is_no_rehearsal_where_the_longest_micro_batch_is_the_first(make_trainer, monkeypatch):
    monkeypatch.setattr(smaller_batches.SmallerBatches, "rehearses", property(lambda self: True))
    trainer = make_trainer(**EXACT, num_train_epochs=1)
    with limited(trainer, 8) as memory:
        trainer.train()
    assert len(memory.rows) == 8


def test_a_rehearsal_that_does_not_fit_makes_the_first_step_smaller(make_trainer, monkeypatch):
    monkeypatch.setattr(smaller_batches.SmallerBatches, "rehearses", property(lambda self: True))
    whole, trainer = (make_trainer(**EXACT, train_sampling_strategy="random") for _ in range(2))
    whole.train()
    with limited(trainer, 4, at="backward") as memory:
        trainer.train()
    assert memory.rows[:2] == [8, 4] and set(memory.rows[1:]) == {4}  # the rehearsal alone is repeated
    assert_same_training(whole, trainer)


def test_a_cpu_has_no_rehearsal(make_trainer):
    assert make_trainer().rehearses is False


# ------------------------------------------------------------------------------------------------------ evaluation


@pytest.mark.parametrize("most", [1, 3, 10])
def test_an_evaluation_that_does_not_fit_is_halved_and_stays_smaller(most, make_trainer, encode, caplog):
    whole, cut = make_trainer(), make_trainer()
    rows = encode(long_rows(40, 9))
    expected = whole.predict(rows)
    with limited(cut, most, at="evaluation") as memory, caplog.at_level("WARNING"):
        predicted = cut.predict(rows)
    assert max(memory.rows) <= most and sum(memory.rows) == 40
    assert abs(predicted.predictions - expected.predictions).max() <= 1e-5
    assert (predicted.label_ids == expected.label_ids).all()
    assert sum("out of memory in evaluation" in record.getMessage() for record in caplog.records) == 1


def test_windows_of_an_evaluation_are_halved_too(make_trainer, encode):
    parts = window_parts(encode) | {"eval_dataset": encode(long_rows(20, 4), stride=4)}
    whole, cut = make_trainer(parts), make_trainer(parts)
    with limited(cut, 2, at="evaluation") as memory:
        metrics = cut.evaluate()
    assert max(memory.rows) <= 2
    assert metrics["eval_loss"] == pytest.approx(whole.evaluate()["eval_loss"], abs=1e-6)


def test_the_pass_over_near_ties_is_halved_too(make_trainer, encode, monkeypatch):
    rows = encode(make_rows(24, 2))
    whole, cut = make_trainer(bf16=True), make_trainer(bf16=True)
    expected = whole.predict(rows).predictions
    forward = type(cut.model).forward

    def limited_forward(self, input_ids=None, **inputs):
        if len(input_ids) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return forward(self, input_ids=input_ids, **inputs)

    limited_forward.__signature__ = inspect.signature(forward)  # the Trainer reads the columns from it
    monkeypatch.setattr(type(cut.model), "forward", limited_forward)
    assert abs(cut.predict(rows).predictions - expected).max() <= 1e-5


def test_one_row_of_an_evaluation_that_does_not_fit_is_an_error(make_trainer):
    trainer = make_trainer()
    with limited(trainer, 0, at="evaluation"), pytest.raises(RunError, match="in evaluation: one row of .*--max_seq"):
        trainer.evaluate()


# ------------------------------------------------------------------------------------------------------ checkpoints


def test_a_resumed_run_keeps_the_size_of_the_passes(make_trainer, tmp_path):
    trainer = make_trainer(**EXACT | {"save_strategy": "steps", "save_steps": 4, "max_steps": 4})
    with limited(trainer, 4):
        trainer.train()
    resumed = make_trainer(**EXACT | {"max_steps": 8, "save_strategy": "no"})
    with limited(resumed, 99) as memory:
        resumed.train(resume_from_checkpoint=str(tmp_path / "trainer" / "checkpoint-4"))
    assert memory.rows == [4] * 8


def test_another_number_of_processes_gets_the_smallest_passes():
    states = [{"parts": 4, "eval_tokens": 512}, {"parts": 4, "eval_tokens": None}]
    assert PassSizes.share(states, 2, 3) == {"parts": 4, "eval_tokens": 512}
