"""Any text at all is read as it was written. `--slow` only."""

from __future__ import annotations

import csv
import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from classification.data.sources.readers import read_file

pytestmark = pytest.mark.slow

ANY_TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=30)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.tuples(ANY_TEXT, ANY_TEXT), min_size=1, max_size=6), st.sampled_from([".csv", ".tsv", ".jsonl"]))
def test_any_text_is_read_as_it_was_written(tmp_path_factory, rows, suffix):
    path = tmp_path_factory.mktemp("any") / f"rows{suffix}"
    with path.open("w", encoding="utf-8", newline="") as handle:
        if suffix == ".jsonl":
            handle.writelines(json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
        else:
            # Between tabs, marks in the header say that marks enclose fields: without them, a text such as "\n\t" in
            # marks is also two rows, which is refused or read as rows.
            handle.write("text,label\r\n" if suffix == ".csv" else '"text"\t"label"\r\n')
            csv.writer(handle, delimiter="," if suffix == ".csv" else "\t").writerows(rows)
    data = read_file(str(path), flag="--train_file")
    assert list(zip(data["text"], data["label"], strict=True)) == rows
