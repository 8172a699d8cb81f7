"""Training steps replayed as CUDA graphs, for which a GPU does not wait for Python."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from transformers import TrainingArguments, masking_utils

from classification.errors import UsageError, first_line

logger = logging.getLogger(__name__)

SHARE_OF_MEMORY = 0.3  # what a step may take of the GPU's: a recorded one has memory of its own beside it


def why_unrecorded(args: TrainingArguments) -> str | None:
    """Why the steps of a training with these arguments cannot be recorded; None where they can."""
    if args.device.type != "cuda":
        return "no CUDA GPU"
    if args.world_size > 1:
        return "several processes"
    if args.torch_compile:
        return "torch.compile"
    if args.gradient_checkpointing:
        return "activation checkpointing"
    if args.fp16:
        return "the gradient scaler of fp16"
    return None


class StepGraphs:
    """Forward and backward passes that are recorded once for every shape of a batch, and replayed.

    A step of a small batch is two thousand kernels, each done before Python has launched the next. A graph launches
    them at once (https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs). The first batch of a shape runs as
    ever, which loads its kernels; the second is recorded. Random numbers go on from where the generator is, so that
    every replay drops other states. A replay runs the same kernels, but that a mask is applied where it hides nothing.

    Code that waits for the GPU cannot be recorded, and a step that takes much of its memory has no room for a second
    home: that ends the recording with a word, and training goes on without.

    Args:
        recorder: makes what records: a `Recorder`.
    """

    def __init__(self, recorder: Callable[[], Callable] | None = None):
        self.recorder = recorder or Recorder
        self.record = self.recorder()
        self.graphs: dict[tuple, tuple[dict, Callable, torch.Tensor]] = {}
        self.seen: set[tuple] = set()
        self.gradients: list[tuple[torch.nn.Parameter, torch.Tensor]] = []
        self.off = False

    def __call__(self, step: Callable, model: torch.nn.Module, inputs: dict, items: torch.Tensor) -> torch.Tensor:
        """The loss of `step(model, inputs, items)`, [], whose gradients are added to those that are there.

        Args:
            inputs: tensors on the device, of [B, ...]; items: what the loss is divided by, [].

        Raises:
            UsageError: a step that did not wait for the GPU when it ran could not be recorded all the same.
        """
        if self.off:
            return step(model, inputs, items)
        given = inputs | {"": items}
        shape = tuple((name, tensor.shape, tensor.dtype) for name, tensor in given.items())
        if shape not in self.seen:
            self.seen.add(shape)
            return self._run_watched(step, model, inputs, items)
        self._hold_gradients()
        if shape not in self.graphs:
            places = {name: tensor.clone() for name, tensor in given.items()}
            static = {name: places[name] for name in inputs}
            try:
                replay, loss = self.record(lambda: step(model, static, places[""]))
            except Exception as error:  # a model's own code may fail in any way
                raise UsageError(
                    f"--cuda_graphs true: a step of this model cannot be recorded ({first_line(error)}). "
                    "Pass --cuda_graphs false."
                ) from error
            self.graphs[shape] = places, replay, loss
        places, replay, loss = self.graphs[shape]
        for name, tensor in given.items():
            places[name].copy_(tensor)
        replay()
        return loss.clone()

    def clear(self) -> None:
        """Free the memory of what was recorded."""
        self.graphs, self.gradients, self.seen = {}, [], set()
        self.record = self.recorder()  # the memory went with the last graph

    def _run_watched(self, step: Callable, model: torch.nn.Module, inputs: dict, items: torch.Tensor) -> torch.Tensor:
        with masks_as_recorded(), waits_for_gpu() as waits:
            loss = step(model, inputs, items)
        if waits:
            self._stop("the model waits for the GPU within a step")
        elif _takes_much_memory():
            self._stop("a step takes much of the GPU's memory")
        elif not self.gradients:
            # The optimizer leaves out a parameter without a gradient; with zeros it would decay.
            self.gradients = [(p, torch.empty_like(p)) for p in model.parameters() if p.grad is not None]
        return loss

    def _hold_gradients(self) -> None:
        """Put gradients where the recorded steps add to them: zeros after an optimizer's step, else what is there."""
        for parameter, place in self.gradients:
            if parameter.grad is None:
                place.zero_()
            elif parameter.grad is not place:
                place.copy_(parameter.grad)
            parameter.grad = place

    def _stop(self, why: str) -> None:
        logger.warning("graphs       off from here on: %s", why)
        self.off = True
        self.clear()


class Recorder:
    """Records steps, all in one memory and on one stream, whose memory no other can use: recordings run one after the
    other, and nothing of one is read after the next but its result, which lives on."""

    def __init__(self):
        self.pool = self.stream = None

    def __call__(self, step: Callable[[], torch.Tensor]) -> tuple[Callable, torch.Tensor]:
        """Record what `step` launches, without running it: what runs it, and where its result will be.

        Unlike `torch.cuda.graph` it neither collects garbage nor empties the cache, which take longer than a recording.
        """
        if self.stream is None:
            self.pool, self.stream = torch.cuda.graph_pool_handle(), torch.cuda.Stream()
        graph = torch.cuda.CUDAGraph()
        self.stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(self.stream):
            # The loaders' threads may go on using the GPU.
            graph.capture_begin(pool=self.pool, capture_error_mode="thread_local")
            result = step()
            graph.capture_end()
        torch.cuda.current_stream().wait_stream(self.stream)
        return graph.replay, result


@contextmanager
def masks_as_recorded() -> Iterator[None]:
    """The library leaves out a mask that hides nothing, for which it waits for the GPU. While a step is recorded it
    cannot look: here it does not either, so that the same kernels run."""
    looks = masking_utils.is_tracing
    masking_utils.is_tracing = lambda *_: True
    try:
        yield
    finally:
        masking_utils.is_tracing = looks


@contextmanager
def waits_for_gpu() -> Iterator[list]:
    """A list that is filled, at the end, with the warnings of operations inside that wait for the GPU."""
    waits: list = []
    if not torch.cuda.is_available():
        yield waits
        return
    before = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("warn")
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            yield waits
    finally:
        torch.cuda.set_sync_debug_mode(before)
    waits += [warning for warning in caught if "synchronizing CUDA operation" in str(warning.message)]


def _takes_much_memory() -> bool:
    if not torch.cuda.is_available():
        return False
    _, total = torch.cuda.mem_get_info()
    return torch.cuda.max_memory_allocated() > SHARE_OF_MEMORY * total
