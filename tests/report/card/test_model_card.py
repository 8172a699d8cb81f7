"""The model card is read back without loss, holds nothing private, and stays text whatever a label holds."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from huggingface_hub import ModelCard
from huggingface_hub.repocard_data import model_index_to_eval_results
from markdown_it import MarkdownIt

from classification.report.card.card_markdown import as_text, fenced
from classification.report.card.card_metadata import eval_results
from classification.report.card.model_card import CARD, draw_card, is_ours, read_card_files, write_card
from classification.report.plain_findings import PLAIN_KINDS, QUOTING

PRIVATE = "/home/anna/secret-project"
NAMES = ["on", "1e5", ": #", 'a "b" \'c\'', "负面评价", "|x|", "`code`", "<b>bold</b>", "---", "# title", "[a](http://b.c)",
         "two\nlines", "$x^2$", "*stars*", "www.example.com", "a@b.example", "\\", "no", "null", "سؤال"]  # fmt: skip


def figures(names: list[str], support: int = 10) -> dict:
    return {
        name: {"precision": 0.5, "recall": 0.5, "f1": 0.5 + i / 100, "support": support} for i, name in enumerate(names)
    }


def single(names: list[str]) -> dict:
    return {
        "num_labels": len(names),
        "id2label": {str(i): name for i, name in enumerate(names)},
        "label2id": {name: i for i, name in enumerate(names)},
        "problem_type": "single_label_classification",
    }


def make_run(
    folder: Path, *, names=("a", "b"), metrics: dict | None = None, config: dict | None = None, **record
) -> Path:
    """The files of a run that the card is made of, and weights beside them."""
    folder.mkdir(exist_ok=True)
    names = list(names)
    scores = {"train_loss": 0.5, "eval_loss": 0.4, "eval_scored": 50, "eval_accuracy": 0.9, "test_loss": 0.4}
    scores |= {"test_scored": 10 * len(names), "test_accuracy": 0.87312, "test_f1_macro": 0.8, "test_mcc": None}
    scores |= {"test_per_class": figures(names), "test_accuracy_low": 0.861, "test_accuracy_high": 0.885}
    content: dict[str, Any] = {
        "arguments": {
            "model_name_or_path": f"{PRIVATE}/model", "train_file": f"{PRIVATE}/train.csv", "token": "hf_abc",
            "trainer": {"num_train_epochs": 3.0, "seed": 42, "output_dir": f"{PRIVATE}/out"},
        },
        "origins": {},
        "task": config or single(names),
        "labels": names,
        "data": {"train": {"rows": 400}, "validation": {"rows": 50}, "test": {"rows": 10 * len(names)}},
        "validation_method": "given",
        "findings": [],
        "weights": {"model.safetensors": "0"},
        "working_directory": PRIVATE,
    }  # fmt: skip
    write(folder / "run.json", {**content, **record})
    write(folder / "all_results.json", scores if metrics is None else metrics)
    write(folder / "config.json", content["task"])
    (folder / "model.safetensors").touch()
    return folder


def write(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def card_of(folder: Path, **changes) -> str:
    file = write_card(make_run(folder, **changes))
    assert file == folder / CARD
    return file.read_text(encoding="utf-8")


def visible(text: str) -> tuple[str, Counter[str]]:
    """The text that people see below the metadata, and how many elements of each kind there are."""
    tokens = MarkdownIt("commonmark").enable("table").parse(text.split("\n---\n", 1)[1])
    inside = [child for token in tokens for child in token.children or []]
    seen = [token.content for token in (*tokens, *inside) if token.type in ("text", "text_special", "code_inline")]
    kinds = Counter(token.type for token in (*tokens, *inside) if token.type not in ("text", "text_special"))
    return "".join(seen), kinds


# ----------------------------------------------------------------------------------------------------------- metadata


@pytest.mark.parametrize("config", ["on", "1e5", ": #", 'a "b"', "负面", "no", "~", "01"])
def test_the_metadata_is_read_back_without_loss(config, tmp_path):
    arguments = {"dataset_name": "imdb", "dataset_config_name": config, "test_split_name": "unseen", "trainer": {}}
    origins = {"dataset": "imdb", "base_model": "google-bert/bert-base-uncased", "language": "no", "license": "mit"}
    text = card_of(tmp_path, arguments=arguments, origins=origins, commits={"dataset_name": "a" * 40})
    card = ModelCard.load(tmp_path / CARD)
    run = read_card_files(tmp_path, tmp_path)
    assert run is not None
    expected = eval_results(run)
    name, results = model_index_to_eval_results(card.data.to_dict()["model-index"])
    assert results == card.data.eval_results == expected and name == "bert-base-uncased-classifier"
    assert [(one.metric_type, one.metric_name, one.metric_value) for one in results] == [
        ("accuracy", "Accuracy", 0.87312), ("f1", "F1 (macro)", 0.8),
    ]  # fmt: skip
    first = results[0]
    assert first.metric_args == {"interval_95": [0.861, 0.885]} and results[1].metric_args is None
    assert (first.dataset_type, first.dataset_config, first.dataset_split) == ("imdb", config, "unseen")
    assert first.dataset_revision == "a" * 40 and first.verified is False
    found = card.data.to_dict()
    assert found["language"] == "no" and found["license"] == "mit" and found["datasets"] == ["imdb"]
    assert found["base_model"] == "google-bert/bert-base-uncased" and found["pipeline_tag"] == "text-classification"
    assert found["library_name"] == "transformers" and "text-classification" in found["tags"]
    assert "To do" not in text


@pytest.mark.parametrize("names", [NAMES, ["on", "off"], ["1e5", "2e5"], ["---", "..."]], ids=lambda names: names[0])
def test_names_of_labels_do_not_change_the_metadata(names, tmp_path):
    text = card_of(tmp_path, names=names)
    plain = card_of(tmp_path / "plain", names=[str(i) for i in range(len(names))])
    assert text.split("\n---\n")[0] == plain.split("\n---\n")[0]


def test_what_is_not_known_is_left_out_and_named(tmp_path):
    text = card_of(tmp_path)
    found = ModelCard.load(tmp_path / CARD).data.to_dict()
    assert not {"language", "license", "base_model", "datasets"} & set(found)
    assert "this card has no language and no license" in text
    assert found["model-index"][0]["results"][0]["dataset"] == {
        "name": "local files",
        "type": "unknown",
        "split": "test",
    }


def test_without_test_labels_the_results_are_those_of_validation(tmp_path):
    metrics = {"train_loss": 0.5, "eval_loss": 0.4, "eval_scored": 50, "eval_accuracy": 0.9, "test_scored": 0}
    text = card_of(tmp_path, metrics=metrics)
    (result,) = ModelCard.load(tmp_path / CARD).data.eval_results
    assert result.dataset_split == "validation" and "There is no test result." in text
    assert result.metric_name == "Accuracy (validation)"


def test_a_run_without_any_score_has_a_card(tmp_path):
    text = card_of(tmp_path, metrics={"train_loss": 0.5})
    assert "model-index" not in text and "nothing is known about the quality" in text


def test_an_adapter_belongs_to_peft(tmp_path):
    folder = make_run(tmp_path, weights={"adapter_model.safetensors": "0"})
    (folder / "model.safetensors").rename(folder / "adapter_model.safetensors")
    write(folder / "adapter_config.json", {"base_model_name_or_path": f"{PRIVATE}/base", "peft_type": "LORA"})
    write_card(folder)
    text = (folder / CARD).read_text()
    assert "library_name: peft" in text and "PeftModel" in text and '"BASE_MODEL"' in text and PRIVATE not in text


# --------------------------------------------------------------------------------------------------------------- body


def test_nothing_private_is_in_the_card(tmp_path):
    """Neither a path, a file, a user, a token nor a text; findings are told in other words."""
    words = {
        "what": "the word 'secret'",
        "why": "secret",
        "ids": ["secret-17"],
        "examples": ["secret-17: a secret text"],
    }
    kinds = (*QUOTING, "a_kind_of_tomorrow")
    findings = [{"kind": kind, "severity": "warning", "split": "train", "count": 7, **words} for kind in kinds]
    text = card_of(tmp_path / "secret-folder", findings=findings)
    assert "secret" not in text and "anna" not in text and "hf_abc" not in text and str(tmp_path) not in text
    assert "single words predict a label almost perfectly" in text and "a kind of tomorrow" in text


def test_every_finding_is_known_to_quote_texts_or_not():
    from classification.data.quality import __file__ as package

    sources = [file.read_text() for file in Path(package).parent.glob("*.py")]
    known = {*QUOTING, *(kind for kind in PLAIN_KINDS if not kind.endswith("_duplicates"))}
    written = {kind for source in sources for kind in re.findall(r'kind="(\w+)"', source)}
    quoting = {kind for source in sources if re.search(r"quoted\(|are_texts_shown\(", source)
               for kind in re.findall(r'kind="(\w+)"', source)}  # fmt: skip
    assert written <= known and quoting - {"unread_tokens"} <= set(QUOTING)


def test_limits_are_facts_of_the_run(tmp_path):
    names = ["rare", "good", "fine"]
    per_class = figures(names) | {"rare": {"precision": 0.1, "recall": 0.2, "f1": 0.13, "support": 4}}
    slices = [{"column": "phenomenon", "value": "irony", "rows": 30, "accuracy": 0.5, "accuracy_low": 0.3,
               "accuracy_high": 0.7, "cost": 0.07}, {"column": "length", "value": "short", "rows": 9, "accuracy": 1.0,
               "cost": -0.1}]  # fmt: skip
    metrics = {"train_loss": 1, "test_loss": 1, "test_scored": 30, "test_accuracy": 0.8, "test_per_class": per_class}
    leak = {"kind": "exact_duplicates", "severity": "warning", "split": "train, test", "count": 3}
    leak |= {"what": "3 texts are in both train and test, byte for byte", "why": "the metrics of test are too high"}
    text = card_of(tmp_path, names=names, metrics=metrics | {"test_slices": slices}, findings=[leak])
    assert "Accuracy is 0.500 (0.300 to 0.700) on the 30 test rows whose phenomenon is irony" in text
    assert "whose length is short" not in text
    assert "The label rare is weak: precision 0.100, recall 0.200 on 4 test rows." in text
    assert "3 texts are in both train and test, byte for byte: the metrics of test are too high." in text


def part(value: str, accuracy: float, low: float, high: float) -> dict:
    return {"column": "length", "value": value, "rows": 9, "accuracy": accuracy, "cost": 1.0, "accuracy_low": low,
            "accuracy_high": high}  # fmt: skip


def test_a_slice_is_a_limit_only_where_it_is_worse(tmp_path):
    metrics = {"train_loss": 1, "test_loss": 1, "test_scored": 30, "test_accuracy": 0.8}
    better, chance, clear = part("1", 0.9, 0.8, 1.0), part("2 to 3", 0.7, 0.6, 0.9), part("4 to 1,000", 0.5, 0.4, 0.6)
    text = card_of(tmp_path, metrics=metrics | {"test_slices": [better, chance, clear]})
    assert "0.500 (0.400 to 0.600) on the 9 test rows with 4 to 1,000 tokens; on all rows it is 0.800." in text
    assert "2 to 3" not in text and "1 token" not in text
    text = card_of(tmp_path, metrics=metrics | {"test_slices": [better, chance]})
    assert (
        "with 2 to 3 tokens; on all rows it is 0.800. The difference can be chance." in text and "1 token" not in text
    )


def test_the_loss_is_that_of_the_task(tmp_path):
    arguments = {"loss": "cross_entropy"}
    several, number = ({"problem_type": kind} for kind in ("multi_label_classification", "regression"))
    text = card_of(tmp_path, config=single(["a", "b"]) | several, arguments=arguments)
    assert "| Loss | binary cross entropy per label |" in text
    text = card_of(tmp_path, names=["a"], config=single(["a"]) | number, arguments=arguments)
    assert "| Loss | mean squared error |" in text
    assert "| Loss | focal |" in card_of(tmp_path, arguments={"loss": "focal"})


def test_what_else_decides_the_weights_is_in_the_card_where_it_was_used(tmp_path):
    used = {"layerwise_lr_decay": 0.9, "r_drop": 0.5, "trainer": {"label_smoothing_factor": 0.1}}
    text = card_of(tmp_path, arguments=used)
    assert "| Rate per layer | times 0.9 for each layer further from the head |" in text
    assert "| R-Drop | 0.5 |" in text and "| Label smoothing | 0.1 |" in text
    unused = {"layerwise_lr_decay": 1.0, "r_drop": 0.0, "trainer": {"label_smoothing_factor": 0.0}}
    text = card_of(tmp_path, arguments=unused)
    assert not [name for name in ("Rate per layer", "R-Drop", "Label smoothing") if name in text]


def test_a_suspicious_score_is_the_first_limit(tmp_path):
    per_class = figures(["a", "b"]) | {"a": {"precision": 1, "recall": 1, "f1": 1, "support": 0}}
    metrics = {"train_loss": 1, "test_loss": 1, "test_scored": 10, "test_accuracy": 1.0, "test_per_class": per_class}
    limits = card_of(tmp_path, metrics=metrics).split("## Limits")[1]
    assert limits.strip().startswith("- All 10 scored rows of test have the label b.")


def test_intervals_and_calibration_are_printed(tmp_path):
    metrics = {"train_loss": 1, "test_loss": 1, "test_scored": 100, "test_ece": 0.083, "test_ece_calibrated": 0.031}
    metrics |= {"test_accuracy": 0.87312, "test_accuracy_low": 0.861, "test_accuracy_high": 0.885}
    text = card_of(tmp_path, metrics=metrics)
    assert "| Accuracy |  | 0.873 (0.861 to 0.885) |" in text
    assert "differs from the share of right answers by 3.1 percentage points on average" in text
    assert "(expected calibration error); before temperature scaling on validation, by 8.3." in text


@pytest.mark.parametrize("name", NAMES)
def test_a_label_stays_text(name, tmp_path):
    text, elements = visible(card_of(tmp_path, names=[name, "other"]))
    shown = " ".join(name.split())
    assert f"of 2 labels: {shown}, other." in text and shown in text
    assert elements == visible(card_of(tmp_path / "plain", names=["plain", "other"]))[1]


def test_a_table_keeps_its_columns(tmp_path):
    text = card_of(tmp_path, names=NAMES)
    tokens = MarkdownIt("commonmark").enable("table").parse(text.split("\n---\n", 1)[1])
    rows = [i for i, token in enumerate(tokens) if token.type == "tr_open"]
    sizes = [sum(token.type in ("td_open", "th_open") for token in tokens[start:end])
             for start, end in zip(rows, [*rows[1:], len(tokens)], strict=True)]  # fmt: skip
    assert set(sizes) == {2, 3, 5} and sizes.count(5) == len(NAMES) + 1


def test_code_cannot_close_its_block():
    assert fenced("a = '```'\n````").startswith("`````python\n")
    assert as_text("half \ud800 of a character") == "half ? of a character"


# ---------------------------------------------------------------------------------------------------------- the file


def test_our_card_is_replaced_and_the_users_stays(tmp_path):
    first = card_of(tmp_path)
    assert is_ours(first) and is_ours(first.replace("\n", "\r\n"))
    assert "0.912" in card_of(tmp_path, metrics={"train_loss": 1, "test_loss": 1, "test_accuracy": 0.912})
    for mine in (
        "notes",
        "---\nlicense: mit\n---\n# Mine",
        first.replace("## Limits", "## What I know"),
        first + "More.",
    ):
        (tmp_path / CARD).write_text(mine)
        assert write_card(tmp_path) is None and (tmp_path / CARD).read_text() == mine


def test_a_card_is_for_a_model_that_the_run_has_trained(tmp_path):
    assert write_card(tmp_path) is None
    run = make_run(tmp_path)
    (run / "model.safetensors").unlink()
    assert write_card(run) is None  # predicted only, or deleted
    (run / "model.safetensors").touch()
    write(run / "all_results.json", {"test_accuracy": 0.5, "test_loss": 1})
    assert write_card(run) is None
    assert not (run / CARD).exists()


def test_the_model_of_a_study_gets_the_card_of_its_run(tmp_path):
    part = make_run(tmp_path / "seed-1")
    flags = {"push_to_hub": True, "hub_model_id": "anna/reviews"}
    study = make_run(tmp_path / "study", study={"kind": "seeds"}, flags=flags)
    assert write_card(study) is None
    file = write_card(study, part)
    assert file == study / CARD and "0.873" in file.read_text() and 'model="anna/reviews"' in file.read_text()


def test_the_card_is_the_same_again(tmp_path):
    run = read_card_files(make_run(tmp_path), tmp_path)
    assert run is not None and draw_card(run) == draw_card(run)


def test_a_pushed_model_is_loaded_by_the_name_of_its_repository(tmp_path):
    text = card_of(tmp_path, asked={"push": "anna/reviews"})
    assert 'model="anna/reviews"' in text and "# reviews" in text and "Run this in the folder" not in text


def test_the_run_of_an_old_version_has_a_card(tmp_path):
    run = make_run(tmp_path)
    record = json.loads((run / "run.json").read_text())
    for key in ("origins", "task", "weights", "validation_method"):
        del record[key]
    write(run / "run.json", record)
    assert write_card(run) is not None and PRIVATE not in (run / CARD).read_text()
