"""Every kind of task from the command line alone: trained, measured, written, loaded again, and used later."""

from __future__ import annotations

import json

import numpy as np
import pytest
import transformers
from conftest import BAD, FILLER, GOOD, make_bert, make_rows, make_tokenizer, write_csv
from test_results import read_predictions
from test_training import SGD, account, largest_difference

from run_classification import main

LEARN = {"num_train_epochs": 8, "per_device_train_batch_size": 4}


def several_rows(count: int, seed: int) -> list[dict]:
    """`praise` where a good word stands, `blame` where a bad one does; a quarter each has one, both or none."""
    import random

    draw = random.Random(seed)
    rows = []
    for i in range(count):
        words = draw.choices(FILLER, k=draw.randint(3, 8))
        labels = []
        for name, vocabulary, chosen in (("blame", BAD, i % 4 in (1, 3)), ("praise", GOOD, i % 4 in (2, 3))):
            if chosen:
                words.insert(draw.randrange(len(words) + 1), draw.choice(vocabulary))
                labels.append(name)
        rows.append({"id": f"s{seed}-{i}", "text": " ".join(words), "labels": "|".join(labels)})
    return rows


@pytest.fixture
def several(tmp_path) -> dict:
    """Flags of a task with two labels: 96 training rows, 32 of validation, 32 of test."""
    sizes = {"train": (96, 1), "validation": (32, 2), "test": (32, 3)}
    files = {f"{split}_file": write_csv(tmp_path / f"several_{split}.csv", several_rows(*size))
             for split, size in sizes.items()}  # fmt: skip
    return files | {"label_delimiter": "|"}


# ------------------------------------------------------------------------------------------ several labels a row


def test_several_labels_are_learned_written_and_loaded(command, several, tmp_path):
    result = main(command(**several, **LEARN | {"num_train_epochs": 12}))
    assert result["test_f1_micro"] > 0.9 and result["test_exact_match"] > 0.8 and result["test_f1_samples"] > 0.8
    assert set(result["test_per_class"]) == {"blame", "praise"} and "test_confusion_matrix" not in result
    rows = read_predictions(tmp_path / "out")
    assert [row["label"] for row in rows] == [row["labels"] for row in several_rows(32, 3)]
    exact = np.mean([row["label"] == row["prediction"] for row in rows])
    assert result["test_exact_match"] == pytest.approx(exact)
    config = transformers.AutoConfig.from_pretrained(tmp_path / "out")
    assert config.problem_type == "multi_label_classification"
    assert config.thresholds == {"blame": 0.5, "praise": 0.5}
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "out"), truncation=True, top_k=None)
    for row, answers in zip(rows, classify([row["text"] for row in rows]), strict=True):
        for answer in answers:
            assert answer["score"] == pytest.approx(float(row[f"prob_{answer['label']}"]), abs=1e-5)


def test_columns_of_0_and_1_give_the_same_run(command, several, tmp_path):
    main(command(**several))
    columns = {}
    for split, (count, seed) in {"train": (96, 1), "validation": (32, 2), "test": (32, 3)}.items():
        rows = [
            {"id": row["id"], "text": row["text"], **{name: int(name in row["labels"]) for name in ("blame", "praise")}}
            for row in several_rows(count, seed)
        ]
        columns[f"{split}_file"] = write_csv(tmp_path / f"columns_{split}.csv", rows)
    main(command(**columns, label_column_names="blame,praise", output_dir=tmp_path / "columns"))
    assert largest_difference(tmp_path / "out", tmp_path / "columns") == 0
    written = [row["prediction"] for row in read_predictions(tmp_path / "columns")]
    assert [json.loads(cell) for cell in written] == [
        [name for name in row["prediction"].split("|") if name] for row in read_predictions(tmp_path / "out")
    ]


@pytest.mark.parametrize("how", ["global", "per_label"])
def test_tuned_thresholds_are_saved_and_applied_by_every_later_prediction(command, several, tmp_path, how):
    trained = main(command(**several, tune_thresholds=how, num_train_epochs=2))
    saved = transformers.AutoConfig.from_pretrained(tmp_path / "out").thresholds
    assert (len(set(saved.values())) == 1) == (how == "global") and 0.5 not in saved.values()
    use = {"model_name_or_path": tmp_path / "out", "train_file": None, "output_dir": tmp_path / "used"}
    used = main(command(**several | use, do_eval=True, do_predict=True))
    for key in ("eval_f1_micro", "eval_f1_macro", "test_f1_micro", "test_exact_match"):
        assert used[key] == pytest.approx(trained[key])
    predictions = [(tmp_path / run / "predictions.csv").read_text() for run in ("out", "used")]
    assert predictions[0] == predictions[1]
    rows = read_predictions(tmp_path / "used")
    for row in rows:
        chosen = [name for name in saved if float(row[f"prob_{name}"]) >= saved[name]]
        assert row["prediction"] == "|".join(chosen)


def test_thresholds_can_be_given(command, several, tmp_path):
    main(command(**several, thresholds='{"praise": 0}', num_train_epochs=2))
    assert transformers.AutoConfig.from_pretrained(tmp_path / "out").thresholds == {"blame": 0.5, "praise": 0.0}
    assert all("praise" in row["prediction"] for row in read_predictions(tmp_path / "out"))
    use = {"model_name_or_path": tmp_path / "out", "train_file": None, "validation_file": None, "do_predict": True}
    main(command(**several | use, thresholds=1, output_dir=tmp_path / "used"))
    assert not any(row["prediction"] for row in read_predictions(tmp_path / "used"))


def test_one_label_a_row_written_as_several_gives_the_same_ranking(command, files, tmp_path):
    main(command(**LEARN))
    main(command(**LEARN, label_delimiter="|", output_dir=tmp_path / "several"))
    one, several = read_predictions(tmp_path / "out"), read_predictions(tmp_path / "several")
    for first, second in zip(one, several, strict=True):
        by_score = max(("negative", "positive"), key=lambda name: float(second[f"prob_{name}"]))
        assert by_score == first["prediction"]


def test_validation_of_several_labels_is_split_off_by_labels(command, several, capsys):
    result = main(command(**several | {"validation_file": None}))
    assert "stratified by labels" in capsys.readouterr().out
    assert result["eval_samples"] == 19
    support = {name: row["support"] for name, row in result["eval_per_class"].items()}
    assert all(8 <= count <= 11 for count in support.values())


@pytest.mark.parametrize("flags", [{}, {"class_weights": "balanced", "loss": "focal"}])
def test_accumulation_is_exact_with_several_labels_too(command, several, tmp_path, flags):
    several["train_file"] = write_csv(tmp_path / "uneven.csv", several_rows(27, 5))
    common = {**several, **flags, **SGD, "num_train_epochs": 2}
    main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "whole"))
    main(command(**common, per_device_train_batch_size=2, gradient_accumulation_steps=4, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5
    for one, other in zip(account(tmp_path / "whole")["epochs"], account(tmp_path / "cut")["epochs"], strict=True):
        assert one["train_loss"] == pytest.approx(other["train_loss"], abs=1e-6)
        assert one["eval_loss"] == pytest.approx(other["eval_loss"], abs=1e-6)


def test_a_dry_run_shows_several_labels(command, several, capsys):
    result = main([*command(**several), "--dry_run"])
    assert result["dry_run_loss"] == pytest.approx(result["dry_run_loss_explicit"])
    assert "[8, 2]" in capsys.readouterr().out


# ------------------------------------------------------------------------------------------------- regression


def number_files(tmp_path, name: str, value) -> dict:
    files = {}
    for split, seed in (("train", 1), ("validation", 2), ("test", 3)):
        rows = [row | {"label": value(row)} for row in make_rows(48, seed=seed)]
        files[f"{split}_file"] = write_csv(tmp_path / f"{name}_{split}.csv", rows)
    return files


def stars(row: dict) -> float:
    return (70.25 if row["label"] == "positive" else 20.5) + len(row["text"]) / 10


def test_standardised_regression_is_plain_regression_on_standardised_numbers(command, tmp_path):
    values = [stars(row) for row in make_rows(48, seed=1)]
    mean, deviation = np.mean(values), np.std(values)
    plain = number_files(tmp_path, "plain", stars)
    standard = number_files(tmp_path, "standard", lambda row: float((stars(row) - mean) / deviation))
    first = main(command(**plain, **SGD, num_train_epochs=3))
    second = main(command(**standard, **SGD, num_train_epochs=3, output_dir=tmp_path / "standard"))
    last = (tmp_path / run / "checkpoint-18" for run in ("out", "standard"))  # their heads are not scaled yet
    assert largest_difference(*last) < 1e-5
    assert first["test_mae"] == pytest.approx(second["test_mae"] * deviation, rel=1e-4)
    for key in ("test_pearson", "test_spearman", "eval_loss"):
        assert first[key] == pytest.approx(second[key], abs=1e-5)
    own, standardised = (read_predictions(tmp_path / run) for run in ("out", "standard"))
    for one, other in zip(own, standardised, strict=True):
        assert float(one["prediction"]) == pytest.approx(float(other["prediction"]) * deviation + mean, rel=1e-3)


def test_labels_with_a_fraction_need_no_flag(command, tmp_path, capsys):
    result = main(command(**number_files(tmp_path, "plain", stars), num_train_epochs=12))
    assert "regression" in capsys.readouterr().out and result["test_pearson"] > 0.8
    given = [float(row["label"]) for row in read_predictions(tmp_path / "out")]
    assert given == pytest.approx([stars(row) for row in make_rows(48, seed=3)])


def test_a_saved_regressor_gives_numbers_in_their_own_units_everywhere(command, tmp_path, capsys):
    """In training the output is standardised; in the saved head, scaled; loaded here, standardised again."""
    trained = main(command(**number_files(tmp_path, "plain", stars), num_train_epochs=4))
    assert "the score is the number, in the units of the labels" in capsys.readouterr().out
    rows = read_predictions(tmp_path / "out")
    classify = transformers.pipeline("text-classification", model=str(tmp_path / "out"), truncation=True)
    for row, answer in zip(rows, classify([row["text"] for row in rows]), strict=True):
        assert answer["score"] == pytest.approx(float(row["prediction"]), rel=1e-4)
    use = {"model_name_or_path": tmp_path / "out", "train_file": None, "output_dir": tmp_path / "used"}
    files = number_files(tmp_path, "plain", stars) | use
    used = main(command(**files, do_eval=True, do_predict=True))
    for key in ("eval_loss", "eval_rmse", "test_mae"):
        assert used[key] == pytest.approx(trained[key], rel=1e-5)
    # Trained further, on numbers of another size, and then on classes.
    more = number_files(tmp_path, "more", lambda row: 1000.01 * stars(row))
    again = main(command(**more, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "more"))
    assert again["test_pearson"] > trained["test_pearson"] - 0.1
    main(command(model_name_or_path=tmp_path / "out", ignore_mismatched_sizes=True, output_dir=tmp_path / "classes"))


def test_large_numbers_are_written_as_they_are_and_predicted_apart(command, tmp_path, capsys):
    """Seconds since 1970: a mean of 1.7e9 in an fp32 head would leave one value for all rows."""
    files = number_files(tmp_path, "dates", lambda row: 1_700_000_123.5 + 10 * stars(row))
    result = main(command(**files, num_train_epochs=4))
    assert "the value is score * " in capsys.readouterr().out
    rows = read_predictions(tmp_path / "out")
    assert [float(row["label"]) for row in rows] == [1_700_000_123.5 + 10 * stars(row) for row in make_rows(48, seed=3)]
    assert len({row["prediction"] for row in rows}) > 20
    use = {"model_name_or_path": tmp_path / "out", "train_file": None, "output_dir": tmp_path / "used"}
    used = main(command(**files | use, do_eval=True, do_predict=True))
    assert used["test_mae"] == pytest.approx(result["test_mae"], rel=1e-5)


# ------------------------------------------------------------------------------------------------------ pairs


def test_a_pair_with_an_empty_second_text_is_a_single_text(command, tmp_path):
    files = {}
    for split, seed in (("train", 1), ("validation", 2), ("test", 3)):
        rows = [{"id": row["id"], "text_a": row["text"], "text_b": "", "label": row["label"]}
                for row in make_rows(24, seed=seed)]  # fmt: skip
        files[f"{split}_file"] = write_csv(tmp_path / f"pairs_{split}.csv", rows)
    main(command(**files))
    singles = {name: str(path).replace("pairs_", "single_") for name, path in files.items()}
    for (_, path), seed in zip(singles.items(), (1, 2, 3), strict=True):
        write_csv(tmp_path / path, make_rows(24, seed=seed))
    main(command(**singles, output_dir=tmp_path / "single"))
    assert largest_difference(tmp_path / "out", tmp_path / "single") == 0
    pairs, single = (read_predictions(tmp_path / run) for run in ("out", "single"))
    assert [row.pop("text_pair") for row in pairs] == [""] * 24
    assert pairs == single


def test_pairs_are_cut_longest_first():
    """The short text stays whole as long as the long one has something to give."""
    from classification.data.encoding import encode_batch
    from classification.data.truncation import Truncation

    tokenizer = make_tokenizer()
    batch = {"text": ["good", "the film was a very bad meal", "a"], "text_pair": ["the film was a bad room", "a", " "]}
    encoded = encode_batch(batch, tokenizer=tokenizer, max_length=8, truncation=Truncation())
    texts = [tokenizer.decode(ids) for ids in encoded["input_ids"]]
    assert texts[0] == "[CLS] good [SEP] the film was a [SEP]"
    assert texts[1] == "[CLS] the film was a [SEP] a [SEP]"
    assert texts[2] == "[CLS] a [SEP]"
    assert encoded["full_length"] == [10, 11, 3]


# -------------------------------------------------------------------------------------------------- imbalance


def rare_rows(count: int, seed: int) -> list[dict]:
    """One row in eight is positive."""
    return [row for i, row in enumerate(make_rows(4 * count, seed=seed)) if i % 2 == 0 or i % 14 == 1][:count]


@pytest.fixture
def rare(tmp_path) -> dict:
    sizes = {"train": (80, 1), "validation": (40, 2), "test": (40, 3)}
    return {f"{split}_file": write_csv(tmp_path / f"rare_{split}.csv", rare_rows(*size))
            for split, size in sizes.items()}  # fmt: skip


def test_weights_of_one_change_nothing(command, tmp_path):
    main(command(num_train_epochs=2))
    ones = json.dumps({"negative": 1, "positive": 1})
    main(command(num_train_epochs=2, class_weights=ones, output_dir=tmp_path / "ones"))
    assert largest_difference(tmp_path / "out", tmp_path / "ones") == 0


@pytest.mark.parametrize(
    "flags", [{"class_weights": "balanced"}, {"class_weights": "effective", "loss": "focal"}, {"sampler": "balanced"}]
)
def test_weighted_training_is_exact_however_the_batch_is_cut(command, rare, tmp_path, flags):
    common = {**rare, **flags, **SGD, "num_train_epochs": 2, "max_train_samples": 75}
    main(command(**common, per_device_train_batch_size=8, output_dir=tmp_path / "whole"))
    main(command(**common, per_device_train_batch_size=2, gradient_accumulation_steps=4, output_dir=tmp_path / "cut"))
    assert largest_difference(tmp_path / "whole", tmp_path / "cut") < 1e-5


def test_weights_raise_the_recall_of_the_rare_class(command, rare, tmp_path, capsys):
    short = rare | {"num_train_epochs": 2, "learning_rate": 0.002, "train_sampling_strategy": "random"}
    short["metric_for_best_model"] = "balanced_accuracy"
    plain = main(command(**short))
    assert "% of the training rows are negative" in capsys.readouterr().out
    weighted = main(command(**short, class_weights="balanced", output_dir=tmp_path / "weighted"))
    shown = capsys.readouterr().out
    assert "% of the training rows are negative" not in shown and "weights      negative 0.5" in shown
    recalls = [result["test_per_class"]["positive"]["recall"] for result in (plain, weighted)]
    assert recalls[1] > recalls[0]
    assert weighted["eval_objective"] != weighted["eval_loss"] and "eval_objective" not in plain


def test_what_training_minimises_can_choose_the_checkpoint(command, rare, tmp_path):
    flags = {**rare, "class_weights": "balanced", "metric_for_best_model": "objective", "num_train_epochs": 3}
    main(command(**flags))
    run = account(tmp_path / "out")
    assert run["best_step"] == min(run["epochs"], key=lambda epoch: epoch["eval_objective"])["step"]


def test_a_run_that_has_diverged_ends_with_what_happened(command, capsys):
    main(command(learning_rate=1e30, max_grad_norm=0, num_train_epochs=2))
    shown = capsys.readouterr().out
    assert "val_loss=nan" in shown and "no evaluation gave a number for val_loss" in shown and "Use it" in shown


def test_not_one_right_prediction_is_a_result_too(command, tmp_path):
    wrong = make_rows(1, seed=3)[0]
    wrong["label"] = "positive" if wrong["label"] == "negative" else "negative"
    result = main(command(test_file=write_csv(tmp_path / "one.csv", [wrong]), num_train_epochs=8))
    assert result["test_accuracy"] == 0
    assert [row["support"] for row in result["test_per_class"].values()] == [0, 1]


def test_weights_can_come_from_a_file_and_a_preset(command, rare, tmp_path):
    (tmp_path / "weights.json").write_text('{"positive": 7}')
    main(command(**rare, class_weights=tmp_path / "weights.json"))
    (tmp_path / "preset.yaml").write_text("class_weights: {positive: 7}\n")
    main([str(tmp_path / "preset.yaml"), *command(**rare, output_dir=tmp_path / "preset")])
    assert largest_difference(tmp_path / "out", tmp_path / "preset") == 0


@pytest.mark.parametrize("metric", ["balanced_accuracy", "average_precision", "f1_macro", "mcc"])
def test_every_metric_can_choose_the_checkpoint(command, rare, tmp_path, metric):
    result = main(command(**rare, metric_for_best_model=metric, num_train_epochs=3))
    run = account(tmp_path / "out")
    best = max(run["epochs"], key=lambda epoch: epoch[f"eval_{metric}"])
    assert run["best_step"] == best["step"] and result[f"eval_{metric}"] == best[f"eval_{metric}"]


def test_the_file_of_predictions_is_valid_csv_for_any_name(command, tmp_path):
    """Names with the delimiter's neighbours, commas and quotes in them."""
    names = ('say "no"', "a, b")
    rows = [row | {"label": names[i % 2]} for i, row in enumerate(make_rows(32))]
    path = write_csv(tmp_path / "odd.csv", rows)
    main(command(train_file=path, validation_file=path, test_file=path))
    assert {row["label"] for row in read_predictions(tmp_path / "out")} == set(names)


def test_a_model_of_several_labels_from_elsewhere_can_be_used(command, several, tmp_path):
    """Without thresholds in its config: 0.5."""
    names = {"id2label": {0: "blame", 1: "praise"}, "label2id": {"blame": 0, "praise": 1}}
    make_bert(problem_type="multi_label_classification", **names).save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    use = {"model_name_or_path": tmp_path / "model", "train_file": None, "validation_file": None, "do_predict": True}
    result = main(command(**several | use))
    assert result["test_per_class"]["blame"]["threshold"] == 0.5
