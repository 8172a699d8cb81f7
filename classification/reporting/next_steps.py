"""The end of a run: where everything is, and the lines that load the model."""

from __future__ import annotations

import json
from pathlib import Path

from classification.data.labels import LabelSpace
from classification.data.truncation import HEAD_TAIL, WINDOW
from classification.log import Line
from classification.models.adapters import base_of_adapter
from classification.reporting.output_folder import STUDY_FOLDER

LOAD = """  from transformers import pipeline
  classify = pipeline("text-classification", model="{model}\""""
LOAD_ADAPTER = """  from peft import PeftModel
  from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline
  tokenizer, config = AutoTokenizer.from_pretrained("{model}"), AutoConfig.from_pretrained("{model}")
  model = AutoModelForSequenceClassification.from_pretrained("{base}", config=config, ignore_mismatched_sizes=True)
  model = PeftModel.from_pretrained(model, "{model}").merge_and_unload()
  classify = pipeline("text-classification", model=model, tokenizer=tokenizer"""
TRY = '  print(classify("An evening I will not forget."))'
FILES = {
    "adapter": ("adapter_model.safetensors", "with config.json and the tokenizer; the base model is where it was"),
    "model": ("model.safetensors", "with config.json and the tokenizer"),
    "predictions": ("predictions.csv", ""),
    "out of fold": ("out_of_fold_predictions.csv", "every row, predicted by a model that was not trained on it"),
    "metrics": ("all_results.json", ""),
    "run": ("run.json", "to repeat the run, pass it with --config"),
    "baselines": ("baselines.json", ""),
    "label errors": ("suspect_labels.csv", "rows whose label may be wrong, the most likely first"),
    "curves": ("curves.svg", ""),
    "confusion": ("confusion_matrix.svg", ""),
}


def next_steps(output_dir: Path, *, model: str | None, task: LabelSpace, seconds: float | None) -> list[Line]:
    """The files of the run and the lines that load its model.

    Args:
        model: what `pipeline` loads; None where there are several models.
        seconds: of the run; None for one that was finished before.
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
    return [*lines, Line("", f"\nUse it:\n{usage(model, task)}")]


def usage(model: str, task: LabelSpace) -> str:
    """The lines of Python that load the model and classify a text."""
    file = Path(model) / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    base = base_of_adapter(model)
    load = LOAD_ADAPTER.format(model=model, base=base) if base else LOAD.format(model=model)
    trust = ", trust_remote_code=True" if "auto_map" in config else ""
    lines = f"{load}, truncation=True{trust}{task.pipeline_options()})\n{TRY}\n  # {task.usage_note(config)}"
    strategy = config.get("truncation_strategy")
    if strategy in (HEAD_TAIL, WINDOW):
        lines += (
            f"\n  # pipeline reads only the head of a long text; to read it as in training ({strategy}):\n"
            f"  python run_classification.py --do_predict --model_name_or_path {model} --test_file FILE"
        )
    return lines
