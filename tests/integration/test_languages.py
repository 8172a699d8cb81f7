"""Texts and labels in any script come out of a run as they went in."""

from __future__ import annotations

import csv
import json
import unicodedata
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
import transformers
import zoo
from corpus import write_csv
from helpers import read_predictions

from classification.data.corpus import Source
from classification.data.sources.readers import read_splits
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
def test_every_format_is_read_as_it_was_written(suffix, tmp_path):
    rows = rows_of_all(33)
    data = read_splits(Source(files={"train": write(tmp_path / f"train{suffix}", rows)}))["train"]
    assert data.to_list() == rows


def test_texts_and_labels_come_out_as_they_went_in(command, tmp_path):
    zoo.save_pretrained("roberta", tmp_path / "model")
    suffixes = {"train": (".csv", 66), "validation": (".tsv", 33), "test": (".jsonl", 33)}
    flags = {
        f"{split}_file": write(tmp_path / f"{split}{suffix}", rows_of_all(count))
        for split, (suffix, count) in suffixes.items()
    }
    main(command(model_name_or_path=tmp_path / "model", max_seq_length=48, **flags))
    predictions = read_predictions(tmp_path / "out")
    assert [{name: row[name] for name in ("id", "text", "label")} for row in predictions] == rows_of_all(33)
    assert set(LABELS) == {name.removeprefix("prob_") for name in predictions[0] if name.startswith("prob_")}
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert sorted(config.id2label.values()) == sorted(LABELS)
    results = json.loads((tmp_path / "out" / "all_results.json").read_text(encoding="utf-8"))
    assert set(results["test_per_class"]) == set(LABELS)
    svg = ElementTree.parse(tmp_path / "out" / "confusion_matrix.svg")
    assert set(LABELS) <= {element.text for element in svg.iter() if element.tag.endswith("}text")}
    answers = transformers.pipeline("text-classification", str(tmp_path / "out"), truncation=True)(
        predictions[0]["text"]
    )
    assert answers[0]["label"] == predictions[0]["prediction"]


@pytest.mark.parametrize("architecture", ["roberta", "gpt2", "qwen2", "modernbert"])
def test_tokens_of_bytes_spell_the_text_again(architecture):
    tokenizer = zoo.make_tokenizer(architecture)
    for text in TEXTS.values():
        ids = tokenizer(text)["input_ids"]
        again = tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        composed = unicodedata.normalize("NFC", text)  # what the tokenizers of Qwen2 and ModernBERT do first
        assert again == (composed if architecture in ("qwen2", "modernbert") else text)


def test_a_vocabulary_without_the_language_is_a_warning(command, tmp_path, capsys):
    """An English WordPiece vocabulary has no Chinese."""
    zoo.save_pretrained("bert", tmp_path / "model")
    rows = [{"text": "餐厅服务太差", "label": "差"}, {"text": "好吃 good", "label": "好"}] * 12
    train = write_csv(tmp_path / "chinese.csv", [row | {"id": str(i)} for i, row in enumerate(rows)])
    main(command(model_name_or_path=tmp_path / "model", train_file=train, validation_file=train, test_file=None,
                 dry_run=True))  # fmt: skip
    warning = (
        "warning: 78% of the tokens of train are [UNK], the token for text that the model does not know, for example '"
    )
    assert warning in capsys.readouterr().out
