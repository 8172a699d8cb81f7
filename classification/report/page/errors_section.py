"""The error browser: the test rows one by one, mistakes first, with filters."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup

from classification.report.number_format import plural
from classification.report.page.browser_rows import KINDS, Browser, BrowserRow, make_browser
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.shown_rows import MISTAKE, RIGHT, UNSCORED, ShownRows, choose_rows
from classification.report.text_budget import fit_texts

PLAIN_ROWS = 50  # that the page shows without its script, and that the script shows at a time
PLAIN_BYTES = 400_000  # of their texts
FOLDED = 400  # characters of a text from which the rest is folded
MOST_OPTIONS = 500  # values of a slice column that can be chosen

ONE, SEVERAL, NUMBER = "one", "several", "number"  # answers of a row


def errors_section(run: RunFiles) -> Section | None:
    """The rows of test; None where nothing was predicted."""
    table = run.predictions
    if table is None or not len(table.ids):
        return None
    shown = choose_rows(table, run.task)
    browser = make_browser(run, table, shown)
    answer = NUMBER if table.probabilities is None else SEVERAL if np.ndim(table.decisions) == 2 else ONE
    names = list(run.task.names)
    slices = [{"name": name, "values": list(values)[:MOST_OPTIONS]} for name, values in browser.slices.items()]
    values: dict[str, Any] = {
        "answer": answer,
        "names": names,
        "browser": browser,
        "rows": with_short_texts(browser.rows[:PLAIN_ROWS]),
        "kinds": [(place, kind, shown.shown[kind]) for place, kind in enumerate(KINDS) if shown.shown[kind]],
        "folded": FOLDED,
        "has_texts": run.shows_texts,
        "slices": slices,
        "all_slices": browser.slices,
        "lead": describe_rows(shown, answer),
        "notes": notes_about(run, browser, answer),
        "data": as_json({
            "answer": answer, "names": names, "page": PLAIN_ROWS, "folded": FOLDED,
            "slices": [{"name": name, "values": list(values)} for name, values in browser.slices.items()],
            "train": [[row.row_id, row.labels, row.texts] for row in browser.training],
            "rows": [row.as_list() for row in browser.rows],
        }),
    }  # fmt: skip
    return Section("errors", title_of(shown, answer), "errors.html.j2", values, left_out(run, shown))


def as_json(value: object) -> Markup:
    """JSON for a script element: no text in it can end the element."""
    return htmlsafe_json_dumps(value, dumps=json.dumps, ensure_ascii=False, separators=(",", ":"))


def with_short_texts(rows: Sequence[BrowserRow]) -> list[tuple[BrowserRow, list[str]]]:
    """The rows that are plain HTML, whose texts are in the page twice: the longest ones are cut."""
    fitted = iter(fit_texts([text for row in rows for text in row.texts], PLAIN_BYTES))
    return [(row, [next(fitted) for _ in row.texts]) for row in rows]


def title_of(shown: ShownRows, answer: str) -> str:
    if not shown.total[MISTAKE] + shown.total[RIGHT]:
        return "Predictions, row by row"
    return "Errors, row by row" if answer == NUMBER else "Mistakes, row by row"


def describe_rows(shown: ShownRows, answer: str) -> str:
    """Which rows are listed, and in which order."""
    total, count = shown.total, {kind: f"{number:,}" for kind, number in shown.shown.items()}
    parts = []
    if total[MISTAKE] and answer == NUMBER:
        half = " (the largest ones, and a random sample of the others)" if shown.left_out else ""
        parts.append(f"{plural(shown.shown[MISTAKE], 'row')} with a label, the largest errors first{half}")
    elif total[MISTAKE]:
        every = "" if shown.shown[MISTAKE] == total[MISTAKE] else f" of {total[MISTAKE]:,}"
        parts.append(f"{count[MISTAKE]}{every} mistake{'s' * (total[MISTAKE] != 1)}, the most confident first")
    if total[RIGHT]:
        sampled = shown.shown[RIGHT] < total[RIGHT]
        which = (
            f"a random {count[RIGHT]} of the {total[RIGHT]:,} right rows" if sampled else f"{count[RIGHT]} right rows"
        )
        parts.append(f"{which}, the least confident first")
    if total[UNSCORED]:
        every = "" if shown.shown[UNSCORED] == total[UNSCORED] else f" of {total[UNSCORED]:,}"
        order = "" if answer == NUMBER else ", the least confident first"
        parts.append(f"{count[UNSCORED]}{every} row{'s' * (total[UNSCORED] != 1)} without a label (not scored){order}")
    if not total[MISTAKE] and total[RIGHT]:
        parts.insert(0, "No row is wrong")
    return "; then ".join(parts) + "."


def left_out(run: RunFiles, shown: ShownRows) -> str:
    """How many rows the page leaves out; "" for none."""
    if not shown.left_out:
        return ""
    everything = sum(shown.total.values())
    file = "predictions.csv" if run.rows_are == "test" else "oof.csv"
    return (
        f"{len(shown.rows):,} of {everything:,} {run.rows_are} rows are on this page, and {shown.left_out:,} are not. "
        f"{file} has all of them."
    )


def notes_about(run: RunFiles, browser: Browser, answer: str) -> list[str]:
    """What a reader needs to know: the meaning of confidence, and what is missing."""
    notes = []
    if answer == ONE:
        notes.append("Confidence is the probability that the model gives to its prediction.")
    if answer == SEVERAL:
        notes.append(
            "Confidence belongs to one decision about a label: of a mistake to the surest wrong one, of other rows to "
            "the least sure one."
        )
    if not run.shows_texts:
        notes.append("Texts are left out (--report_texts false): predictions.csv has them.")
    if browser.problem:
        notes.append(browser.problem)
    if browser.training:
        notes.append(describe_neighbours(run))
    cut = sum(length > len(text) for row in browser.rows for text, length in zip(row.texts, row.lengths, strict=True))
    if cut:
        notes.append(f"{plural(cut, 'long text')} {'is' if cut == 1 else 'are'} cut, so that the page stays small.")
    return notes


def describe_neighbours(run: RunFiles) -> str:
    found = run.neighbours
    searched, total = found.get("searched"), found.get("train_rows")
    number = f"{searched:,} of {total:,}" if searched != total else f"all {total:,}"
    rows, shown = len(found.get("rows", ())), found.get("shown", 0)
    fewer = f" Only the first {rows:,} rows have them, so that the search stays short." if rows < shown else ""
    return (
        f"Nearest training rows are those that the model finds most alike, from 0 (unrelated) to 1 (the same), among "
        f"{number} training rows. Wrong labels there, or texts of another kind, can explain a mistake.{fewer}"
    )
