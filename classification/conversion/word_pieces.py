"""Google's vocab.txt: its word pieces with their ids, and whether texts are lower-cased before they are cut."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from transformers import BertTokenizer

from classification.conversion.bert_settings import BertSettings
from classification.conversion.release_files import VOCABULARY
from classification.errors import UsageError, join_first

FLAG = "--lower_case"
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
# Names in which Google's releases say how they were trained; a letter beside them makes another word.
NAMES = {
    re.compile(r"(?<![a-z])uncased(?![a-z])"): True,
    re.compile(r"(?<![a-z])cased(?![a-z])"): False,
    re.compile(r"(?<![a-z])multilingual_L-12_H-768_A-12(?![0-9])", re.IGNORECASE): True,
    re.compile(r"(?<![a-z])chinese(?![a-z])"): True,
}
FEW = 0.01  # share of the word pieces; uncased vocabularies have no capitals, cased ones have 20% and more


@dataclass(frozen=True)
class Casing:
    """Whether texts are lower-cased and lose their accents, and why."""

    lower: bool
    reason: str

    def describe(self) -> str:
        what = "texts are lower-cased, without accents" if self.lower else "capitals and accents are kept"
        other = "" if self.reason == FLAG else f". {FLAG} {str(not self.lower).lower()} changes that"
        return f"{what} ({self.reason}){other}"

    def doubt(self, vocabulary: Mapping[str, int]) -> str:
        """What the vocabulary says against it; empty where it agrees."""
        with_capitals, with_small = letter_shares(vocabulary)
        if self.lower and with_capitals > FEW:
            return f"lower-cases, but {with_capitals:.0%} of its word pieces have capitals"
        if not self.lower and not with_capitals and with_small > FEW:
            return "keeps capitals, but no word piece has a capital letter"
        return ""


def read_vocabulary(path: Path, settings: BertSettings, where: str) -> dict[str, int]:
    """Word piece -> id, the number of its line.

    As in Google's code, spaces around one do not count, and where one occurs twice, the later line does.

    Raises:
        UsageError: no UTF-8, another number of lines than the model has embeddings, or no special tokens.
    """
    try:
        lines = path.read_bytes().decode("utf-8-sig").split("\n")  # other line ends may be word pieces
    except UnicodeDecodeError as error:
        raise UsageError(f"{where}: {VOCABULARY} is not UTF-8. Take the file of the published checkpoint.") from error
    lines = [line.strip(" \t\r") for line in (lines if lines[-1] else lines[:-1])]
    count, wanted = len(lines), settings.sizes["vocab_size"]
    if count != wanted:
        remedy = "Take the file of the published checkpoint."
        if count < wanted:
            remedy += f" If its embeddings were padded, append {wanted - count} lines such as [padding1]."
        raise UsageError(f"{where}: {VOCABULARY} has {count:,} word pieces, and the model has {wanted:,}. {remedy}")
    vocabulary = {piece: number for number, piece in enumerate(lines) if piece}
    missing = [token for token in SPECIAL if token not in vocabulary]
    if missing:
        raise UsageError(
            f"{where}: {VOCABULARY} lacks {join_first(missing)}. Take the file of the published checkpoint."
        )
    return vocabulary


def choose_casing(
    wanted: bool | None, settings: BertSettings, names: Iterable[str], vocabulary: Mapping[str, int], where: str
) -> Casing:
    """Decide by `--lower_case`, else by the config, else by the names of zip file and folder, else by the vocabulary.

    Args:
        wanted: the value of the flag; None without it.

    Raises:
        UsageError: names that contradict each other or the vocabulary.
    """
    if wanted is not None:
        return Casing(wanted, FLAG)
    if settings.lower_case is not None:
        casing = Casing(settings.lower_case, "do_lower_case in its config")
    else:
        casing = casing_of_names(names, where) or casing_of_words(vocabulary)
    if doubt := casing.doubt(vocabulary):
        raise UsageError(f"{where}: {casing.reason}: it {doubt}. Pass {FLAG} true or {FLAG} false.")
    return casing


def casing_of_names(names: Iterable[str], where: str) -> Casing | None:
    """What the names say, the first one that is known; None where none is."""
    found: dict[bool, Casing] = {}
    for name in names:
        for pattern, lower in NAMES.items():
            if match := pattern.search(name if pattern.flags & re.IGNORECASE else name.lower()):
                found.setdefault(lower, Casing(lower, f"its name has {match.group()!r}"))
                break
    if len(found) > 1:
        reasons = " and ".join(casing.reason for casing in found.values())
        raise UsageError(f"{where}: {reasons}. Pass {FLAG} true or {FLAG} false.")
    return next(iter(found.values()), None)


def casing_of_words(vocabulary: Mapping[str, int]) -> Casing:
    with_capitals, _ = letter_shares(vocabulary)
    if with_capitals > FEW:
        return Casing(False, f"{with_capitals:.0%} of its word pieces have capitals")
    return Casing(True, "its word pieces have no capitals")


def letter_shares(vocabulary: Mapping[str, int]) -> tuple[float, float]:
    """The shares of word pieces with capital and with small letters; special tokens are left out."""
    words = [piece for piece in vocabulary if not re.fullmatch(r"\[.*\]", piece)]
    count = max(len(words), 1)
    return sum(word != word.lower() for word in words) / count, sum(word != word.upper() for word in words) / count


def make_tokenizer(vocabulary: Mapping[str, int], casing: Casing, settings: BertSettings) -> BertTokenizer:
    """BERT's tokenizer. Chinese characters are single words in every release of Google's."""
    return BertTokenizer(
        vocab=dict(vocabulary),
        do_lower_case=casing.lower,
        tokenize_chinese_chars=True,
        strip_accents=None,  # as `do_lower_case`
        model_max_length=settings.sizes["max_position_embeddings"],
    )
