"""The flags that load a model, which predict.py and scripts/serve.py share."""

from __future__ import annotations

from classification.cli.command_table import TableFlag
from classification.cli.prediction_values import READERS as R

MODEL = "model"
READING = (
    TableFlag("max_seq_length", MODEL, "Tokens per text or window. Default: as in training.", R["length"], "N"),
    TableFlag("truncation_strategy", MODEL, "What is read of long texts. Default: as in training.", R["truncation"]),
)
PRECISION = TableFlag("precision", MODEL, "Number format of the products (default: auto).", R["precision"])
BATCH_TOKENS = TableFlag("batch_tokens", MODEL, "Tokens per batch. Default: by the device.", R["count"], "N")
REVISION = TableFlag("model_revision", MODEL, "Branch, tag or commit of a model on the Hub.", R["name"], "NAME")
DOWNLOADS = (
    TableFlag("cache_dir", MODEL, "Folder of downloads.", R["name"], "FOLDER"),
    TableFlag("trust_remote_code", MODEL, "Run code that comes with the model."),
)
