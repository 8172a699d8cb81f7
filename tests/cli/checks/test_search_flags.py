"""What `--search` needs, and what it is not combined with."""

from __future__ import annotations

import pytest

from classification.cli.checks import search_flags
from classification.cli.parser import checked_flags
from classification.errors import UsageError


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--search=1"], "--search 1: must be at least 2"),
        (["--search=6", "--seeds=1,2"], "--search 6 and --seeds 1,2: search first, without --seeds"),
        (["--search=6", "--folds=3"], "--search 6 and --folds 3: search first, without --folds"),
        (["--search=6", "--check_data"], "--check_data and --search 6: nothing is trained"),
        (["--search=6", "--do_eval"], "--search 6: trains; pass --do_train too"),
        (["--search=6", "--do_predict"], "--search 6: trains"),
        (["--search=6", "--resume=out/checkpoint-8"], "--resume out/checkpoint-8 and --search 6: .*--resume auto"),
        (["--search=6", "--resume=auto", "--resume_anyway"], "--resume_anyway and --search 6"),
        (["--search=6", "--save_strategy=no", "--load_best_model_at_end=false"], "--save_strategy no and --search 6"),
        (["--search=6", "--save_only_model=true"], "--save_only_model true and --search 6"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(flags, message, train):
    pytest.importorskip("optuna")
    with pytest.raises(UsageError, match=message):
        checked_flags([*train, *flags])


@pytest.mark.parametrize(
    "flags",
    [["--do_train"], ["--do_train", "--do_predict"], ["--resume=auto"], ["--dry_run"], ["--baselines=majority"]],
)
def test_what_makes_sense_is_accepted(flags, train):
    pytest.importorskip("optuna")
    assert checked_flags([*train, "--search=6", *flags]).run.search == 6


def test_without_optuna_one_line_names_the_file_that_has_it(train, monkeypatch):
    monkeypatch.setattr(search_flags, "find_spec", lambda name: None)
    with pytest.raises(UsageError) as refused:
        checked_flags([*train, "--search=6"])
    assert str(refused.value) == "--search: optuna is not installed: pip install -r requirements-extras.txt"
    assert checked_flags(train).run.search is None
