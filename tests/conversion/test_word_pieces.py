"""The vocabulary keeps its ids, and the casing is decided by the first that knows it."""

from __future__ import annotations

import pytest
from made_releases import CASED, CONFIG, SPECIAL, UNCASED

from classification.conversion.bert_settings import BertSettings
from classification.conversion.word_pieces import choose_casing, make_tokenizer, read_vocabulary
from classification.errors import UsageError

SIZES = {name: value for name, value in CONFIG.items() if isinstance(value, int)}
SETTINGS = BertSettings(SIZES)


def vocabulary(words):
    return {piece: number for number, piece in enumerate([*SPECIAL, *words])}


def read(tmp_path, content, count=None):
    path = tmp_path / "vocab.txt"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    settings = BertSettings(SIZES | ({"vocab_size": count} if count else {}))
    return read_vocabulary(path, settings, "ZIP_OR_DIR it")


def lines(words):
    return "".join(f"{word}\n" for word in [*SPECIAL, *words])


def casing(names=(), words=UNCASED, wanted=None, lower_case=None):
    settings = BertSettings(SIZES, lower_case=lower_case)
    return choose_casing(wanted, settings, names, vocabulary(words), "ZIP_OR_DIR it")


# ------------------------------------------------------------------------------------------------------- vocabulary


@pytest.mark.parametrize("ends", ["\n", "\r\n"])
def test_the_id_is_the_number_of_the_line(tmp_path, ends):
    assert read(tmp_path, lines(CASED).replace("\n", ends)) == vocabulary(CASED)
    assert read(tmp_path, lines(CASED).removesuffix("\n")) == vocabulary(CASED)


def test_a_line_separator_inside_a_word_piece_is_no_line_end(tmp_path):
    words = [*UNCASED[:-3], "\u2028", "a\x85b", "\x1c"]
    assert read(tmp_path, lines(words)) == vocabulary(words)


def test_of_two_equal_word_pieces_the_later_line_counts_and_an_empty_line_keeps_its_number(tmp_path):
    words = [*UNCASED[:-2], "the", ""]
    found = read(tmp_path, lines(words))
    assert found["the"] == 38 and "" not in found and found["[MASK]"] == 5


def test_spaces_around_a_word_piece_are_none_of_it(tmp_path):
    assert read(tmp_path, lines(UNCASED).replace("\n", " \t\n")) == vocabulary(UNCASED)


@pytest.mark.parametrize(
    ("change", "word"), [(1, "has 41 word pieces, and the model has 40"), (-2, "has 38 word pieces")]
)
def test_the_model_has_one_embedding_per_line(tmp_path, change, word):
    words = [*UNCASED, "extra"] if change > 0 else UNCASED[:change]
    with pytest.raises(UsageError, match=word):
        read(tmp_path, lines(words))


def test_the_remedy_for_padded_embeddings_works(tmp_path):
    with pytest.raises(UsageError, match=r"append 2 lines such as \[padding1\]"):
        read(tmp_path, lines(UNCASED), 42)
    assert len(read(tmp_path, lines([*UNCASED, "[padding1]", "[padding2]"]), 42)) == 42


def test_special_tokens_are_needed(tmp_path):
    with pytest.raises(UsageError, match=r"lacks \[CLS\], \[MASK\]"):
        read(tmp_path, lines(UNCASED).replace("[CLS]", "<s>").replace("[MASK]", "<mask>"))


@pytest.mark.parametrize("content", [b"\xff\xfe[\x00P\x00", "[PAD]\ncafé".encode("latin-1")])
def test_another_encoding_is_refused(tmp_path, content):
    with pytest.raises(UsageError, match="is not UTF-8"):
        read(tmp_path, content)


def test_the_tokenizer_has_the_ids_of_the_file_after_saving(tmp_path):
    from transformers import AutoTokenizer

    words = [*UNCASED[:-2], "the", ""]
    found = read(tmp_path, lines(words))
    make_tokenizer(found, casing(words=words), SETTINGS).save_pretrained(tmp_path / "model")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "model")
    assert tokenizer.get_vocab() == found and tokenizer("The")["input_ids"] == [3, 38, 4]


# ----------------------------------------------------------------------------------------------------------- casing


@pytest.mark.parametrize(
    ("name", "lower"),
    [
        ("uncased_L-12_H-768_A-12.zip", True),
        ("wwm_uncased_L-24_H-1024_A-16", True),
        ("UNCASED.zip", True),
        ("multilingual_L-12_H-768_A-12.zip", True),
        ("chinese_L-12_H-768_A-12", True),
        ("chinese_wwm_ext_L-12_H-768_A-12.zip", True),
        ("cased_L-12_H-768_A-12.zip", False),
        ("multi_cased_L-12_H-768_A-12.zip", False),
        ("multi_cased_L-12_H-768_A-12 (1).zip", False),
        ("biobert-cased", False),
    ],
)
def test_the_name_tells_the_casing(name, lower):
    words = UNCASED if lower else CASED
    assert casing([name, ""], words).lower is lower
    assert casing(["download.zip", name], words).lower is lower


@pytest.mark.parametrize("name", ["showcased", "unreleased", "model", ""])
def test_other_names_tell_nothing_and_the_vocabulary_decides(name):
    assert casing([name]).describe().startswith("texts are lower-cased, without accents (its word pieces have no cap")
    assert casing([name], CASED).describe().startswith("capitals and accents are kept (")


def test_the_flag_comes_first_then_the_config_then_the_name():
    assert casing(["cased"], CASED, wanted=True, lower_case=False).lower
    assert not casing(["uncased"], CASED, lower_case=False).lower
    assert casing(["uncased"], wanted=False).lower is False


def test_names_that_disagree_are_refused():
    with pytest.raises(UsageError, match="'uncased' and its name has 'cased'. Pass --lower_case true or"):
        casing(["uncased.zip", "cased_L-12"])


@pytest.mark.parametrize(
    ("names", "words", "lower_case", "fact"),
    [(["uncased"], CASED, None, "have capitals"), (["cased"], UNCASED, None, "no word piece has a capital letter"),
     ([], CASED, True, "have capitals")],
)  # fmt: skip
def test_a_name_that_the_vocabulary_contradicts_is_refused_and_the_flag_decides(names, words, lower_case, fact):
    with pytest.raises(UsageError) as refused:
        casing(names, words, lower_case=lower_case)
    assert fact in str(refused.value) and "Pass --lower_case true or --lower_case false." in str(refused.value)
    assert casing(names, words, wanted=True, lower_case=lower_case).lower


def test_chinese_without_latin_letters_may_keep_its_case():
    assert casing(["cased"], ["好", "影"]).lower is False
