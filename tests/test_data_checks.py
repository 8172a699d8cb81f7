"""Planted faults of every kind are found with the right count, and nothing is found in clean data."""

from __future__ import annotations

import csv
import json
import random
from itertools import combinations

import pytest
import zoo
from conftest import ROOT, make_rows, splits_of, write_csv

from classification.data_checks import check_order, check_rows
from classification.duplicates import near_pairs
from classification.errors import UsageError
from classification.label_columns import encode_labels
from classification.labels import LabelSpace
from classification.rows import drop_repeats
from classification.words import Words, split_words
from run_classification import main

WORDS = [first + second for first in ("ba", "do", "fi", "gu", "ke", "lo", "mu", "ni") for second in "abcdefghijklm"]


def clean(count: int, seed: int, names=("no", "yes")) -> list[dict]:
    """Random texts of 8 to 40 words, labels at random: no two alike."""
    draw = random.Random(seed)
    return [
        {
            "id": f"s{seed}-{i}",
            "text": " ".join(draw.choices(WORDS, k=draw.randint(8, 40))),
            "label": draw.choice(names),
        }
        for i in range(count)
    ]


def encoded(splits: dict[str, list[dict]], **label_options):
    data = splits_of(splits["train"], **{name: rows for name, rows in splits.items() if name != "train"})
    labels = LabelSpace.from_train(data["train"]["label"], **label_options)
    return encode_labels(data, labels), labels


def found_in(splits: dict[str, list[dict]], *, made=False, remedied=False, **label_options) -> dict:
    """The findings by (kind, split)."""
    data, labels = encoded(splits, **label_options)
    findings = check_rows(data, labels, made=made, remedied=remedied) + check_order(data, labels, "stratified")
    return {(finding.kind, finding.split): finding for finding in findings}


def left_in_train(splits: dict[str, list[dict]], **asked) -> list[str]:
    """The ids of train without the rows that `--drop_duplicates` and `--drop_leaked` remove; other splits stay."""
    data, _ = encoded(splits)
    left = drop_repeats(data, [], **{"duplicates": False, "leaked": False} | asked)
    assert all(left[name]["id"][:] == data[name]["id"][:] for name in data if name != "train")
    return left["train"]["id"][:]


@pytest.fixture
def splits():
    return {"train": clean(200, 1), "validation": clean(60, 2), "test": clean(60, 3)}


def test_clean_data_has_no_findings(splits):
    assert found_in(splits) == {}
    assert found_in(splits, made=True) == {}


@pytest.mark.parametrize("preset", ["quickstart", "tickets", "urgency", "questions"])
def test_the_shipped_data_has_no_findings(preset, tmp_path):
    flags = ["--model_name_or_path", tmp_path / "none", "--output_dir", tmp_path / "out", "--check_data", "--strict"]
    assert main([ROOT / "presets" / f"{preset}.yaml", *flags])["findings"] == []


# ------------------------------------------------------------------------------------------------------------ repeats


def test_repeats_inside_a_split_are_counted_by_likeness(splits):
    train = splits["train"]
    for place in (10, 11, 12):
        train[place]["text"] = train[0]["text"]
    train[20]["text"] = train[1]["text"].upper() + " .."
    train[21]["text"] = f"<p>{train[2]['text']}</p>"
    long = " ".join(random.Random(9).choices(WORDS, k=60)).split()
    train[30]["text"], train[31]["text"] = " ".join(long), " ".join([*long[:30], "other", *long[31:]])
    train[30]["label"] = train[31]["label"]
    found = found_in(splits)
    counts = {kind: (finding.count, set(finding.ids)) for kind, finding in found.items()}
    assert counts.pop(("markup", "train"))[0] == 1
    counts.pop(("conflicting_labels", "train"), None)  # labels are at random
    assert counts == {
        ("exact_duplicates", "train"): (3, {"s1-10", "s1-11", "s1-12"}),
        ("normalised_duplicates", "train"): (2, {"s1-20", "s1-21"}),
        ("near_duplicates", "train"): (1, {"s1-31"}),
    }


def test_leaks_between_splits_are_counted_by_text(splits):
    train, validation, test = splits.values()
    for i in range(4):
        test[i] |= {key: train[i][key] for key in ("text", "label")}
    test[5] |= {key: train[0][key] for key in ("text", "label")}  # a text that stands twice in test
    test[6] |= {"text": train[6]["text"].title(), "label": train[6]["label"]}
    validation[7] |= {key: train[7][key] for key in ("text", "label")}
    validation[8] |= {key: test[8][key] for key in ("text", "label")}
    found = found_in(splits)
    assert {key: finding.count for key, finding in found.items()} == {
        ("exact_duplicates", "train, test"): 4,
        ("normalised_duplicates", "train, test"): 1,
        ("exact_duplicates", "train, validation"): 1,
        ("exact_duplicates", "validation, test"): 1,
        ("exact_duplicates", "test"): 1,
    }
    leaked = set(found["exact_duplicates", "train, test"].ids)
    assert leaked == {"s1-0", "s1-1", "s1-2", "s1-3", "s3-0", "s3-1", "s3-2", "s3-3", "s3-5"}
    assert "(4 rows) and test (5)" in found["exact_duplicates", "train, test"].what
    assert found["exact_duplicates", "train, test"].severity == "warning"


def test_a_leak_does_not_hide_the_near_leaks_of_its_text(splits):
    long = random.Random(9).choices(WORDS, k=60)
    splits["train"][0] |= {"text": " ".join(long), "label": "yes"}
    for place in range(6):  # the text itself, and five with a word of their own
        splits["test"][place] |= {
            "text": " ".join(long[:50] + ["other"] * (place > 0) + long[50 + place :]),
            "label": "yes",
        }
    found = found_in(splits)
    assert found["exact_duplicates", "train, test"].count == 1
    assert found["near_duplicates", "train, test"].count == 5
    assert {"s3-1", "s3-5"} <= set(found["near_duplicates", "train, test"].ids)


def test_a_validation_set_split_off_train_is_counted_as_train(splits):
    train, validation, test = splits.values()
    validation[0] |= {key: validation[1][key] for key in ("text", "label")}
    validation[2] |= {key: test[2][key] for key in ("text", "label")}
    test[3] |= {key: train[3][key] for key in ("text", "label")}
    assert {key: finding.count for key, finding in found_in(splits, made=True).items()} == {
        ("exact_duplicates", "train"): 1,
        ("exact_duplicates", "train, test"): 2,
    }


def test_only_rows_of_train_are_dropped_and_the_first_of_each_is_kept(splits):
    train, validation, test = splits.values()
    train[9]["text"] = train[8]["text"]
    test[0]["text"], validation[0]["text"], test[2]["text"] = train[0]["text"], train[1]["text"], test[1]["text"]
    everything = {row["id"] for row in train}
    assert everything - set(left_in_train(splits, duplicates=True)) == {"s1-9"}
    assert everything - set(left_in_train(splits, leaked=True)) == {"s1-0", "s1-1"}
    assert everything - set(left_in_train(splits, duplicates=True, leaked=True)) == {"s1-0", "s1-1", "s1-9"}


def near_copies(count: int) -> list[dict]:
    """Texts of 60 words, each with a copy that has one word more."""
    rows = []
    for i, row in enumerate(clean(count, 5)):
        text = random.Random(i).choices(WORDS, k=60)
        rows += [row | {"text": " ".join(text)}, row | {"text": " ".join([*text, WORDS[i]]), "id": f"{row['id']}-copy"}]
    return rows


@pytest.fixture
def near(command, tmp_path):
    """Flags for a run on 40 texts and their near copies, strict about them."""
    zoo.save_pretrained("gpt2", tmp_path / "bytes")  # knows every word
    flags = {"train_file": write_csv(tmp_path / "near.csv", near_copies(40)), "model_name_or_path": tmp_path / "bytes"}
    return flags | {"validation_file": None, "test_file": None, "max_seq_length": 64, "strict": True}


def test_dropped_near_copies_leave_validation_whole_and_no_text_out_of_the_folds(near, command, tmp_path):
    result = main(command(**near, drop_duplicates=True, validation_fraction=0.3))
    assert result["train_samples"] + result["eval_samples"] == 40 and result["eval_samples"] == 12
    main(command(**near, drop_duplicates=True, folds=2, output_dir=tmp_path / "folds"))
    with (tmp_path / "folds" / "out_of_fold_predictions.csv").open(encoding="utf-8", newline="") as handle:
        ids = [row["id"] for row in csv.DictReader(handle)]
    assert sorted(ids) == sorted(row["id"] for row in clean(40, 5))


def test_near_copies_on_both_sides_of_the_split_are_leaks_into_validation(near, command):
    with pytest.raises(UsageError, match=r"near_duplicates \(train, validation\)"):
        main(command(**near, validation_fraction=0.2))
    with pytest.raises(UsageError, match=r"near_duplicates \(train\)") as refused:  # in train they may stay
        main(command(**near, drop_leaked=True, validation_fraction=0.2))
    assert "validation" not in str(refused.value)


def test_nearly_equal_rows_of_different_classes_are_no_repeats():
    rows = [row | {"label": ("no", "yes")[row["id"].endswith("copy")]} for row in near_copies(30)]
    random.Random(0).shuffle(rows)
    assert found_in({"train": rows}) == {} and len(left_in_train({"train": rows}, duplicates=True)) == 60


def test_questions_about_one_long_text_are_no_repeats(splits):
    """Pairs are near copies only where both of their texts are."""
    draw, rows = random.Random(0), []
    for passage in range(12):
        text = " ".join(draw.choices(WORDS, k=90))
        for i in range(5):
            question, label = " ".join(draw.choices(WORDS, k=8)), draw.choice("ab")
            rows.append({"id": f"{passage}-{i}", "text": text, "text_pair": question, "label": label})
    draw.shuffle(rows)
    train, test = rows[:40], rows[40:]
    assert found_in({"train": train, "test": test}) == {}
    question = train[3]["text_pair"].split()
    test[1] |= train[3] | {"id": "copy", "text": train[3]["text"] + " more"}
    test[1]["text_pair"] = " ".join([*question[:7], "other"])
    assert found_in({"train": train, "test": test}) == {}
    test[1]["text_pair"] = train[3]["text_pair"].upper()
    assert found_in({"train": train, "test": test})["near_duplicates", "train, test"].count == 1


def test_near_duplicates_are_those_of_a_full_comparison():
    """MinHash finds what comparing all pairs finds: texts with none to 20 of 60 words changed."""
    draw, texts = random.Random(0), []
    for _ in range(40):
        words = draw.choices(WORDS, k=60)
        for changes in (0, 1, 3, 6, 12, 20):
            places = set(draw.sample(range(60), changes))
            texts.append(" ".join("new" if i in places else word for i, word in enumerate(words)))
    sets = [{tuple(words[i : i + 3]) for i in range(len(words) - 2)} for words in map(str.split, texts)]
    alike = {
        (a, b) for a, b in combinations(range(len(texts)), 2) if len(sets[a] & sets[b]) >= 0.8 * len(sets[a] | sets[b])
    }
    found = {tuple(pair) for pair in near_pairs(Words.of(texts)).tolist()}
    assert len(alike) > 40 and found <= alike
    assert {text for pair in found for text in pair} == {text for pair in alike for text in pair}


def test_one_template_in_many_rows_takes_linear_work(monkeypatch):
    from classification import duplicates

    compared = []
    real = duplicates.jaccard
    monkeypatch.setattr(duplicates, "jaccard", lambda *args: compared.append(1) or real(*args))
    texts = [f"{' '.join(WORDS[:50])} number {i}" for i in range(300)]
    assert len(duplicates.near_pairs(Words.of(texts))) >= 299
    assert len(compared) <= 2 * 16 * 300


# ------------------------------------------------------------------------------------------------------------- labels


def test_one_text_with_two_labels_is_found_in_and_across_splits(splits):
    train, _, test = splits.values()
    train[0]["label"], train[1] = "no", train[1] | {"text": train[0]["text"] + ".", "label": "yes"}
    train[2]["label"], test[2] = "yes", test[2] | {"text": train[2]["text"], "label": "no"}
    conflict = found_in(splits)["conflicting_labels", "train, test"]
    assert conflict.count == 2 and set(conflict.ids) == {"s1-0", "s1-1", "s1-2", "s3-2"}
    assert "s1-0 no / s1-1 yes" in " ".join(conflict.examples)


def test_numbers_conflict_from_half_a_deviation_on():
    rows = [row | {"label": i / 10} for i, row in enumerate(clean(100, 1))]
    random.Random(0).shuffle(rows)
    rows[1] |= {"text": rows[0]["text"], "label": rows[0]["label"] + 0.2}
    assert ("conflicting_labels", "train") not in found_in({"train": rows})
    rows[1]["label"] = rows[0]["label"] + 3
    assert found_in({"train": rows})["conflicting_labels", "train"].count == 1


def test_several_labels_a_row_are_compared_as_sets():
    rows = [row | {"label": [row["label"], "every"]} for row in clean(60, 1)]
    rows[1] |= {"text": rows[0]["text"], "label": rows[0]["label"][::-1]}
    assert ("conflicting_labels", "train") not in found_in({"train": rows})
    rows[1]["label"] = ["every"]
    assert found_in({"train": rows})["conflicting_labels", "train"].count == 1


def test_one_text_with_two_labels_is_not_settled_by_dropping(splits):
    train = splits["train"]
    train[1] |= {"text": train[0]["text"], "label": {"no": "yes", "yes": "no"}[train[0]["label"]]}
    train[3] |= {"text": train[2]["text"], "label": train[2]["label"]}
    assert {row["id"] for row in train} - set(left_in_train(splits, duplicates=True)) == {"s1-3"}


def test_near_copies_with_far_numbers_are_no_repeats():
    rows = [row | {"label": i / 20 + 1.5 * row["id"].endswith("copy")} for i, row in enumerate(near_copies(30))]
    random.Random(0).shuffle(rows)
    assert len(left_in_train({"train": rows}, duplicates=True)) == 60
    rows = [row | {"label": float(row["id"].split("-")[1]) / 10} for row in rows]
    assert len(left_in_train({"train": rows}, duplicates=True)) == 30


def test_short_chinese_texts_that_differ_in_a_letter_are_no_repeats():
    pairs = [("我想取消昨天的订单", "我想取消昨天的订单吗"), ("怎么修改收货地址", "怎么修改收货地址啊")]
    rows = clean(60, 1) + [{"id": text, "text": text, "label": "no"} for pair in pairs for text in pair]
    assert len(left_in_train({"train": rows}, duplicates=True)) == 64


def test_signs_that_say_something_make_another_text():
    texts = [
        "it rained :)",
        "it rained :(",
        "I use C++ a lot",
        "I use C# a lot",
        "-5 of them",
        "5 of them",
        "5 of them?",
    ]
    rows = clean(60, 1) + [{"id": text, "text": text, "label": ("no", "yes")[i % 2]} for i, text in enumerate(texts)]
    rows += [{"id": "stars", "text": "⭐⭐", "label": "yes"}, {"id": "star", "text": "⭐", "label": "no"}]
    assert found_in({"train": rows}) == {}


@pytest.mark.parametrize(("order", "what"), [("sorted", "is sorted by label"), ("blocks", "comes in blocks")])
def test_order_by_label_is_found(splits, order, what):
    rows = sorted(splits["train"], key=lambda row: row["label"])
    if order == "blocks":
        rows = [row for start in range(0, 100, 25) for half in (0, 100) for row in rows[half + start :][:25]]
    assert what in found_in(splits | {"train": rows})["sorted_labels", "train"].what


def test_numbers_in_order_are_found():
    rows = [row | {"label": i / 10} for i, row in enumerate(clean(100, 1))]
    assert found_in({"train": rows}).keys() == {("sorted_labels", "train")}


@pytest.mark.parametrize(("first", "last", "found"), [(15, 15, True), (992, 8, True), (3, 3, False), (60, 1, False)])
def test_small_and_rare_classes_in_order_are_found(first, last, found):
    rows = [row | {"label": ("no", "yes")[i >= first]} for i, row in enumerate(clean(first + last, 1))]
    assert (("sorted_labels", "train") in found_in({"train": rows})) == found


def test_order_names_rows_where_the_label_changes():
    rows = [row | {"label": None if i < 30 else "ab"[i >= 50]} for i, row in enumerate(clean(70, 1))]
    found = found_in({"train": clean(60, 2, "ab"), "test": rows})
    assert found["sorted_labels", "test"].ids == ("s1-50",)


def test_a_tail_that_is_not_taken_is_no_warning(splits):
    splits["train"].sort(key=lambda row: row["label"])
    data, labels = encoded(splits)
    assert [finding.severity for finding in check_order(data, labels, "tail")] == ["note"]
    del data["validation"]
    assert [finding.severity for finding in check_order(data, labels, "tail")] == ["warning"]


def test_alternating_labels_are_no_order():
    rows = [row | {"label": ("no", "yes")[i % 2]} for i, row in enumerate(clean(200, 1))]
    assert found_in({"train": rows}) == {}


def test_labels_that_differ_by_case_or_space_are_found():
    rows = clean(90, 1, names=("spam", "not spam", "other"))
    odd = {3: "Spam ", 5: "not_spam", 7: "SPAM"}
    rows = [row | {"label": odd.get(i, row["label"])} for i, row in enumerate(rows)]
    found = found_in({"train": rows})
    spellings = [finding for (kind, _), finding in found.items() if kind == "label_spellings"]
    assert {row for finding in spellings for row in finding.ids} <= {f"s1-{i}" for i in odd}
    labels = LabelSpace.from_train([row["label"] for row in rows])
    data = encode_labels(splits_of(rows), labels)
    both = [f for f in check_rows(data, labels, made=False, remedied=False) if f.kind == "label_spellings"]
    assert sorted(finding.count for finding in both) == [1, 2]
    assert {row for finding in both for row in finding.ids} == {"s1-3", "s1-5", "s1-7"}


@pytest.mark.parametrize("names", [("-1", "0", "1"), ("A", "A-", "B"), ("C", "C++"), ("1.0", "10")])
def test_labels_whose_signs_count_are_no_spellings(names):
    assert not [kind for kind, _ in found_in({"train": clean(120, 1, names)}, do_regression=False) if "spell" in kind]


def test_missing_few_and_overwhelming_classes_are_found(splits):
    train = [row | {"label": "ham"} for row in splits["train"]]
    for i, name in enumerate(["spam"] * 20 + ["rare"] * 3):
        train[7 * i]["label"] = name
    test = [row | {"label": "ham"} for row in splits["test"]]
    validation = [row | {"label": ("ham", "spam")[i % 2]} for i, row in enumerate(splits["validation"])]
    found = found_in({"train": train, "validation": validation, "test": test})
    assert {key: finding.count for key, finding in found.items()} == {
        ("few_rows", "train"): 1,
        ("imbalance", "train"): 177,
        ("one_class", "test"): 2,
        ("missing_class", "validation"): 1,
    }
    assert "rare (3)" in found["few_rows", "train"].what and "88% of the training rows are ham" in str(
        found["imbalance", "train"]
    )
    assert ("imbalance", "train") not in found_in({"train": train}, remedied=True)


def test_a_declared_class_without_rows_is_found():
    found = found_in({"train": clean(60, 1)}, class_names=("no", "yes", "never"))
    assert "no training rows of class never" in found["missing_class", "train"].what
    test = [row | {"label": "no"} for row in clean(20, 2)]
    assert ("one_class", "test") in found_in({"train": clean(60, 1), "test": test}, class_names=("no", "yes", "never"))


# -------------------------------------------------------------------------------------------------------------- texts


@pytest.mark.parametrize("labels", ["classes", "several", "numbers"])
def test_a_word_that_tells_the_label_is_found(labels):
    rows = clean(200, 1)
    for row in rows:
        told = row["label"] == "yes"
        row["text"] += " telltale" if told else ""
        row["label"] = {"classes": row["label"], "several": ["yes"] if told else [], "numbers": 0.5 * told}[labels]
        row["label"] = ["some", *row["label"]] if labels == "several" and len(row["text"]) % 2 else row["label"]
    assert found_in({"train": rows})["telltale_word", "train"].count == sum("telltale" in row["text"] for row in rows)
    told = [i for i, row in enumerate(rows) if "telltale" in row["text"]]
    for i in told[::4]:  # now it is in three of four
        rows[i]["text"] = rows[i]["text"].removesuffix(" telltale")
    assert ("telltale_word", "train") not in found_in({"train": rows})


def test_markup_is_found_and_signs_are_not(splits):
    html = ("a <br /> b", "x &amp; y", "<i>z</i>", "<a href='u'>q")
    signs = ("a < b > c", "R&D; 5 <3", "a <b and c> d", "List<String> <j@x.com>")
    for i, text in enumerate((*html, *signs)):
        splits["train"][i]["text"] += f" {text}"
    markup = found_in(splits)["markup", "train"]
    assert markup.ids == ("s1-0", "s1-1", "s1-2", "s1-3") and markup.examples[0].startswith("s1-0: ")


def test_code_is_no_markup():
    assert split_words("use vector<int> here <br/>") == ["use", "vector", "int", "here"]


def test_words_are_the_same_in_any_case_width_and_script():
    assert split_words("Ａ１ naïve <b>STRASSE</b> straße") == ["a1", "naïve", "strasse", "strasse"]
    assert split_words("很好 ไทย한국어") == ["很", "好", "ไ", "ท", "ย", "한국어"]
    assert split_words("কি কা নல்ல".replace("নல்ல", "நல்ல")) == ["কি", "কা", "நல்ல"]  # vowel signs belong to their word


# ---------------------------------------------------------------------------------------------------------- whole runs


def test_findings_stand_in_run_json_and_dropped_rows_are_gone(command, tmp_path, capsys):
    rows, test = make_rows(64, 1), make_rows(24, 3)
    test[0] |= {key: rows[5][key] for key in ("text", "label")}
    rows[7] |= {key: rows[3][key] for key in ("text", "label")}
    files = {"train_file": write_csv(tmp_path / "a.csv", rows), "test_file": write_csv(tmp_path / "b.csv", test)}
    main(command(**files))
    account = json.loads((tmp_path / "out" / "run.json").read_text())
    leak = next(finding for finding in account["findings"] if finding["split"] == "train, test")
    assert leak["kind"] == "exact_duplicates" and leak["count"] >= 1 and "r1-5" in leak["ids"]
    assert "warning: 1 texts stand in both train (1 rows) and test (1), byte for byte" in capsys.readouterr().out
    with pytest.raises(UsageError, match=r"--strict: .*exact_duplicates \(train, test\)"):
        main(command(**files, output_dir=tmp_path / "strict", strict=True))
    result = main(command(**files, output_dir=tmp_path / "less", strict=True, drop_leaked=True, drop_duplicates=True))
    ids = {row["id"] for row in rows}
    assert result["train_samples"] <= len(ids) - 2 and result["test_samples"] == 24
    assert "rows of train were dropped (repeats, leaks)" in capsys.readouterr().out
    account = json.loads((tmp_path / "less" / "run.json").read_text())
    dropped = next(finding for finding in account["findings"] if finding["kind"] == "dropped_rows")
    assert {"r1-5", "r1-7"} <= set(dropped["ids"]) and dropped["severity"] == "note"
    assert account["tokens"]["train"]["tokens"]["most"] <= 16 and account["tokens"]["train"]["tokens_unknown"] == 0


def test_check_data_needs_no_model_and_lists_every_row(command, tmp_path, capsys):
    rows = make_rows(64, 1)
    rows[3]["text"], rows[4]["text"], rows[5]["label"] = " ", "\u200b", ""
    flags = {"model_name_or_path": tmp_path / "none", "train_file": write_csv(tmp_path / "a.csv", rows)}
    with pytest.raises(UsageError, match=r"2 findings about the data must not be: blank_text \(train\), no_label"):
        main(command(**flags, check_data=True))
    out = capsys.readouterr().out
    assert "2 rows of train have null or blank text" in out and "r1-3" in out and "r1-4" in out
    assert "tokens       not looked at" in out
    facts = json.loads((tmp_path / "out" / "data_checks.json").read_text())
    assert facts["findings"][0]["ids"] == ["r1-3", "r1-4"]
    assert facts["labels"]["train"] == {"negative": 31, "positive": 30}
    assert main(command(output_dir=tmp_path / "out"))["train_samples"] == 64  # no run is in its way


def test_check_data_goes_on_where_training_would_refuse_validation(command, tmp_path, capsys):
    rows = [row | {"label": "positive"} for row in make_rows(20, 2)]
    with pytest.raises(UsageError, match=r"one_class \(validation\)"):
        main(command(validation_file=write_csv(tmp_path / "b.csv", rows), check_data=True, on_bad_row="drop"))
    assert "the validation set holds one class only" in capsys.readouterr().out


def test_check_data_reads_the_texts_as_the_model_would(command, tmp_path, capsys):
    rows = [row | {"text": row["text"] + " weird odd strange" * 12} for row in make_rows(64, 1)]
    found = main(command(train_file=write_csv(tmp_path / "a.csv", rows), check_data=True))["findings"]
    kinds = {(finding["kind"], finding["split"]): finding for finding in found}
    assert kinds["unknown_tokens", "train"]["severity"] == "warning"
    assert kinds["unread_tokens", "train"]["count"] == 64 and kinds["unread_tokens", "train"]["severity"] == "note"
    assert "64 rows (100.0%) are cut to 32" in capsys.readouterr().out


def test_a_leak_that_is_all_of_train_is_refused(command, files):
    with pytest.raises(UsageError, match="--drop_leaked: all 64 rows of train"):
        main(command(validation_file=files["train"], drop_leaked=True))
