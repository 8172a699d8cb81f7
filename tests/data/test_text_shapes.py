"""What a text looks like: scripts and function words, also of texts that nobody expects."""

from __future__ import annotations

import pytest

from classification.data.function_words import languages_by_word
from classification.data.text_shapes import LONGEST, NO_LETTERS, OTHER, language_shares, script_of, shape_of

SENTENCES = {
    "English": "The film was not what we had hoped for, but they liked it.",
    "German": "Der Film war nicht so gut, aber wir haben ihn mit der Familie gesehen.",
    "Dutch": "De film was niet wat we hadden gehoopt, maar het is een mooie dag voor ons.",
    "French": "Le film n'est pas très bon, mais nous avons passé une soirée avec des amis.",
    "Spanish": "La película no es muy buena, pero fue una noche con los amigos de mi hermano.",
    "Portuguese": "O filme não é muito bom, mas foi uma noite com os amigos do meu irmão.",
    "Italian": "Il film non è molto bello, ma è stata una serata con gli amici della mia famiglia.",
    "Swedish": "Det var inte en bra film, men vi har haft en kväll med alla som jag känner.",
    "Polish": "To nie jest dobry film, ale to był wieczór z rodziną i już się nie nudzę.",
    "Turkish": "Bu çok iyi bir film değil ama ben ve ailem için daha iyi olan bir şey var.",
    "Vietnamese": "Đây không phải là một bộ phim hay nhưng tôi và các bạn đã có một ngày với nó.",
    "Russian": "Это не очень хороший фильм, но мы были с друзьями, и я так рад.",
    "Ukrainian": "Це не дуже хороший фільм, але ми були з друзями, і я так радий, що це було.",
    "Persian": "این فیلم خوب نیست اما من با دوستان خود بودم و آن را در خانه دیدم",
    "Arabic": "هذا الفيلم ليس جيدا لكن أنا كنت مع أصدقائي في البيت ثم كان كل شيء على ما يرام",
    "Hindi": "यह फिल्म बहुत अच्छी नहीं है लेकिन मैं अपने दोस्तों के साथ था और हम घर में थे",
}


@pytest.mark.parametrize("language", SENTENCES)
def test_a_sentence_has_most_function_words_of_its_own_language(language):
    shares = language_shares(SENTENCES[language])
    assert max(shares, key=lambda name: shares[name]) == language and shares[language] > 0.25


def test_a_decomposed_text_has_the_words_of_the_composed_one():
    import unicodedata

    text = SENTENCES["Vietnamese"]
    assert language_shares(unicodedata.normalize("NFD", text)) == language_shares(unicodedata.normalize("NFC", text))


@pytest.mark.parametrize(
    ("text", "scripts"),
    [
        ("plain ASCII 123", {"Latin": 1.0}),
        ("Ünïcödé", {"Latin": 1.0}),
        ("кот", {"Cyrillic": 1.0}),
        ("abкотикс", {"Latin": 0.25, "Cyrillic": 0.75}),
        ("映画", {"Han": 1.0}),
        ("ひとカナ", {"Kana": 1.0}),
        ("영화", {"Hangul": 1.0}),
        ("سينما", {"Arabic": 1.0}),
        ("ภาพ", {"Thai": 1.0}),
        ("ᏣᎳᎩ", {OTHER: 1.0}),
        ("", {NO_LETTERS: 1.0}),
        ("12 😀 !\x00", {NO_LETTERS: 1.0}),
        ("\ud83d", {NO_LETTERS: 1.0}),
        ("𝓱𝓲", {OTHER: 1.0}),
    ],
)
def test_scripts_of_the_letters(text, scripts):
    assert shape_of(text).scripts == scripts


def test_a_long_text_is_looked_at_from_its_beginning():
    shape = shape_of("a " * LONGEST + "кот")
    assert shape.scripts == {"Latin": 1.0} and shape.characters == LONGEST


def test_every_language_has_words_and_no_word_is_empty():
    words = languages_by_word()
    assert "" not in words and all(word == word.lower() for word in words)
    assert len({name for names in words.values() for name in names}) >= 24


def test_hiragana_is_no_script_of_its_own():
    assert script_of("ひ") == script_of("カ") == "Kana"
