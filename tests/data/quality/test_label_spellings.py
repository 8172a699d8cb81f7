"""Labels in two spellings are found, and labels whose signs have a meaning are not."""

from __future__ import annotations

import pytest
from planted import clean, inspected

from classification.data.quality.label_spellings import find_label_spellings


def test_labels_that_differ_by_case_or_space_are_found():
    rows = clean(90, 1, names=("spam", "not spam", "other"))
    odd = {3: "Spam ", 5: "not_spam", 7: "SPAM"}
    rows = [row | {"label": odd.get(i, row["label"])} for i, row in enumerate(rows)]
    findings = find_label_spellings(inspected({"train": rows}))
    assert {(finding.kind, finding.split) for finding in findings} == {("label_spellings", "train")}
    assert sorted(finding.count for finding in findings) == [1, 2]
    assert {row for finding in findings for row in finding.ids} == {"s1-3", "s1-5", "s1-7"}
    assert "'not_spam' (1 row)" in " ".join(finding.what for finding in findings)


def test_spellings_of_several_labels_per_row_are_found():
    rows = [row | {"label": [row["label"], "Yes"] if i == 4 else [row["label"]]} for i, row in enumerate(clean(60, 1))]
    (finding,) = find_label_spellings(inspected({"train": rows}))
    assert finding.ids == ("s1-4",)


@pytest.mark.parametrize("names", [("-1", "0", "1"), ("A", "A-", "B"), ("C", "C++"), ("1.0", "10")])
def test_labels_whose_signs_count_are_no_spellings(names):
    assert not find_label_spellings(inspected({"train": clean(120, 1, names)}, do_regression=False))
