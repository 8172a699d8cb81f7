"""The model's own embedding of a text: what its last linear layer reads, which decides between the labels.

Neighbours in this space are texts that the model cannot tell apart. It is kept during the prediction of test, where
that is possible, and is computed for other rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch
from datasets import Dataset
from torch import nn
from transformers import PreTrainedModel

from classification.data.length_order import in_row_order
from classification.data.windows import COUNTS, in_parts, pool_windows
from classification.errors import RunError
from classification.training.trainer import ClassificationTrainer

# N rows of a split, B rows of a pass (or windows), T tokens, H size of the embedding, C labels.

MAX_KEPT = 256_000_000  # bytes of embeddings that a prediction keeps


class LastLayer:
    """Keeps what the last linear layer of a model reads while the model runs.

    The layer is found by what it does: of all layers with C outputs, the one that is called last. Inside `with`.
    """

    def __init__(self, model: PreTrainedModel):
        self.layers = [
            module for module in model.modules() if getattr(module, "out_features", None) == model.config.num_labels
        ]
        self.read: torch.Tensor | None = None
        self.written: torch.Tensor | None = None

    @contextmanager
    def watched(self) -> Iterator[LastLayer]:
        handles = [layer.register_forward_hook(self._keep) for layer in self.layers]
        try:
            yield self
        finally:
            for handle in handles:
                handle.remove()

    def _keep(self, layer: nn.Module, inputs: tuple, output: object) -> None:
        if inputs and isinstance(inputs[0], torch.Tensor) and isinstance(output, torch.Tensor):
            self.read, self.written = inputs[0].detach(), output.detach()

    def take(self, logits: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        """The embeddings of the pass that gave these logits [B, C]: fp32 [B, H].

        A decoder scores every token. Its embedding is that of the token whose scores are the logits.

        Args:
            mask: attention_mask [B, T]; None where the model has none.

        Raises:
            RunError: the logits do not come from a linear layer of the model.
        """
        read, written, self.read, self.written = self.read, self.written, None, None
        if read is not None and written is not None and len(read) == len(logits) and read.dim() in (2, 3):
            same = (written.to(logits.dtype) == logits.reshape(len(logits), *[1] * (read.dim() - 2), -1)).all(-1)
            if read.dim() == 3 and mask is not None and mask.shape == same.shape:
                same &= mask.bool().to(same.device)
            if read.dim() == 2 and same.all():
                return read.float()
            if read.dim() == 3 and same.any(dim=1).all():
                places = torch.arange(same.shape[1], device=same.device)
                last = torch.where(same, places, -1).argmax(dim=1)
                return read[torch.arange(len(read), device=read.device), last].float()
        raise RunError("the model's logits do not come from a linear layer, so that there is no embedding to compare.")


class EmbeddingRecorder:
    """Keeps the embeddings of the rows of one split while the Trainer predicts them.

    It keeps none with several processes, each of which sees a part of the rows, for a compiled model, and where they
    would need more memory than `MAX_KEPT`.

    Args:
        split: the name of the split.
    """

    def __init__(self, split: str):
        self.split = split
        self.embeddings: np.ndarray | None = None  # fp32 [N, H], in row order

    @contextmanager
    def recording(self, trainer: ClassificationTrainer, split: str, rows: Dataset) -> Iterator[None]:
        """Inside, `trainer.predict` predicts the rows of a split; an error in recording costs the record only."""
        if split != self.split or trainer.args.world_size > 1 or trainer.args.torch_compile or not len(rows):
            yield
            return
        counts, (_, order) = window_counts(rows), trainer.evaluation_batches(rows, "")
        missing = int(counts.sum()) if counts is not None else len(rows)
        kept: list[np.ndarray] | None = []
        with LastLayer(trainer.model).watched() as layer:

            def keep(batch: dict[str, torch.Tensor], logits: torch.Tensor) -> None:
                nonlocal kept, missing
                if kept is None or missing <= 0:  # rows near a tie are computed once more
                    return
                try:
                    embeddings = layer.take(logits, batch.get("attention_mask")).cpu().numpy()
                except Exception:  # whatever it is, the prediction goes on
                    kept = None
                    return
                missing -= len(embeddings)
                kept.append(embeddings)
                if embeddings.nbytes // len(embeddings) * len(rows) > MAX_KEPT:
                    kept = None

            trainer.after_pass = keep
            try:
                yield
            finally:
                trainer.after_pass = None
        if kept is not None and missing == 0:
            self.embeddings = in_row_order(mean_per_document(np.concatenate(kept), counts, order), order)


@contextmanager
def recorded(trainer: ClassificationTrainer, split: str, rows: Dataset) -> Iterator[None]:
    """Inside, the recorder of the Trainer, if it has one, keeps the embeddings of the rows that are predicted."""
    if trainer.recorder is None:
        yield
        return
    with trainer.recorder.recording(trainer, split, rows):
        yield


def window_counts(rows: Dataset) -> np.ndarray | None:
    """How many windows each row has, [N]; None where rows have no windows."""
    if not len(rows) or not isinstance(rows[0]["input_ids"][0], list):
        return None
    return np.array([len(windows) for windows in rows["input_ids"]])


def mean_per_document(embeddings: np.ndarray, counts: np.ndarray | None, order: np.ndarray) -> np.ndarray:
    """Embeddings of windows, [W, H], whose documents are in `order` -> of documents, [N, H]."""
    if counts is None:
        return embeddings
    sizes = counts[order]
    sums = np.add.reduceat(embeddings, np.cumsum(sizes) - sizes, axis=0)
    return sums / sizes[:, None]


@torch.no_grad()
def embed_rows(trainer: ClassificationTrainer, rows: Dataset) -> np.ndarray:
    """The embeddings of rows, fp32 [N, H], in row order; of a document in windows, the mean over them.

    One process computes all of them, and no other has to take part.

    Raises:
        RunError: see `LastLayer.take`; or a single row does not fit into memory.
    """
    model = trainer.model
    was_training = model.training
    model.eval()
    batches, order = trainer.evaluation_batches(rows, "Neighbours")
    embeddings = []
    try:
        with LastLayer(model).watched() as layer, trainer.accelerator.autocast():

            def forward(part: dict[str, torch.Tensor]) -> torch.Tensor:
                # The class's own forward: no wrapper of another process, no compiled graph without hooks.
                logits = type(model).forward(model, **part).logits
                return layer.take(logits, part.get("attention_mask"))

            for batch in batches:
                counts = batch.pop(COUNTS, None)
                parts = [
                    trainer.in_passes(forward, part) for part in in_parts(batch, trainer.rows_at_once(batch, counts))
                ]
                embeddings.append(pool_windows(torch.cat(parts), counts).cpu().numpy())
    finally:
        model.train(was_training)
    return in_row_order(np.concatenate(embeddings), order)
