"""Texts as vectors of a pretrained encoder that is not trained further: its pooled states, or means of its tokens."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import torch
from scipy import sparse
from torch.nn.functional import normalize
from transformers import AutoModel, PreTrainedConfig, PreTrainedModel, PreTrainedTokenizerBase

from classification.cli.options import Options
from classification.data.encoding import encode_batch, structural_ids
from classification.data.truncation import Truncation
from classification.data.windows import in_parts
from classification.errors import UsageError
from classification.messages.progress import progress
from classification.models.adapters import choose_base
from classification.models.bilstm import BiLstmConfig
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import MODULES, read_json, trained_pooling
from classification.models.fast_kernels import choose_kernels
from classification.models.from_scratch import make_tokenizer
from classification.models.kernels.machine import number_of_processes
from classification.models.loading import load_config
from classification.models.memory_errors import free_memory, is_out_of_memory
from classification.models.pooled_head import PooledConfig, pool
from classification.models.precision import Precision, decide_precision, device_type
from classification.models.tokenization import fit_tokenizer
from classification.models.weights import read_weights
from classification.training.evaluation_order import TokenBoundedBatches
from classification.training.out_of_memory import Batch
from classification.training.text_batches import TextBatches

# N texts, B texts of a batch (or windows), T tokens, H size of the states, E size of a token's embedding, V tokens.

AT_ONCE = 1000  # texts that the tokenizer gets at a time
POOLINGS = ("cls", "mean", "max")


@dataclass(frozen=True)
class FrozenEncoder:
    """A pretrained encoder and how its states become one vector per text.

    Args:
        pooling: `cls`, `mean` or `max`; of a document in windows, the mean over its windows.
        normalises: whether vectors are scaled to length 1, as the encoder was trained.
        max_tokens: of a batch, padding included.
    """

    tokenizer: PreTrainedTokenizerBase
    model: PreTrainedModel
    truncation: Truncation
    precision: Precision
    pooling: str
    normalises: bool
    max_tokens: int
    is_quiet: bool = False

    @property
    def encoder_bytes(self) -> int:
        """Bytes of the weights and the tokenizer."""
        return sum(weight.nbytes for weight in self.model.parameters()) + self._tokenizer_bytes

    @property
    def static_bytes(self) -> int:
        """Bytes of the tokens' embeddings and the tokenizer."""
        return self._token_table().nbytes + self._tokenizer_bytes

    @property
    def _tokenizer_bytes(self) -> int:
        return len(self.tokenizer.backend_tokenizer.to_str().encode()) if self.tokenizer.is_fast else 0

    def embed(self, texts: list[str]) -> np.ndarray:
        """The pooled states of texts, fp32 [N, H]; each text is cut as in training."""
        batches = TextBatches(
            self._encode(texts), self.tokenizer, in_windows=self.truncation.in_windows, max_tokens=self.max_tokens,
            is_half=self.precision.is_half,
        )  # fmt: skip
        vectors = torch.from_numpy(batches.outputs(self._forward, self._shown))
        return (normalize(vectors) if self.normalises else vectors).numpy()

    def _shown(self, batches: TokenBoundedBatches) -> Iterable[list[int]]:
        return progress(batches, "Frozen encoder", "batch", disable=self.is_quiet)

    def mean_of_tokens(self, texts: list[str]) -> np.ndarray:
        """The mean of the input embeddings of all tokens of each text, fp32 [N, E].

        It has no limit of length. Tokens that begin, end or separate texts do not count; a text of no others is zero.
        """
        table = self._token_table()
        is_word = np.ones(len(table), dtype=np.float32)
        is_word[[token for token in structural_ids(self.tokenizer) if token < len(table)]] = 0.0
        parts = [np.zeros((0, table.shape[1]), dtype=np.float32)]
        for start in range(0, len(texts), AT_ONCE):
            some = texts[start : start + AT_ONCE]
            ids = self.tokenizer(some, add_special_tokens=False, truncation=False, verbose=False)["input_ids"]
            ends = np.cumsum([0, *map(len, ids)])
            columns = np.fromiter((token for tokens in ids for token in tokens), dtype=np.int64, count=ends[-1])
            counts = sparse.csr_matrix((is_word[columns], columns, ends), shape=(len(some), len(table)))
            totals = np.asarray(counts.sum(axis=1)).reshape(-1, 1)
            parts.append((counts @ table / np.maximum(totals, 1.0)).astype(np.float32))
        return np.concatenate(parts)

    def _token_table(self) -> np.ndarray:
        """The input embeddings, fp32 [V, E]."""
        return self.model.get_input_embeddings().get_parameter("weight").detach().float().cpu().numpy()

    def _encode(self, texts: list[str]) -> dict[str, list]:
        """The inputs of the model, one list (or with windows a list of lists) per text."""
        columns: dict[str, list] = {}
        for start in range(0, len(texts), AT_ONCE):
            some = encode_batch(
                {"text": texts[start : start + AT_ONCE]}, tokenizer=self.tokenizer,
                max_length=self.tokenizer.model_max_length, truncation=self.truncation,
            )  # fmt: skip
            for name in self.tokenizer.model_input_names:
                if name in some:
                    columns.setdefault(name, []).extend(some[name])
        return columns

    @torch.no_grad()
    def _forward(self, batch: Batch) -> torch.Tensor:
        """Pooled states fp32 [B, H] on the CPU; a batch that does not fit into memory is halved until it does."""
        device = self.model.device
        inputs = {name: values.to(device) for name, values in batch.items()}
        mask = inputs.get("attention_mask")
        if mask is None:
            mask = (inputs["input_ids"] != self.tokenizer.pad_token_id).long()
        rows = len(mask)
        try:
            with torch.autocast(device.type, self.precision.dtype, enabled=self.precision.is_half):
                states = self.model(**inputs).last_hidden_state
            return pool(states, mask, self.pooling).float().cpu()
        except Exception as error:
            if rows == 1 or not is_out_of_memory(error):
                raise
        free_memory()
        return torch.cat([self._forward(part) for part in in_parts(batch, -(-rows // 2))])


def load_frozen_encoder(options: Options) -> FrozenEncoder:
    """The pretrained encoder that the command names, before any training, in the number format of the run.

    Of an adapter's folder, its base model; of an encoder with a decoder, the encoder.

    Raises:
        UsageError: the model does not load, or has no pretrained encoder.
    """
    choice = choose_base(options.model) or options.model
    config = None if choice.from_scratch else load_config(choice)
    if config is None or isinstance(config, BiLstmConfig):
        raise UsageError("the model has no pretrained encoder.")
    device = device_type(options.trainer.is_on("use_cpu"))
    precision = decide_precision(options.run.precision, device, number_of_processes())
    kernels = choose_kernels(config, None, training=False, device=device, precision=precision, compiled=False)
    model, own_pooling = read_encoder(choice, config, kernels.attention)
    kernels.install(model)
    tokenizer = make_tokenizer(choice, config, None)
    truncation = Truncation.choose(choice.truncation_strategy, choice.window_stride)
    fit_tokenizer(tokenizer, model, choice.max_length, truncation, training=True)
    return FrozenEncoder(
        tokenizer, (model.get_encoder() if config.is_encoder_decoder else model).eval().to(device), truncation,
        precision, own_pooling or pooling_of(choice), normalises(choice),
        max_tokens=int(options.trainer.number("per_device_eval_batch_size")) * tokenizer.model_max_length,
        is_quiet=options.is_quiet,
    )  # fmt: skip


def read_encoder(choice: ModelChoice, config: PreTrainedConfig, attention: str | None) -> tuple[PreTrainedModel, str]:
    """The encoder without its head, and the pooling of a head of ours ("" for another model)."""
    if isinstance(config, PooledConfig):
        whole, _, _ = read_weights(choice.name, choice, config, attention, any_head=True, new_head=True)
        return whole.encoder, config.pooling
    model, _, _ = read_weights(choice.name, choice, config, attention, any_head=False, new_head=True, auto=AutoModel)
    return model, ""


def pooling_of(choice: ModelChoice) -> str:
    """The pooling that the encoder was trained with, where its folder names one that we have; else the mean."""
    trained = trained_pooling(choice)
    return trained[0] if len(trained) == 1 and trained[0] in POOLINGS else "mean"


def normalises(choice: ModelChoice) -> bool:
    """Whether modules.json ends in a module that scales vectors to length 1, as sentence-transformers writes it."""
    modules = read_json(choice, MODULES)
    kinds: Iterable = modules if isinstance(modules, list) else ()
    names = (entry.get("type") for entry in kinds if isinstance(entry, dict))
    return any(isinstance(name, str) and name.split(".")[-1] == "Normalize" for name in names)
