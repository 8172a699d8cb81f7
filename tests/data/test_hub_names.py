"""Names on the Hub are told apart from local paths, and language and licence come from a card on the disk only."""

from __future__ import annotations

import pytest

from classification.data.hub_names import card_facts, hub_id, origins

SNAPSHOT = "/home/anna/.cache/huggingface/hub/models--google-bert--bert-base-uncased/snapshots/" + "a" * 40


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bert-base-uncased", "bert-base-uncased"),
        ("google-bert/bert-base-uncased", "google-bert/bert-base-uncased"),
        (SNAPSHOT, "google-bert/bert-base-uncased"),
        (SNAPSHOT + "/", "google-bert/bert-base-uncased"),
        (SNAPSHOT.replace("models--google-bert--bert-base-uncased", "datasets--imdb"), "imdb"),
        ("/home/anna/models/bert", None), ("./bert", None), ("~/bert", None), ("../a/b", None), ("a/b/c", None),
        ("C:\\Users\\anna\\bert", None), ("", None), (None, None), ("anna's model", None),
    ],
)  # fmt: skip
def test_a_local_path_has_no_name_on_the_hub(name, expected):
    assert hub_id(name) == expected


def test_a_folder_with_the_form_of_a_hub_name_is_local(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "anna" / "bert").mkdir(parents=True)
    assert hub_id("anna/bert") is None and hub_id("anna/other") == "anna/other"


def test_a_new_lstm_is_no_model_of_the_hub():
    assert origins({"model_name_or_path": "bilstm", "dataset_name": "imdb"}) == {"dataset": "imdb"}


CARDS = {
    "both": ("---\nlanguage: en\nlicense: mit\n---\n# A", {"language": "en", "license": "mit"}),
    "line ends of Windows": ("\ufeff---\r\nlicense: mit\r\n---\r\n", {"license": "mit"}),
    "Norwegian": ("---\nlanguage: no\n---\n", {"language": "no"}),  # YAML 1.1 reads it as false
    "a list": ("---\nlanguage: [en, no, zh]\n---\n", {"language": ["en", "no", "zh"]}),
    "a licence of its own": (
        "---\nlicense: other\nlicense_name: mine\nlicense_link: LICENSE\n---\n",
        {"license": "other", "license_name": "mine", "license_link": "LICENSE"},
    ),
    "no block": ("# A model\nlicense: mit\n", {}),
    "broken": ("---\nlicense: [mit\n---\n", {}),
    "no mapping": ("---\n- mit\n---\n", {}),
    "no texts": ("---\nlicense: 3\nlanguage: {en: 1}\n---\n", {}),
    "several lines": ('---\nlicense: "a\\nb"\n---\n', {}),
    "code": ("---\nlicense: !!python/object/apply:os.system [ls]\n---\n", {}),
}


@pytest.mark.parametrize("name", CARDS)
def test_the_card_of_the_base_model_gives_language_and_licence(name, tmp_path):
    text, expected = CARDS[name]
    (tmp_path / "README.md").write_bytes(text.encode())
    assert card_facts(str(tmp_path), "main", None) == expected


def test_nothing_is_guessed_without_a_card(tmp_path):
    assert card_facts(str(tmp_path), "main", None) == {}
    assert card_facts("google-bert/not-here", "main", str(tmp_path)) == {}
