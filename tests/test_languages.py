"""Any script: texts and labels come out as they went in, and a vocabulary that lacks them is said."""

from __future__ import annotations

import csv
import json
import unicodedata
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import transformers
import zoo
from conftest import make_rows, write_csv

from classification.reporting.plots import draw, width_of
from data_utils import read_splits
from run_classification import main

TEXTS = {
    "chinese": "这部电影很好看，我不会忘记。",
    "arabic": "لم يكن الفيلم جيدًا، لكن الموسيقى رائعة.",
    "hebrew with a mark of direction": "הסרט \u200fטוב\u200e (מאוד)",
    "hindi": "फ़िल्म बहुत अच्छी थी।",
    "thai": "ภาพยนตร์เรื่องนี้ดีมาก",
    "japanese": "とても面白い映画でした。",
    "emoji in sequences": "great 👩🏽‍🚀👨‍👩‍👧‍👦 ❤️ 🇪🇺",
    "combining marks": "cafe\u0301 na\u0131\u0308ve Z\u0351\u036b\u0343a\u0363\u0308lgo",
    "both directions": "I said שלום and مرحبا, twice",
    "beyond the first plane": "𝔾𝕠𝕠𝕕 𠮷野家",
    "quotes, commas, lines": 'she said "so-so, at best"\nand left;\ttwice',
}
LABELS = ["好评", "سيئ جدا", "😀 e\u0301"]


def rows_of_all(count: int) -> list[dict]:
    texts = list(TEXTS.values())
    return [
        {"id": f"№{i}", "text": f"{texts[i % len(texts)]} {i}", "label": LABELS[i % len(LABELS)]} for i in range(count)
    ]


def write(path: Path, rows: list[dict]) -> str:
    if path.suffix == ".csv":
        return write_csv(path, rows)
    with path.open("w", encoding="utf-8", newline="") as handle:
        if path.suffix == ".jsonl":
            handle.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        else:
            csv.writer(handle, delimiter="\t").writerows([list(rows[0]), *(row.values() for row in rows)])
    return str(path)


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl"])
def test_texts_and_labels_come_out_as_they_went_in(suffix, command, tmp_path):
    zoo.save_pretrained("roberta", tmp_path / "model")
    flags = {
        f"{split}_file": write(tmp_path / f"{split}{suffix}", rows_of_all(count))
        for split, count in (("train", 66), ("validation", 33), ("test", 33))
    }
    main(command(model_name_or_path=tmp_path / "model", max_seq_length=48, num_train_epochs=2, **flags))
    with (tmp_path / "out" / "predictions.csv").open(encoding="utf-8", newline="") as handle:
        read = list(csv.DictReader(handle))
    assert [{name: row[name] for name in ("id", "text", "label")} for row in read] == rows_of_all(33)
    assert set(LABELS) == {name.removeprefix("prob_") for name in read[0] if name.startswith("prob_")}
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert sorted(config.id2label.values()) == sorted(LABELS)
    results = json.loads((tmp_path / "out" / "all_results.json").read_text(encoding="utf-8"))
    assert set(results["test_per_class"]) == set(LABELS)
    assert set(LABELS) <= set(words_of(tmp_path / "out" / "confusion_matrix.svg"))
    answers = transformers.pipeline("text-classification", str(tmp_path / "out"), truncation=True)(read[0]["text"])
    assert answers[0]["label"] == read[0]["prediction"]


def words_of(path: Path) -> list[str]:
    """The texts of an SVG, in order."""
    return [element.text for element in ElementTree.parse(path).iter() if element.tag.endswith("}text")]


@pytest.mark.parametrize("architecture", ["roberta", "gpt2", "qwen2", "modernbert"])
@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_tokens_of_bytes_spell_the_text_again(architecture, text):
    tokenizer = zoo.make_tokenizer(architecture)
    ids = tokenizer(text)["input_ids"]
    again = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
    composed = unicodedata.normalize("NFC", text)  # what the tokenizers of Qwen2 and ModernBERT do first
    assert again == (composed if architecture in ("qwen2", "modernbert") else text)


def test_the_plots_hold_curves_and_counts(tmp_path):
    from classification.data.labels import LabelSpace

    labels = LabelSpace.from_train(LABELS)
    epochs = [{"epoch": i, "train_loss": 1 / i, "eval_loss": 1 / i, "eval_accuracy": 0.5} for i in (1, 2)]
    draw(tmp_path, {"eval_confusion_matrix": [[5, 1, 0], [0, 71, 0], [1, 1, 9]]}, epochs, labels)
    words = words_of(tmp_path / "confusion_matrix.svg")
    assert {"71", "9", "true", "predicted", "validation: 88 rows, 85 right"} <= set(words)
    places = [words.index(name) for name in labels.names]
    assert places == sorted(places)
    assert {"loss", "accuracy", "train", "validation", "epoch"} <= set(words_of(tmp_path / "curves.svg"))
    before = (tmp_path / "curves.svg").read_bytes()
    draw(tmp_path, {}, epochs, labels)
    assert (tmp_path / "curves.svg").read_bytes() == before  # no date, no random names


def test_east_asian_letters_take_two_columns():
    assert (width_of("电影"), width_of("film"), width_of("e\u0301")) == (4, 4, 1)


# -------------------------------------------------------------------------------------------------- unknown tokens


@pytest.mark.parametrize("strategy", ["head", "window"])
def test_a_vocabulary_without_the_language_is_said_with_examples(command, tmp_path, capsys, strategy):
    """An English WordPiece vocabulary on Chinese: every letter becomes [UNK]."""
    zoo.save_pretrained("bert", tmp_path / "model")
    chinese = [{"text": "餐厅服务太差", "label": "差"}, {"text": "好吃 good", "label": "好"}] * 12
    train = write_csv(tmp_path / "chinese.csv", [row | {"id": str(i)} for i, row in enumerate(chinese)])
    main(command(model_name_or_path=tmp_path / "model", train_file=train, validation_file=train, test_file=None,
                 truncation_strategy=strategy, dry_run=True))  # fmt: skip
    out = capsys.readouterr().out
    # 餐厅服务太差 are 6 unknown tokens, 好 is in the vocabulary, 吃 is not, good is: 7 of 9.
    assert "warning: 78% of the tokens of train are unknown to the tokenizer ([UNK]), for example '" in out
    assert all(f"'{word}'" in out for word in "餐厅") and "bert-base-chinese" in out


def test_few_unknown_tokens_are_no_matter(command, tmp_path, capsys):
    zoo.save_pretrained("bert", tmp_path / "model")
    rows = [row | {"text": row["text"] + (" 吃" if i % 3 == 0 else "")} for i, row in enumerate(make_rows(60))]
    common = {"model_name_or_path": tmp_path / "model", "test_file": None, "dry_run": True}
    main(command(**common, train_file=write_csv(tmp_path / "few.csv", rows)))
    assert "unknown to the tokenizer" not in capsys.readouterr().out
    zoo.save_pretrained("gpt2", tmp_path / "bytes")
    rows = [row | {"text": "餐厅服务太差"} for row in rows]
    files = {"train_file": write_csv(tmp_path / "all.csv", rows)}
    main(command(**common | files | {"model_name_or_path": tmp_path / "bytes"}))
    assert "unknown to the tokenizer" not in capsys.readouterr().out


def test_a_folder_of_texts_is_read_as_utf8(tmp_path):
    for label in LABELS[:2]:
        (tmp_path / label).mkdir()
        for i, text in enumerate(TEXTS.values()):
            (tmp_path / label / f"{i}.txt").write_text(text, encoding="utf-8")
    data = read_splits(files={"train": str(tmp_path)})["train"]
    assert sorted(data["text"]) == sorted([*TEXTS.values()] * 2) and set(data["label"]) <= set(LABELS[:2]) | {0, 1}
