"""The page is one file that loads nothing, at most 10 MB, with everything that came from the data as text."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from html.parser import HTMLParser

import numpy as np
import pytest
from report_rows import multi_run, number_run, random_run, single_run

import classification.errors
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import SingleLabel
from classification.report.page import page
from classification.report.page.decisions_section import decisions_section
from classification.report.page.headline_section import headline_section
from classification.report.page.page import draw_page
from classification.report.page.sections import Section

ODD = (
    "<script>alert(1)</script>",
    "=1+1",
    "$x^2$",
    "إيجابي",
    "负面",
    "🙂",
    "{{ 7 * 7 }}",
    "</script>",
    "<!--",
    "\ud800",
)


class Tags(HTMLParser):
    """Every tag with its attributes, and the text outside scripts and styles."""

    def __init__(self, html: str):
        super().__init__()
        self.tags: list[tuple[str, dict]] = []
        self.text: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text.append(data)


def odd_run():
    count = len(ODD)
    probabilities = np.full((count, count), 0.01)
    np.fill_diagonal(probabilities[:, ::-1], 0.91)
    texts = [(f"{name} text <img src=http://x.example/a.png> \x00 \u202e",) for name in ODD]
    findings = [
        {"severity": "warning", "what": f"{name} is", "why": name, "remedy": name, "ids": [name], "examples": [name]}
        for name in ODD
    ]
    record = {"findings": findings, "arguments": {"model_name_or_path": ODD[0], "train_file": ODD[7]}}
    return single_run(list(range(count)), probabilities, names=ODD, texts=texts, record=record)


def test_nothing_of_the_data_becomes_markup():
    html = draw_page(odd_run())
    parsed = Tags(html)
    scripts = [attributes for tag, attributes in parsed.tags if tag == "script"]
    assert all(attributes.get("type") == "application/json" for attributes in scripts[:-1])
    assert not [tag for tag, _ in parsed.tags if tag == "img"] and "49" not in "".join(parsed.text).split()
    assert not [name for _, attributes in parsed.tags for name in attributes if name.startswith("on")]
    shown = "".join(parsed.text)
    assert all(name in shown for name in ODD[:7])


@pytest.mark.parametrize("run", [odd_run(), random_run(), number_run([1.0, 2.0, 4.0], [1.5, 2.0, 3.0])])
def test_the_page_loads_nothing(run):
    html = draw_page(run)
    names = ("src", "href", "action", "srcset", "data", "poster", "xlink:href")
    found = [(tag, name, str(value)) for tag, attributes in Tags(html).tags for name, value in attributes.items()]
    addresses = [one for one in found if one[1] in names and not one[2].startswith("#")]
    assert addresses == [("link", "href", "data:,")]
    policy = re.search(r'Content-Security-Policy" content="([^"]+)"', html)[1]
    assert policy.startswith("default-src 'none';") and "script-src 'sha256-" in policy and "http" not in policy


def test_the_policy_allows_the_script_that_is_there():
    import base64
    import hashlib

    html = draw_page(random_run())
    script = re.search(r"<script>(.*)</script>\s*</body>", html, re.DOTALL)[1]
    assert f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" in html


def test_labels_and_texts_carry_their_own_direction():
    html = draw_page(odd_run())
    assert re.search(r'<bdi[^>]*>إيجابي</bdi>|dir="auto"[^>]*>إيجابي<', html)


# ---------------------------------------------------------------------------------------- every kind, with and without


def unlabelled(run):
    """The same run without a label in test; validation was scored."""
    table = replace(run.predictions, label_ids=[None] * len(run.predictions.ids))
    return replace(
        run, predictions=table, metrics={"eval_loss": 0.4, "eval_accuracy": 0.75, "eval_scored": 40, "test_scored": 0}
    )


def validation_only(run):
    return replace(unlabelled(run), predictions=None)


def unscored(run):
    return replace(unlabelled(run), metrics={"test_scored": 0})


RUNS = {
    "single": random_run(40),
    "multi": multi_run([[1.0, 0.0], [0.0, 0.0], [1.0, 1.0]], [[0.9, 0.2], [0.1, 0.6], [0.7, 0.8]]),
    "regression": number_run([1.0, 2.0, 4.0], [1.5, 2.0, 3.0]),
    "one row": single_run([0], [[0.9, 0.1]]),
}


@pytest.mark.parametrize("change", [lambda run: run, unlabelled, validation_only, unscored])
@pytest.mark.parametrize("kind", RUNS)
def test_every_kind_of_run_has_a_page(kind, change):
    html = draw_page(change(RUNS[kind]))
    anchors = {attributes["href"] for tag, attributes in Tags(html).tags if tag == "a"}
    ids = [attributes["id"] for _, attributes in Tags(html).tags if "id" in attributes]
    assert anchors <= {f"#{name}" for name in ids} and len(ids) == len(set(ids))
    assert {"headline", "decisions", "findings", "reproduce"} <= set(ids) and "could not be drawn" not in html


@pytest.mark.parametrize(
    "task", [SingleLabel(("a", "b")), MultiLabel(("a", "b"), thresholds=(0.5, 0.5)), Regression(("score",))]
)
def test_a_run_whose_files_hold_next_to_nothing_has_a_page(task):
    run = replace(RUNS["single"], task=task, predictions=None, metrics={}, record={"data": {}})
    assert "No row was scored" in draw_page(run)


@pytest.mark.parametrize(
    "record",
    [
        {"findings": "x", "seconds": 3, "throughput": [], "baselines": [1], "selections": [1]},
        {"comparison": {"figures": 1}, "versions": 2, "files": {"a": 1}, "command": "x", "seeds": 1},
        {"log_history": [1, {"loss": None}], "epochs": [{"epoch": None}], "best_step": "x", "data": {"test": 5}},
        {"arguments": {"trainer": 4, "model_name_or_path": 7}, "machine": 3, "decisions": 1, "tokens": {"train": 1}},
        {"commits": 4, "fingerprint": "x", "data": {"train": {"rows": "x"}}, "predictions": 3},
    ],
)
def test_fields_of_another_kind_than_expected_are_left_out(record):
    assert "<h1>" in draw_page(replace(RUNS["single"], record=record, predictions=None))


# ---------------------------------------------------------------------------------------------------- size and errors


QUICK = (headline_section, decisions_section)


def heavy_section(run) -> Section:
    """A section that fills its budget, and two and a half bytes more for each byte of it."""
    return Section("heavy", "Heavy", "curves.html.j2", {
        "lead": "x" * int(2.5 * run.byte_budget), "figures": [], "rows": [], "columns": [], "has_chosen": False,
    }, left_out=f"budget {run.byte_budget}")  # fmt: skip


def test_a_large_section_is_drawn_again_with_a_smaller_budget():
    html = draw_page(RUNS["single"], [*QUICK, heavy_section])
    budget = int(re.search(r"budget (\d+)", html)[1])
    assert len(html.encode()) <= page.MAX_BYTES and 0 < budget < RUNS["single"].byte_budget


def test_a_section_that_cannot_shrink_is_left_out_and_named(caplog):
    def stubborn_section(run):
        return replace(heavy_section(replace(run, byte_budget=5_000_000)), left_out="")

    html = draw_page(RUNS["single"], [*QUICK, stubborn_section])
    assert len(html.encode()) <= page.MAX_BYTES and "larger than 10 MB" in html and "'Heavy' is left out" in caplog.text


def test_an_error_costs_one_section_and_is_a_warning(monkeypatch, caplog):
    def broken_section(run):
        raise ZeroDivisionError("no rows")

    with pytest.raises(ZeroDivisionError):
        draw_page(RUNS["single"], [*QUICK, broken_section])
    monkeypatch.setattr(classification.errors, "FORGIVING", True)
    html = draw_page(RUNS["single"], [*QUICK, broken_section])
    assert html.count("<section") == draw_page(RUNS["single"], QUICK).count("<section")
    assert "report.html: broken is missing: ZeroDivisionError" in caplog.text


def test_long_texts_are_cut_before_the_page_is_too_large():
    count = 60
    texts = [("word " * 100_000 + str(i),) for i in range(count)]
    run = single_run([0] * count, [[0.3, 0.7]] * count, texts=texts)
    assert len(draw_page(run).encode()) <= page.MAX_BYTES


def test_two_hundred_thousand_rows_are_drawn_in_seconds():
    rows = 200_000
    draw = np.random.default_rng(0)
    probabilities = draw.dirichlet((1, 1, 1), size=rows)
    texts = [("some words of a review that is not long " * 3,)] * rows
    run = single_run(draw.integers(0, 3, rows).tolist(), probabilities, names=("a", "b", "c"), texts=texts)
    start = time.process_time()
    html = draw_page(run)
    assert time.process_time() - start < 8 and len(html.encode()) <= page.MAX_BYTES
