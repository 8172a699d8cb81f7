"""A tokenizer for a model from scratch: its vocabulary comes from the training texts."""

from __future__ import annotations

from collections.abc import Iterable

from datasets import Dataset
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from classification.data.corpus import text_columns

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
VOCABULARY_SIZE = 30_000
MIN_FREQUENCY = 2  # rarer words are split into smaller pieces
LONGEST_WORD = 1_000  # characters: Thai has no spaces between words
CONTINUATION = "##"


def all_texts(split: Dataset) -> list[str]:
    """All texts of a split of `id, text, text_pair?`: the first texts of all rows, then the second ones."""
    return [text for name in text_columns(split) for text in split[name]]


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Train a lower-cased WordPiece tokenizer (Wu et al. 2016, Google's Neural Machine Translation System).

    Every Chinese character is a word. A text becomes `[CLS] a [SEP]`, a pair `[CLS] a [SEP] b [SEP]`. Only characters
    that are not in `texts` are unknown tokens. The same texts give the same vocabulary in every process.
    """
    pieces = _train_pieces(list(texts))
    unknown = SPECIAL["unk_token"]
    backend = Tokenizer(models.WordPiece(pieces, unk_token=unknown, max_input_chars_per_word=LONGEST_WORD))
    _set_word_boundaries(backend)
    cls, sep = SPECIAL["cls_token"], SPECIAL["sep_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in (cls, sep)],
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **SPECIAL)


def _set_word_boundaries(backend: Tokenizer) -> None:
    backend.normalizer = normalizers.BertNormalizer(strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()


def _train_pieces(texts: list[str]) -> dict[str, int]:
    """Map every piece to its id, special tokens first.

    The trainer numbers the pieces that continue a word in the order of a hash table, which differs between processes,
    and these numbers decide between equally frequent pairs. Named as special tokens, the pieces have a fixed order.
    """
    backend = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    _set_word_boundaries(backend)
    characters = {character for text in texts for character in set(backend.normalizer.normalize_str(text))}
    continued = [CONTINUATION + character for character in sorted(characters) if not character.isspace()]
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY_SIZE,
        min_frequency=MIN_FREQUENCY,
        special_tokens=[*SPECIAL.values(), *continued],
        show_progress=False,
        continuing_subword_prefix=CONTINUATION,
    )
    backend.train_from_iterator(texts, trainer)
    return backend.get_vocab()
