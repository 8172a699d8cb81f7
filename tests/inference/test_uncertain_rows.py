"""The rows worth labelling are the right ones however the input is divided, and train can read them."""

from __future__ import annotations

import csv
import json
import random
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pyarrow as pa
import pytest
from helpers import assert_refused

from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.data.sources.json_decoder import NumberText
from classification.data.sources.row_batches import RowBatch
from classification.data.words import normalised
from classification.inference.uncertain_rows import (
    CANDIDATES,
    UncertainPlan,
    check_uncertain,
    choose_rows,
    find_candidates,
    write_uncertain,
)

TWO = SingleLabel(("negative", "positive"))
LONG = "the film was good and the story of the old sailor was told with care"


@dataclass(frozen=True)
class Rows(RowBatch):
    """A batch of given rows."""

    rows: tuple = ()

    def __len__(self):
        return len(self.rows)

    def column(self, name):
        """JSON numbers are typed here, and as they are written in `records`."""
        values = [row.get(name) for row in self.rows]
        return [float(value) if isinstance(value, NumberText) else value for value in values]

    def records(self):
        return iter(self.rows)

    def table(self):
        return pa.Table.from_pylist(list(self.rows))


def plan(count=3, columns=("text",), text_columns=("text",), label=None, **statistics):
    known = SimpleNamespace(**{"text_columns": (), "label_column": None} | statistics) if statistics else None
    return UncertainPlan.make(count, columns, text_columns, label, known)


def logits_of(margins) -> np.ndarray:
    return np.array([[0.0, margin] for margin in margins], dtype=np.float32).reshape(-1, 2)


def facts_of(made, texts, margins, size=1000, task=TWO, **more):
    """The facts of each part, in parts of `size` rows; `margins` of None are bad rows."""
    rows, own = [{"text": text} | more for text in texts], ["text", *more]
    for number, first in enumerate(range(0, len(rows), size)):
        part = margins[first : first + size]
        positions = [i for i, margin in enumerate(part) if margin is not None]
        batch = Rows(number, first, rows=tuple(rows[first : first + size]))
        yield find_candidates(made, batch, logits_of([part[i] for i in positions]), positions, task, own)


def chosen_numbers(made, *args, **options):
    _, chosen, left_out = choose_rows(facts_of(made, *args, **options))
    return [one.number for one in chosen], left_out


def by_sorting(texts, margins, count):
    """The definition without near copies: the smallest margin of each different text."""
    order = sorted(range(len(texts)), key=lambda row: (abs(np.float32(margins[row])), row))
    chosen, seen = [], set()
    for row in order:
        if normalised(texts[row]) not in seen and len(chosen) < count:
            chosen.append(row)
        seen.add(normalised(texts[row]))
    return chosen


@pytest.mark.parametrize("size", [1, 7, 64, 1000])
@pytest.mark.parametrize("count", [1, 3, 500])
def test_the_rows_are_those_of_a_sort_of_all(size, count):
    draw = random.Random(count)
    texts = [f"text {draw.randrange(150)}" for _ in range(400)]
    margins = [draw.choice((-1, 1)) * draw.randrange(300) / 100 for _ in texts]
    found, _ = chosen_numbers(plan(count), texts, margins, size)
    assert found == by_sorting(texts, margins, count)


def test_the_order_of_the_parts_does_not_matter():
    draw = random.Random(0)
    texts = [f"text {draw.randrange(200)}" for _ in range(300)]
    made, margins = plan(2), [draw.random() for _ in texts]
    facts = [*facts_of(made, texts, margins, 11)]
    expected = choose_rows(facts)
    for _ in range(5):
        draw.shuffle(facts)
        rows = [[(one.number, one.margin) for one in found[1]] for found in (choose_rows(facts), expected)]
        assert rows[0] == rows[1]


def test_rows_with_equal_margins_are_chosen_in_their_order():
    assert chosen_numbers(plan(2), ["a", "b", "c", "d"], [0.5, 0.1, -0.1, 0.1], 2) == ([1, 2], 0)


def test_copies_and_near_copies_are_left_out_and_counted():
    texts = ["one", "ONE.", LONG, LONG + " again", "two", LONG, "three"]
    assert chosen_numbers(plan(3), texts, [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7], 2) == ([0, 2, 4], 3)


def test_one_text_in_all_rows_leaves_room_for_others():
    """More copies than candidates are kept."""
    texts, margins = ["the same"] * 500 + ["another"], [0.1] * 500 + [0.9]
    assert chosen_numbers(plan(2), texts, margins, 50) == ([0, 500], 499)


def test_a_part_keeps_a_bounded_number_of_candidates():
    (fact,) = facts_of(plan(2), [f"text {i}" for i in range(500)], [*range(500)])
    assert len(json.loads(fact)["rows"]) == 2 * CANDIDATES
    (fact,) = facts_of(plan(1), [f"text {i}" for i in range(500)], [0.5] * 500)
    assert [row[1] for row in json.loads(fact)["rows"]] == [*range(CANDIDATES)]


def test_more_rows_than_there_are_gives_all_of_them_and_says_so(tmp_path):
    line = write_uncertain(tmp_path / "more.csv", facts_of(plan(10), ["a", "b"], [0.2, 0.1]))
    assert "2 of 10 rows" in line.text and (tmp_path / "more.csv").read_text() == "text,label\nb,\na,\n"


def test_bad_rows_and_outputs_that_are_no_numbers_are_left_out():
    assert chosen_numbers(plan(9), ["a", "b", "c"], [None, float("nan"), 1.0]) == ([2], 0)


def test_a_margin_without_bound_is_a_certain_row():
    assert chosen_numbers(plan(9), ["a", "b"], [float("inf"), 1.0]) == ([1, 0], 0)


def test_an_input_without_good_rows_gives_a_header(tmp_path):
    line = write_uncertain(tmp_path / "none.csv", facts_of(plan(2), ["a"], [None]))
    assert (tmp_path / "none.csv").read_text() == "text,label\n" and line.text.startswith("0 of 2 rows")
    assert write_uncertain(tmp_path / "no.csv", []) is None and not (tmp_path / "no.csv").exists()


def test_of_several_labels_the_decision_nearest_its_threshold_counts():
    task = MultiLabel(("a", "b"), thresholds=(0.5, 0.9))
    cut = float(np.log(0.9 / 0.1))
    batch = Rows(0, 0, rows=tuple({"text": text} for text in "xyz"))
    logits = np.array([[3.0, 0.0], [5.0, cut + 0.1], [-0.5, -4.0]], dtype=np.float32)
    _, chosen, _ = choose_rows([find_candidates(plan(3), batch, logits, [0, 1, 2], task, ["text"])])
    assert [one.number for one in chosen] == [1, 2, 0]


def test_a_number_is_refused_by_name():
    assert_refused(["--most_uncertain 5", "number", "Leave"], check_uncertain, Regression(("score",), 0.0, 1.0), 5)
    check_uncertain(TWO, 5)
    check_uncertain(MultiLabel(("a", "b"), thresholds=(0.5, 0.5)), 5)


# ----------------------------------------------------------------------------------------------------------- the file


@pytest.mark.parametrize(
    ("options", "names"),
    [
        ({}, ("text", "label")),
        ({"columns": ("id", "review"), "text_columns": ("review",), "text_columns_": ("text",)},
         ("id", "text", "label")),
        ({"columns": ("meta",), "text_columns": ("meta.text",), "text_columns_": ("text",)}, ("meta", "text", "label")),
        ({"columns": ("text", "stars", "id"), "label": "stars"}, ("text", "id", "stars")),
        ({"columns": ("text", "stars"), "label": "stars", "label_column": "rating"}, ("text", "rating")),
        ({"columns": ("label", "text")}, ("text", "label")),
        ({"columns": ("text", "review"), "text_columns": ("review",), "text_columns_": ("text",)},
         ("text_2", "text", "label")),
        ({"columns": ("b", "a"), "text_columns": ("a", "b"), "text_columns_": ("premise", "hypothesis")},
         ("hypothesis", "premise", "label")),
        ({"columns": ("a", "b"), "text_columns": ("a", "b"), "text_columns_": ("text",)}, ("a", "b", "label")),
        ({"columns": ("label",), "text_columns": ("label",), "label_column": "label_2"}, ("label", "label_2")),
    ],
)  # fmt: skip
def test_columns_have_the_names_of_the_training_and_the_label_is_the_last(options, names):
    trained = {"text_columns": options.pop("text_columns_", ())}
    if "label_column" in options:
        trained["label_column"] = options.pop("label_column")
    made = UncertainPlan.make(
        3, options.get("columns", ("text",)), options.get("text_columns", ("text",)), options.get("label"),
        SimpleNamespace(**{"label_column": None} | trained),
    )  # fmt: skip
    assert made.names == names and len(set(made.names)) == len(names) == len(made.columns)


HOSTILE = [
    'quotes " and, commas',
    "two\nlines\r\n",
    "tab\t",
    " spaces ",
    "=1+1",
    "电影 👍",
    "'",
    '""',
    "a\rb",
    "null",
    "0012",
]


@pytest.mark.parametrize("ending", [".csv", ".tsv"])
def test_hostile_cells_are_read_back(ending, tmp_path):
    path = tmp_path / f"more{ending}"
    write_uncertain(path, facts_of(plan(50), HOSTILE, [*range(len(HOSTILE))]))
    with path.open(encoding="utf-8", newline="") as handle:
        rows = list(csv.DictReader(handle, delimiter="\t" if ending == ".tsv" else ","))
    assert [row["text"] for row in rows] == HOSTILE and {row["label"] for row in rows} == {""}


def test_own_columns_stay_as_they_are_written(tmp_path):
    row = {
        "text": "good",
        "price": NumberText("1.50"),
        "tags": ["a", {"b": None}],
        "none": None,
        "label": NumberText("2"),
    }
    made = plan(2, tuple(row), label="label")
    fact = find_candidates(made, Rows(0, 0, rows=(row,)), logits_of([1.0]), [0], TWO, list(row))
    write_uncertain(tmp_path / "more.csv", [fact])
    with (tmp_path / "more.csv").open(newline="") as handle:
        assert list(csv.reader(handle))[1] == ["good", "1.50", '["a", {"b": null}]', "", "2"]


def test_a_text_inside_an_object_has_a_column_of_its_own():
    trained = SimpleNamespace(text_columns=("text",), label_column=None)
    made = UncertainPlan.make(2, ("meta",), ("meta.text",), None, trained)
    batch = Rows(0, 0, rows=({"meta": {"text": "good", "stars": 2}},))
    _, (chosen,), _ = choose_rows([find_candidates(made, batch, logits_of([1.0]), [0], TWO, ["meta"])])
    assert chosen.cells == ['{"text": "good", "stars": 2}', "good", ""] and made.names == ("meta", "text", "label")


def test_parts_that_know_the_label_column_and_parts_that_do_not_are_put_together():
    columns = ("mood", "text")
    knowing, other = plan(4, columns, label="mood"), plan(4, columns)
    assert knowing.columns != other.columns
    parts = [
        find_candidates(made, Rows(i, i, rows=({"mood": "m", "text": f"t{i}"},)), logits_of([1.0]), [0], TWO, columns)
        for i, made in enumerate([knowing, other])
    ]
    found, chosen, _ = choose_rows(parts)
    assert found.columns == ("text", "mood") and [one.cells for one in chosen] == [["t0", "m"], ["t1", "m"]]
    found, chosen, _ = choose_rows(parts[::-1])
    assert found.columns == ("mood", "text", "") and [one.cells[:2] for one in chosen] == [["m", "t0"], ["m", "t1"]]


def test_json_lines_have_no_label_yet(tmp_path):
    write_uncertain(tmp_path / "more.jsonl", facts_of(plan(5), HOSTILE[:2], [0, 1]))
    rows = [json.loads(line) for line in (tmp_path / "more.jsonl").read_text(encoding="utf-8").splitlines()]
    assert rows == [{"text": text, "label": None} for text in HOSTILE[:2]]
