"""HTML in texts is found, and signs that only look like it are not."""

from __future__ import annotations

from planted import findings_of, three_splits


def test_markup_is_found_and_signs_are_not():
    splits = three_splits()
    html = ("a <br /> b", "x &amp; y", "<i>z</i>", "<a href='u'>q")
    signs = ("a < b > c", "R&D; 5 <3", "a <b and c> d", "List<String> <j@x.com>")
    for i, text in enumerate((*html, *signs)):
        splits["train"][i]["text"] += f" {text}"
    markup = findings_of(splits)["markup", "train"]
    assert markup.ids == ("s1-0", "s1-1", "s1-2", "s1-3") and markup.examples[0].startswith("s1-0: ")
    assert markup.what.startswith("4 rows of train contain HTML (<br />, ")
