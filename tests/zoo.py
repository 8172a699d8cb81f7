"""Tiny models with random weights, one of each architecture, as they come from the Hub: no head, a tokenizer of the
class and with the special tokens of the real one, a config that agrees with both."""

from __future__ import annotations

import atexit
import json
import shutil
import string
import tempfile
from functools import cache
from pathlib import Path

from corpus import BAD, FILLER, GOOD

LENGTH = 64  # tokens that a model reads; RoBERTa-like ones have 2 positions more
WORDS = [*GOOD, *BAD, *FILLER, "电影", "很好", "糟糕", "كتاب", "جميل", "سيئ"]
CHARACTERS = sorted({*"".join(WORDS), *string.ascii_letters, *string.digits, *string.punctuation})

SIZE = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": LENGTH,
}
BERT_IDS = {"pad_token_id": "[PAD]"}
ROBERTA = SIZE | {
    "max_position_embeddings": LENGTH + 2,
    "pad_token_id": "<pad>",
    "bos_token_id": "<s>",
    "eos_token_id": "</s>",
}
# What differs from the library's defaults, which are those of the Hub's models. A token stands for its id.
SETTINGS = {
    "bert": SIZE | BERT_IDS,
    "multilingual-bert": SIZE | BERT_IDS,
    "distilbert": BERT_IDS
    | {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 64, "max_position_embeddings": LENGTH},
    "electra": SIZE | BERT_IDS | {"embedding_size": 16},
    "mpnet": ROBERTA | {"layer_norm_eps": 1e-5},
    "roberta": ROBERTA | {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "xlm-roberta": ROBERTA | {"type_vocab_size": 1, "layer_norm_eps": 1e-5},
    "albert": SIZE | {"embedding_size": 16, "pad_token_id": "<pad>", "bos_token_id": "[CLS]", "eos_token_id": "[SEP]"},
    "deberta-v2": SIZE
    | BERT_IDS
    | {
        "relative_attention": True,
        "pos_att_type": "p2c|c2p",
        "norm_rel_ebd": "layer_norm",
        "share_att_key": True,
        "position_buckets": 16,
        "position_biased_input": False,
        "dtype": "float16",
    },
    "modernbert": SIZE
    | BERT_IDS
    | {
        "bos_token_id": "[CLS]",
        "cls_token_id": "[CLS]",
        "eos_token_id": "[SEP]",
        "sep_token_id": "[SEP]",
        "local_attention": 16,
        "classifier_pooling": "mean",
    },
    "gpt2": {
        "n_embd": 32,
        "n_layer": 2,
        "n_head": 2,
        "n_positions": LENGTH,
        "bos_token_id": "<|endoftext|>",
        "eos_token_id": "<|endoftext|>",
    },
    "llama": SIZE | {"bos_token_id": "<s>", "eos_token_id": "</s>"},
    "qwen2": SIZE | {"num_key_value_heads": 1, "bos_token_id": "<|endoftext|>", "eos_token_id": "<|endoftext|>"},
}
ARCHITECTURES = tuple(SETTINGS)


def save_pretrained(name: str, folder: Path, **config_changes) -> None:
    """Save the untrained model `name` of `ARCHITECTURES` and its tokenizer in `folder`; starts torch's random numbers.

    Args:
        config_changes: fields of the config with other values than in `SETTINGS`.
    """
    import torch

    shutil.copytree(saved(name, **config_changes), folder, dirs_exist_ok=True)
    torch.manual_seed(0)


@cache
def saved(name: str, **config_changes) -> Path:
    """A folder with the model as `save_pretrained` saves it, made once per process. No test may write into it."""
    import torch
    from transformers import AutoConfig, AutoModel

    tokenizer = make_tokenizer(name)
    settings = {
        key: tokenizer.convert_tokens_to_ids(value) if key.endswith("_token_id") else value
        for key, value in SETTINGS[name].items()
    }
    # At the usual range, 0.02, a model this narrow gives every text the same score.
    common = {"vocab_size": len(tokenizer), "initializer_range": 0.2}
    model_type = "bert" if name == "multilingual-bert" else name
    config = AutoConfig.for_model(model_type, **common | settings | config_changes)
    torch.manual_seed(0)
    folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=_folders()))
    AutoModel.from_config(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@cache
def _folders() -> Path:
    folder = tempfile.mkdtemp(prefix="zoo-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return Path(folder)


def load(
    folder,
    names=("negative", "positive"),
    *,
    training=True,
    precision="fp32",
    device="cpu",
    compiled=False,
    pairs=False,
    prior=None,
    **choice,
):
    """What a run loads from `folder` for a task with the classes `names`, as `Loaded`; its random numbers start at 0.

    Args:
        choice: fields of `ModelChoice`.
    """  # fmt: skip
    import torch

    from classification.data.tasks import infer_task, task_from_config
    from classification.data.trained_labels import continue_task
    from classification.models.choice import ModelChoice
    from classification.models.loading import load_classifier, load_config
    from classification.models.precision import Precision

    torch.manual_seed(0)
    chosen = ModelChoice(str(folder), **choice)
    config = load_config(chosen)
    task = continue_task(infer_task(names), config) if training else task_from_config(config)
    return load_classifier(
        chosen, config, task, training=training, device=device, precision=Precision(precision, "as requested"),
        compiled=compiled, pairs=pairs, prior=prior,
    )  # fmt: skip


def lines_of(loaded) -> dict[str, str]:
    """Topic -> text of the lines about a loaded model; warnings have the topic ""."""
    return {line.topic: line.text for line in loaded.lines}


def encode(tokenizer, texts, more=None):
    """A padded batch of texts (or pairs), cut to the length that was saved."""
    return tokenizer(texts, more, padding=True, truncation=True, return_tensors="pt")


def scores(loaded, texts):
    """Logits [B, C] of the texts in one batch, in evaluation mode."""
    import torch

    with torch.no_grad():
        return loaded.model.eval()(**encode(loaded.tokenizer, texts)).logits


def own_probabilities(loaded, texts):
    """Of a classifier that the recipe has loaded, [B, C]: its logits are raw, and the task applies the temperatures."""
    from classification.data.tasks import task_from_config

    return task_from_config(loaded.model.config).probabilities(scores(loaded, texts).numpy())


def probabilities(folder, texts: list[str], **options):
    """Of a saved classifier, by the library alone, all texts in one padded batch; [B, C]."""
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    batch = encode(AutoTokenizer.from_pretrained(folder), texts)
    with torch.no_grad():
        return AutoModelForSequenceClassification.from_pretrained(folder, **options)(**batch).logits.softmax(-1).numpy()


def make_tokenizer(name: str):
    """A tokenizer of the class that the Hub's model has; the order of its special tokens is the real one too."""
    import transformers

    limit = {"model_max_length": LENGTH}
    bert = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    roberta = ["<s>", "<pad>", "</s>", "<unk>"]
    end = "<|endoftext|>"
    match name:
        case "bert" | "electra":
            return transformers.BertTokenizer(word_pieces(bert), **limit)
        case "multilingual-bert":
            return transformers.BertTokenizer(word_pieces(bert), do_lower_case=False, **limit)
        case "distilbert":
            return transformers.DistilBertTokenizer(word_pieces(bert), **limit)
        case "mpnet":
            return transformers.MPNetTokenizer(word_pieces([*roberta, "[UNK]"], "<mask>"), **limit)
        case "albert":
            specials = ["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"]
            return transformers.AlbertTokenizer(scored_pieces(specials), **limit)
        case "deberta-v2":  # without a limit, and the mask token is not of the vocabulary
            return transformers.DebertaV2Tokenizer(scored_pieces(["[PAD]", "[CLS]", "[SEP]", "[UNK]"]))
        case "xlm-roberta":
            return transformers.XLMRobertaTokenizer(scored_pieces(roberta, "<mask>"), **limit)
        case "roberta":
            return transformers.RobertaTokenizer(*byte_pairs(roberta, "<mask>"), **limit)
        case "modernbert":
            return modernbert_tokenizer(**limit)
        case "gpt2":
            return transformers.GPT2Tokenizer(*byte_pairs([], end), **limit)
        case "qwen2":
            return transformers.Qwen2Tokenizer(*byte_pairs([], end), padding_side="left", **limit)
        case "llama":  # without a limit
            return transformers.LlamaTokenizer(*llama_pairs(), add_bos_token=True, padding_side="left")
    raise ValueError(f"{name} is none of {', '.join(ARCHITECTURES)}")


def numbered(*tokens: str) -> dict[str, int]:
    return {token: i for i, token in enumerate(tokens)}


def word_pieces(specials: list[str], *last: str) -> dict[str, int]:
    """A WordPiece vocabulary: every word and every character, at the start of a word and inside."""
    inside = [f"##{character}" for character in CHARACTERS]
    words = [word for word in WORDS if len(word) > 1]
    return numbered(*specials, *CHARACTERS, *inside, *words, *last)


def scored_pieces(specials: list[str], *last: str) -> list[tuple[str, float]]:
    """A Unigram vocabulary: a word is likelier than the same word in characters."""
    pieces = [("▁", -4.0), *((f"▁{word}", -4.0) for word in WORDS), *((character, -8.0) for character in CHARACTERS)]
    return [*((token, 0.0) for token in specials), *pieces, *((token, 0.0) for token in last)]


def byte_pairs(specials: list[str], *last: str) -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a byte-level BPE that knows every word, at the start of a text and inside."""
    from tokenizers import pre_tokenizers

    splitter = pre_tokenizers.ByteLevel(add_prefix_space=False)
    vocabulary, merges = train_pairs(splitter, specials, splitter.alphabet())
    return vocabulary | {token: len(vocabulary) + i for i, token in enumerate(last)}, merges


def llama_pairs() -> tuple[dict[str, int], list[tuple[str, str]]]:
    """Vocabulary and merges of a BPE over characters, with bytes for the characters that it does not know."""
    from tokenizers import pre_tokenizers

    specials = ["<unk>", "<s>", "</s>", *(f"<0x{i:02X}>" for i in range(256))]
    return train_pairs(pre_tokenizers.Metaspace(), specials, CHARACTERS)


def train_pairs(splitter, specials: list[str], alphabet: list[str]) -> tuple[dict[str, int], list[tuple[str, str]]]:
    from tokenizers import Tokenizer, models, trainers

    backend = Tokenizer(models.BPE())
    backend.pre_tokenizer = splitter
    trainer = trainers.BpeTrainer(
        vocab_size=2000, special_tokens=specials, initial_alphabet=alphabet, show_progress=False
    )
    backend.train_from_iterator([*WORDS, " ".join(WORDS)], trainer)
    model = json.loads(backend.to_str())["model"]
    return model["vocab"], [tuple(pair) for pair in model["merges"]]


def modernbert_tokenizer(**limit):
    """ModernBERT has no tokenizer class of its own; everything is in its tokenizer.json."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    vocabulary, merges = byte_pairs([], "[UNK]", "[CLS]", "[SEP]", "[PAD]", "[MASK]")
    backend = Tokenizer(models.BPE(vocabulary, merges))
    backend.normalizer = normalizers.NFC()
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    backend.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]",
        pair="[CLS] $A [SEP] $B [SEP]",
        special_tokens=[(token, vocabulary[token]) for token in ("[CLS]", "[SEP]")],
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        pad_token="[PAD]",
        mask_token=AddedToken("[MASK]", lstrip=True),
        model_input_names=["input_ids", "attention_mask"],
        **limit,
    )
