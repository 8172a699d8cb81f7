"""The section about predicted numbers: how far off they are, where, and in which rows."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from classification.report.number_format import count, number, percent, plural
from classification.report.page.figures import figure_svg
from classification.report.page.number_figures import draw_errors, draw_predicted, draw_residuals, reach_of
from classification.report.page.number_values import Band, Points, bands_of, points_of, worst_places
from classification.report.page.plot_blocks import Block, Panel
from classification.report.page.sections import Section
from classification.report.run_files import RunFiles
from classification.report.scored_rows import ScoredRows, scored_rows, split_note

BUNCHED = 0.75  # predictions vary by less than this part of the true numbers


def numbers_section(run: RunFiles) -> Section | None:
    """Plots and tables of a regression; None for other tasks, or where no test row has a label."""
    if run.predictions is None or run.predictions.probabilities is not None:
        return None
    rows = scored_rows(run)
    if rows is None or not len(rows):
        return None
    bands = bands_of(rows)
    return Section(
        anchor="numbers",
        title="Predicted numbers",
        template="plots.html.j2",
        values={
            "blocks": [predicted_block(rows), residual_block(rows, bands), error_block(rows)],
            "lead": describe_bands(bands),
            "bands": bands,
            "widest": max(max(abs(band.bias), band.rmse) for band in bands),
            "worst": worst_rows(run, rows),
            "inside": "number_rows.html.j2",
            "below": "number_bands.html.j2",
        },
        left_out=split_note(rows),
    )


def predicted_block(rows: ScoredRows) -> Block:
    points = points_of(rows.truth, rows.decisions)
    sentence = f"On the dashed line, the predicted number is the true one.{describe_spread(rows)}"
    svg = figure_svg(draw_predicted(points), "Predicted against true numbers", sentence)
    return Block("Do predicted and true numbers agree?", sentence, [Panel(svg)], describe_cells(points, len(rows)))


def describe_spread(rows: ScoredRows) -> str:
    """Whether the predictions are closer together than the true numbers, by their standard deviations."""
    true, predicted = float(rows.truth.std()), float(rows.decisions.std())
    if len(rows) < 2 or true == 0:
        return ""
    if np.ptp(rows.decisions) == 0:
        return f" The model predicts {number(float(rows.decisions[0]))} for every row."
    if predicted < BUNCHED * true:
        return f" The predictions vary less than the true numbers: {percent(predicted / true, 0)} as much."
    return ""


def describe_cells(points: Points, rows: int) -> str:
    return f"A larger dot is for more of the {rows:,} rows." if points.are_cells else ""


def residual_block(rows: ScoredRows, bands: Sequence[Band]) -> Block:
    points = points_of(rows.decisions, rows.errors)
    sentence = "Above the dashed line a prediction is too high, below it too low."
    if len(bands) > 1 and sign_of_bias(bands[0]) > 0 > sign_of_bias(bands[-1]):
        sentence += " The lowest true numbers are predicted too high, and the highest too low."
    svg = figure_svg(draw_residuals(points), "Errors against predicted numbers", sentence)
    return Block("Does the error depend on the prediction?", sentence, [Panel(svg)], describe_cells(points, len(rows)))


def sign_of_bias(band: Band) -> int:
    """Whether predictions are too high (1) or too low (-1) on average; 0 where chance explains it."""
    error = band.rmse / np.sqrt(band.rows)
    return int(np.sign(band.bias)) if abs(band.bias) > 2 * error and band.rows > 1 else 0


def error_block(rows: ScoredRows) -> Block:
    errors = rows.errors
    half, most = np.quantile(np.abs(errors), (0.5, 0.9))
    mean = float(errors.mean())
    sentence = f"Half of the predictions are off by at most {number(half)}, nine in ten by at most {number(most)}."
    way = "too high" if mean > 0 else "too low"
    notes = [f"On average, predictions are {number(abs(mean))} {way}."] if number(abs(mean)) != "0" else []
    reach = reach_of(errors)
    if np.abs(errors).max() > reach:
        notes.append(f"Errors of more than {number(reach)} are in the outermost bars.")
    svg = figure_svg(draw_errors(errors), "How many rows are how far off", sentence)
    return Block("How large are the errors?", sentence, [Panel(svg)], " ".join(notes))


def describe_bands(bands: Sequence[Band]) -> str:
    """The band of true numbers with the largest error, against the one with the smallest."""
    worst, best = max(bands, key=lambda band: band.rmse), min(bands, key=lambda band: band.rmse)
    rows = sum(band.rows for band in bands)
    if worst.rmse == 0:
        return f"All {count(rows)} predictions equal the true number." if rows > 1 else "The prediction is exact."
    if len(bands) == 1:
        what = f"The predictions for {plural(rows, 'row')} are typically" if rows > 1 else "The one prediction is"
        return f"{what} off by {number(worst.rmse)}{' (RMSE)' if rows > 1 else ''}."
    return (
        f"Errors are largest where the true number is {describe_range(worst)}: predictions are typically off by "
        f"{number(worst.rmse)} there (RMSE), and by {number(best.rmse)} where it is {describe_range(best)}."
    )


def describe_range(band: Band) -> str:
    return number(band.low) if band.low == band.high else f"{number(band.low)} to {number(band.high)}"


def worst_rows(run: RunFiles, rows: ScoredRows) -> list[dict]:
    """Id, true and predicted number and error of the rows that are furthest off."""
    assert run.predictions is not None
    return [
        {
            "id": run.predictions.ids[rows.places[place]],
            "true": float(rows.truth[place]),
            "predicted": float(rows.decisions[place]),
            "error": float(rows.errors[place]),
        }
        for place in worst_places(rows)
    ]
