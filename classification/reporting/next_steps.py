"""The end of a run: where everything is, and the lines that load the model."""

from __future__ import annotations

from pathlib import Path

from classification.data.labels import LabelSpace
from classification.messages.log import Line
from classification.models.usage_lines import usage
from classification.reporting.output_folder import STUDY_FOLDER

FILES = {
    "report": ("report.html", "to read in a browser: the result, the mistakes, the data and the cost"),
    "adapter": ("adapter_model.safetensors", "with config.json and the tokenizer; the base model is where it was"),
    "model": ("model.safetensors", "with config.json and the tokenizer"),
    "predictions": ("predictions.csv", ""),
    "out of fold": ("oof.csv", "every training row, predicted by a model that was not trained on it"),
    "model card": ("README.md", ""),
    "metrics": ("all_results.json", ""),
    "run": ("run.json", "to repeat the run, pass it with --config"),
    "baselines": ("baselines.json", ""),
    "search": ("search.json", "every trial of --search; search.svg shows them"),
    "label errors": ("suspect_labels.csv", "rows whose label may be wrong, the most likely first"),
    "more labels": ("learning_curve.svg", "what the model reaches with parts of train"),
    "curves": ("curves.svg", ""),
    "confusion": ("confusion_matrix.svg", ""),
}


def next_steps(
    output_dir: Path, *, model: str | None, task: LabelSpace, seconds: float | None, pairs: bool = False
) -> list[Line]:
    """The files of the run and the lines that load its model.

    Args:
        model: what `pipeline` loads; None where there are several models.
        seconds: of the run; None for one that was finished before.
        pairs: whether the model reads two texts per row.
    """
    time = f" (run time {seconds:.0f} s)" if seconds is not None else ""
    lines = [Line("", f"\nFiles in {output_dir}{time}:")]
    for title, (name, note) in FILES.items():
        if (output_dir / name).exists():
            lines.append(Line("", f"  {title:<12} {name} {note}".rstrip()))
    for folder in sorted(path for path in output_dir.iterdir() if STUDY_FOLDER.fullmatch(path.name)):
        names = ", ".join(sorted(file.name for file in folder.iterdir() if not file.name.startswith(".")))
        lines.append(Line("", f"  {folder.name:<12} {names}"))
    if model is None:
        return [*lines, Line("", "\nFor one model of all rows, run the same command without --folds.")]
    return [*lines, Line("", f"\nUse it:\n{usage(model, task, pairs=pairs)}")]
