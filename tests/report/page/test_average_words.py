"""An average of weights on the page: the kept candidate is named, and the cost of the rule for the checkpoint."""

from __future__ import annotations

from dataclasses import replace

import pytest
from report_rows import rendered, single_run, words

from classification.report.card.card_facts import procedure_of
from classification.report.page.curves_section import curves_section
from classification.report.page.decisions_section import decisions_section

RUN = single_run([0, 1], [[0.9, 0.1], [0.2, 0.8]])
AVERAGE = {
    "average": "ema", "of": "39 steps", "compared": True, "kept": True, "metric": "eval_loss", "step": 26,
    "figures": {"eval_loss": 0.45, "eval_accuracy": 0.85}, "step_figures": {"eval_loss": 0.5, "eval_accuracy": 0.8},
}  # fmt: skip
LOG = [
    {"epoch": 1.0, "step": 13, "eval_loss": 0.6, "eval_accuracy": 0.9},
    {"epoch": 2.0, "step": 26, "eval_loss": 0.5, "eval_accuracy": 0.8},
    {"epoch": 3.0, "step": 39, "eval_loss": 0.55, "eval_accuracy": 0.75},
]
CHECKPOINT = {"what": "checkpoint", "split": "validation", "rows": 100, "method": "lowest val_loss", "value": "step 26",
              "score": 0.5}  # fmt: skip
CHOICE = {
    "what": "average", "split": "validation", "rows": 100, "method": "better val_loss", "value": "ema of 39 steps",
    "score": 0.45, "candidates": {"average": 0.45, "step 26": 0.5},
}  # fmt: skip


def text_of(section, average=AVERAGE, **changes) -> str:
    record = {"log_history": LOG, "epochs": LOG, "best_step": 26, "average": average} | changes
    return words(rendered(section, replace(RUN, record=record)))


@pytest.mark.parametrize("kept", [True, False])
def test_the_curves_name_the_weights_that_are_kept(kept):
    text = text_of(curves_section, AVERAGE | {"kept": kept})
    if kept:
        assert "An average of the weights was kept: its validation loss is 0.450, its accuracy 85.0%." in text
        assert "Of the best checkpoint, after epoch 2, its validation loss is 0.500, its accuracy 80.0%." in text
        assert "2 (best checkpoint) 26" in text and "The shaded line is the best checkpoint" in text
    else:
        assert "The checkpoint after epoch 2 was kept: its validation loss is 0.500" in text
        assert "2 (kept) 26" in text
        assert "The shaded line is the checkpoint that was kept" in text


def test_the_plots_show_the_average_and_describe_it():
    record = {"log_history": LOG, "epochs": LOG, "best_step": 26}
    plain = rendered(curves_section, replace(RUN, record=record))
    html = rendered(curves_section, replace(RUN, record=record | {"average": AVERAGE}))
    assert "The average of the weights has 0.450." in html and "The average of the weights has 85.0%." in html
    assert "The average of the weights" not in plain and html.count("<use") > plain.count("<use")


def test_without_an_average_the_curves_are_as_before():
    text = text_of(curves_section, {})
    assert "The checkpoint after epoch 2 was kept" in text and "average" not in text


def test_the_decision_between_average_and_checkpoint_has_both_values():
    text = text_of(decisions_section, selections=[CHECKPOINT, CHOICE])
    assert "Best checkpoint step 26 (lowest validation loss: 0.500) chosen on 100 validation rows" in text
    assert "Average of the weights, or the best checkpoint ema of 39 steps (better validation loss: 0.450)" in text
    assert "; step 26: 0.500 chosen on 100 validation rows" in text
    text = text_of(decisions_section, AVERAGE | {"kept": False}, selections=[CHECKPOINT])
    assert "Checkpoint: the weights that are kept step 26" in text


def test_an_average_that_was_not_compared_is_a_decision_too():
    average = {"average": "ema", "of": "39 steps", "compared": False, "kept": True}
    text = text_of(decisions_section, average)
    assert "ema of 39 steps used without a comparison" in text
    assert "An average of the weights was kept" in text_of(curves_section, average, best_step=None)


def test_the_cost_of_the_rule_for_the_checkpoint_is_on_the_page():
    cost = {"metric": "accuracy", "best_step": 13, "best": 0.9, "kept": 0.8}
    text = text_of(decisions_section, {}, selections=[CHECKPOINT | {"headline": cost}])
    assert "; accuracy was best at step 13: 90.0%, here 80.0% chosen on 100 validation rows" in text


def test_the_card_names_the_average_in_place_of_the_step():
    record = {"best_step": 26, "average": AVERAGE}
    facts = dict(procedure_of(replace(RUN, record=record)))
    assert facts["Chosen weights"] == "average of weights, ema of 39 steps" and "Chosen step" not in facts
    facts = dict(procedure_of(replace(RUN, record=record | {"average": AVERAGE | {"kept": False}})))
    assert facts["Chosen step"] == "26" and "Chosen weights" not in facts
