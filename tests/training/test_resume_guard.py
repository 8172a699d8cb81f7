"""What differs between a checkpoint and the run that resumes it is named, with both values and the remedies."""

from __future__ import annotations

import pytest

from classification.errors import UsageError
from classification.training.resume_guard import (
    FIXED,
    LATER,
    UNRECORDED,
    Difference,
    check_resume,
    describe_accepted,
    differences,
    with_later_flags,
)
from classification.training.run_fingerprint import ENCODER, STEPS, short

OLD = {"labels": '["neg", "pos"]', "train rows": "64 rows (a)", "--learning_rate": 5e-05, "--lora_r": None, STEPS: 16}


def refusal(new: dict, anyway: bool | None = False, done: int = 8) -> str:
    with pytest.raises(UsageError) as refused:
        check_resume("auto", OLD, OLD | new, anyway=anyway, done=done)
    return str(refused.value)


def test_equal_values_pass():
    assert check_resume("auto", OLD, dict(OLD), anyway=False, done=16) == []


def test_an_older_checkpoint_had_nothing_of_a_flag_that_came_later():
    assert differences(OLD, OLD | dict.fromkeys(LATER)) == []
    for name in LATER:
        assert f"{name}: the checkpoint was trained with nothing, this run has 1.0" in refusal({name: 1.0})


def test_what_an_older_checkpoint_did_not_record_counts_as_equal():
    new = OLD | dict.fromkeys(LATER) | dict.fromkeys(UNRECORDED, "a value")
    assert differences(OLD, new) == [] and with_later_flags(OLD, new) == new
    assert [each.name for each in differences(OLD | {name: "then" for name in UNRECORDED}, new)] == list(UNRECORDED)


def test_each_difference_has_both_values_in_one_line():
    text = refusal({"--learning_rate": 1e-09, "--lora_r": 8})
    assert text.startswith("--resume auto: is another run.") and "\n" not in text
    assert "--learning_rate: the checkpoint was trained with 5e-05, this run has 1e-09" in text
    assert "--lora_r: the checkpoint was trained with nothing, this run has 8" in text
    assert text.endswith("or pass --resume_anyway to go on.")


def test_resume_anyway_is_no_remedy_where_it_cannot_help():
    for name in FIXED:
        with pytest.raises(UsageError) as refused:
            check_resume("auto", OLD | {name: "then"}, OLD | {name: "now"}, anyway=True, done=8)
        assert f"no resumed run can change {name} ({FIXED[name]})" in str(refused.value)
    assert "pass --resume_anyway" not in refusal({"labels": '["apple", "zebra"]'})
    assert "pass --resume_anyway" not in refusal({"train rows": "32 rows (b)"}, anyway=None)


def test_a_checkpoint_beyond_the_end_of_the_run_is_refused():
    assert "the checkpoint has done 16, and this run has 8" in refusal({STEPS: 8}, anyway=True, done=16)


def test_the_number_of_steps_is_named_only_where_nothing_else_differs():
    assert [each.name for each in differences(OLD, OLD | {STEPS: 32})] == [STEPS]
    assert [each.name for each in differences(OLD, OLD | {STEPS: 32, "--learning_rate": 1.0})] == ["--learning_rate"]


def test_only_values_that_both_have_are_compared():
    assert not differences({"--new_flag": 1}, OLD) and not differences(OLD, {"--new_flag": 1})


def test_what_is_accepted_is_listed_with_its_effect():
    found = [Difference("--learning_rate", 5e-05, 1e-09), Difference(ENCODER, "a", "b")]
    texts = [line.text for line in describe_accepted(found, done=8, steps=16)]
    assert texts[0] == "--resume_anyway: --learning_rate: the checkpoint was trained with 5e-05, this run has 1e-09"
    assert any("at step 8 of 16" in text for text in texts)
    assert any("not of --model_name_or_path" in text for text in texts)


def test_a_long_value_is_cut_and_still_compared():
    names = [f"label {number}" for number in range(500)]
    assert short(names) != short([*names[:-1], "other"]) and len(short(names)) < 200
    assert short(["a, b"]) != short(["a", "b"])
