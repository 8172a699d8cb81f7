"""A tokenizer for a model that starts from random weights: its vocabulary is that of the texts it is trained on."""

from __future__ import annotations

from collections.abc import Iterable

from datasets import Dataset
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from classification.data.splitting import text_columns

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
MOST_PIECES = 30_000
SELDOM = 2  # what occurs less often is no piece of its own
LONGEST_WORD = 1_000  # characters: Thai puts no space between words
CONTINUED = "##"


def all_texts(split: Dataset) -> list[str]:
    """All texts of a split of `id, text, text_pair?`, the second ones behind the first."""
    return [text for name in text_columns(split) for text in split[name]]


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Word pieces (Wu et al. 2016, Google's Neural Machine Translation System), lower-cased, every
    Chinese character a word: `[CLS] a [SEP]`, of a pair `[CLS] a [SEP] b [SEP]`. No text has more than a few unknown
    characters, and the same texts give the same vocabulary in every process."""
    texts = list(texts)
    backend = Tokenizer(models.WordPiece(_train_pieces(texts), unk_token=SPECIAL["unk_token"],
                                         max_input_chars_per_word=LONGEST_WORD))  # fmt: skip
    _cut_into_words(backend)
    cls, sep = SPECIAL["cls_token"], SPECIAL["sep_token"]
    backend.post_processor = processors.TemplateProcessing(
        single=f"{cls} $A {sep}",
        pair=f"{cls} $A {sep} $B:1 {sep}:1",
        special_tokens=[(token, backend.token_to_id(token)) for token in (cls, sep)],
    )
    names = ["input_ids", "token_type_ids", "attention_mask"]
    return PreTrainedTokenizerFast(tokenizer_object=backend, model_input_names=names, **SPECIAL)


def _cut_into_words(backend: Tokenizer) -> None:
    backend.normalizer = normalizers.BertNormalizer(strip_accents=False)
    backend.pre_tokenizer = pre_tokenizers.BertPreTokenizer()


def _train_pieces(texts: list[str]) -> dict[str, int]:
    """Piece to id, special tokens first.

    The trainer numbers the pieces that continue a word in the order of a hash table, which differs from process to
    process, and decides between pairs that are equally frequent by these numbers: so all are named to it beforehand.
    """
    backend = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    _cut_into_words(backend)
    letters = {letter for text in texts for letter in set(backend.normalizer.normalize_str(text))}
    named = [*SPECIAL.values(), *(CONTINUED + letter for letter in sorted(letters) if not letter.isspace())]
    trainer = trainers.WordPieceTrainer(
        vocab_size=MOST_PIECES, min_frequency=SELDOM, special_tokens=named, show_progress=False,
        continuing_subword_prefix=CONTINUED,
    )  # fmt: skip
    backend.train_from_iterator(texts, trainer)
    return backend.get_vocab()
