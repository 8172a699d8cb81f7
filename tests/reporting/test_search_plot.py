"""search.svg has the complete trials and the best value so far."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest

from classification.reporting.search_plot import draw_search, points_of


def found(*values: float | None, higher: bool = False) -> dict:
    trials = [{"number": number, "value": value} for number, value in enumerate(values, start=1)]
    return {"metric": "accuracy" if higher else "val_loss", "higher": higher, "trials": trials}


@pytest.mark.parametrize(("higher", "best"), [(False, [3, 3, 1]), (True, [3, 4, 4])])
def test_the_line_is_the_best_of_those_before(higher, best):
    assert points_of(found(3, None, 4, 1, higher=higher)) == ([1, 3, 4], [3, 4, 1], best)


def test_the_plot_is_an_svg_and_the_same_twice(tmp_path):
    draw_search(tmp_path, found(0.5, 0.4, None, 0.45))
    texts = [each.text for each in ElementTree.parse(tmp_path / "search.svg").iter() if each.tag.endswith("}text")]
    assert {"val_loss on validation", "best so far", "trial"} <= set(texts)
    first = (tmp_path / "search.svg").read_bytes()
    draw_search(tmp_path, found(0.5, 0.4, None, 0.45))
    assert (tmp_path / "search.svg").read_bytes() == first
