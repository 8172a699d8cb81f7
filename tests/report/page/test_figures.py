"""A figure becomes SVG whose text is text, whose colours are the page's and whose ids are its own."""

from __future__ import annotations

import html
import re

from classification.report.page.figures import BLUE, VARIABLES, drawing, figure_svg, new_figure
from classification.report.page.page import asset


def svg_of(title="A title", text="label", colour=BLUE, **more) -> str:
    with drawing():
        figure = new_figure(**more)
        axes = figure.subplots()
        axes.plot([0, 1], [0, 1], color=colour, marker="o")
        axes.fill_between([0, 1], [0, 0], [0, 1], color=colour, alpha=0.2)
        axes.set_title(text)
        return str(figure_svg(figure, title, "What it shows"))


def test_markup_and_formulas_in_a_label_stay_text():
    svg = svg_of(text="<script>alert(1)</script> $x^2$ & #1f5fbf قائمة")
    assert "<script" not in svg and "$x^2$" in svg and "#1f5fbf قائمة" in svg


def test_a_label_that_looks_like_a_part_of_the_drawing_stays_as_it_is():
    odd = 'say id="x" url(#y) font: 9px a'
    assert html.unescape(svg_of(text=odd)).count(odd) == 1


def test_every_colour_is_a_variable_of_the_page():
    svg = svg_of()
    assert "var(--blue)" in svg and not re.search(r"#[0-9a-f]{6}", svg)
    names = set(re.findall(r"--([a-z]+):", asset("report.css")))
    assert {*VARIABLES.values(), "font"} <= names


def test_the_figure_has_a_name_and_a_description_and_no_style_of_its_own():
    svg = svg_of(title="Loss & <more>")
    assert 'role="img"' in svg and "<title id=" in svg and "Loss &amp; &lt;more&gt;</title>" in svg
    assert "What it shows</desc>" in svg and "<style" not in svg and "DejaVu" not in svg


def test_two_figures_share_no_id():
    ids = [re.findall(r' id="([^"]+)"', svg_of(title=title)) for title in ("one", "two")]
    assert all(ids) and not set(ids[0]) & set(ids[1])
    svg = svg_of()
    assert set(re.findall(r'(?:href="|url\()#([^")]+)', svg)) <= set(re.findall(r' id="([^"]+)"', svg))


def test_the_same_figure_is_the_same_text():
    assert svg_of() == svg_of()


def test_only_a_figure_wider_than_a_phone_scrolls():
    assert 'class="plot"' in svg_of(width=4.8) and 'class="plot wide"' in svg_of(width=7)


def test_settings_of_the_user_change_nothing(tmp_path, monkeypatch):
    import matplotlib

    plain = svg_of()
    monkeypatch.setitem(matplotlib.rcParams, "font.size", 33)
    monkeypatch.setitem(matplotlib.rcParams, "axes.grid", False)
    assert svg_of() == plain and matplotlib.rcParams["font.size"] == 33
