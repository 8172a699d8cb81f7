"""Repeats and leaks are counted by likeness, and only what was asked for is dropped."""

from __future__ import annotations

import csv
import random
from itertools import combinations

import pytest
import zoo
from conftest import write_csv
from planted import WORDS, clean, found_in, left_in_train, near_copies, three_splits

from classification.data.quality.duplicates import near_pairs
from classification.data.quality.words import Words
from classification.errors import UsageError
from run_classification import main


@pytest.fixture
def splits():
    return three_splits()


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
    from classification.data.quality import duplicates

    compared = []
    real = duplicates.jaccard
    monkeypatch.setattr(duplicates, "jaccard", lambda *args: compared.append(1) or real(*args))
    texts = [f"{' '.join(WORDS[:50])} number {i}" for i in range(300)]
    assert len(duplicates.near_pairs(Words.of(texts))) >= 299
    assert len(compared) <= 2 * 16 * 300


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
