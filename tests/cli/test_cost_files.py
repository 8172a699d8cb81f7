"""`--costs` reads CSV and JSON as people write them, and refuses what it cannot read in one line."""

from __future__ import annotations

import pytest
from helpers import assert_refused

from classification.cli.cost_files import read_costs
from classification.cli.parser import parse_arguments

COSTS = {"ham": {"ham": 0, "spam": 5}, "spam": {"ham": 0.5, "spam": 0}}
GOOD = {
    "costs.csv": ",ham,spam\nham,0,5\nspam,0.5,0\n",
    "semicolons.csv": "true;ham;spam\r\nham;0;5\r\nspam;5e-1;0\r\n",
    "tabs.tsv": "\tham\tspam\nham\t0\t5\nspam\t0.5\t0\n\n\n",
    "spaces.csv": ', ham, "spam"\n"ham", 0, 5\nspam, 0.5, 0\n',
    "as Windows saves it.csv": "\ufeff,ham,spam\r\nham,0,5\r\nspam,0.5,0",
    "costs.json": '{"ham": {"ham": 0, "spam": 5}, "spam": {"ham": 0.5, "spam": 0}}',
    "json without its ending": ' {"ham": {"ham": 0, "spam": 5}, "spam": {"ham": 0.5, "spam": 0}}',
}


@pytest.mark.parametrize("name", GOOD)
def test_a_file_is_read_as_it_is_written(name, tmp_path):
    path = tmp_path / name
    path.write_text(GOOD[name], encoding="utf-8", newline="")
    assert read_costs(str(path)).rows == COSTS


def test_json_may_be_typed_and_an_empty_diagonal_left_out(tmp_path):
    assert read_costs('{"ham": {"spam": 5}, "spam": 1}').rows == {"ham": {"spam": 5}, "spam": 1}
    (tmp_path / "c.csv").write_text(",ham,spam\nham,,5\nspam,1,\n")
    assert read_costs(str(tmp_path / "c.csv")).rows == {"ham": {"spam": 5.0}, "spam": {"ham": 1.0}}


def test_names_with_commas_quotes_and_any_script_are_kept(tmp_path):
    names = ["a, b", 'say "no"', "日本語", "007", "two\nlines"]
    cells = ['"' + name.replace('"', '""') + '"' for name in names]
    rows = [",".join(["", *cells])] + [",".join([cell, *map(str, range(5))]) for cell in cells]
    (tmp_path / "c.csv").write_text("\n".join(rows), encoding="utf-8")
    assert read_costs(str(tmp_path / "c.csv")).rows == {name: dict(zip(names, range(5), strict=True)) for name in names}


BAD = {
    "a negative cost": (",a,b\na,0,-5\nb,1,0\n", ["true 'a', predicted 'b' is -5.0", "from 0 on"]),
    "a decimal comma": (',a,b\na,0,"0,5"\nb,1,0\n', ["true 'a', predicted 'b' is '0,5'", "decimal point"]),
    "no cost off the diagonal": (",a,b\na,0,\nb,1,0\n", ["true 'a', predicted 'b' is ''"]),
    "infinity": (",a,b\na,0,inf\nb,1,0\n", ["'inf'", "finite"]),
    "a word": (",a,b\na,0,high\nb,1,0\n", ["'high'"]),
    "a short row": (",a,b\na,0\nb,1,0\n", ["the row of 'a' has 2 cells, and the header has 3"]),
    "a predicted class twice": (",a,a\na,0,1\nb,1,0\n", ["predicted class 'a' is there twice"]),
    "a true class twice": (",a,b\na,0,1\na,1,0\n", ["true class 'a' is there twice"]),
    "nothing": ("", ["no table of costs", "JSON such as"]),
    "a header only": (",a,b\n", ["no table of costs"]),
    "a text": ("costs of mistakes", ["no table of costs"]),
    "an open quote": (',"a,b\na,0,1\n', ["no table of costs"]),
    "broken JSON": ('{"a": {"b": 1}', ["cannot be read as JSON", "JSON such as"]),
    "one name twice in JSON": ('{"a": 1, "a": 2}', ["'a' is there twice"]),
    "nan": ('{"a": {"b": NaN}}', ["true 'a', predicted 'b' is nan"]),
    "deep JSON": ('{"a":' * 100_000, ["too deep"]),
}


@pytest.mark.parametrize("case", BAD)
def test_what_cannot_be_meant_is_refused(case, tmp_path):
    text, words = BAD[case]
    (tmp_path / "c.csv").write_text(text)
    assert_refused([f"--costs {tmp_path / 'c.csv'}: ", *words], read_costs, str(tmp_path / "c.csv"))


def test_files_that_cannot_be_opened_are_refused(tmp_path):
    (tmp_path / "utf16.csv").write_text(",a,b\na,0,1\nb,1,0\n", encoding="utf-16")
    (tmp_path / "list.json").write_text("[[0, 1]]")
    for name, words in (("no.csv", ["No such file"]), ("", ["directory"]), ("utf16.csv", ["UTF-8"]),
                        ("list.json", ["by true and predicted class"]), ("\0", ["cannot be read"])):  # fmt: skip
        assert_refused(["--costs", *words], read_costs, str(tmp_path / name))


def test_a_preset_names_a_file_beside_it_or_holds_the_costs(preset, train, tmp_path):
    (tmp_path / "costs.csv").write_text(",a,b\na,0,1\nb,1,0\n")
    beside = parse_arguments([preset(costs="costs.csv"), *train]).training.rule
    assert beside.costs.rows == {"a": {"a": 0, "b": 1}, "b": {"a": 1, "b": 0}}
    inside = parse_arguments([preset(costs={"a": {"b": 1}, "b": {"a": 2.5}}), *train]).training.rule
    assert inside.costs.rows == {"a": {"b": 1}, "b": {"a": 2.5}}
