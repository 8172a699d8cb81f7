"""The lines of Python that load a saved model and classify a text, for the end of a run and for its model card."""

from __future__ import annotations

import json
from pathlib import Path

from classification.data.labels import LabelSpace
from classification.data.truncation import HEAD_TAIL, WINDOW
from classification.messages.streams import on_one_line
from classification.models.adapter_config import read_adapter_config
from classification.models.adapter_folders import holds_adapter

LOAD = """  from transformers import pipeline
  classify = pipeline("text-classification", model="{model}\""""
LOAD_ADAPTER = """  from peft import PeftModel
  from transformers import AutoConfig, AutoModelForSequenceClassification, AutoTokenizer, pipeline
  tokenizer, config = AutoTokenizer.from_pretrained("{model}"), AutoConfig.from_pretrained("{model}")
  model = AutoModelForSequenceClassification.from_pretrained("{base}", config=config, ignore_mismatched_sizes=True)
  model = PeftModel.from_pretrained(model, "{model}").merge_and_unload()
  classify = pipeline("text-classification", model=model, tokenizer=tokenizer"""
TEXTS = '["An evening I will not forget."]'
TEXT_PAIRS = '[{"text": "An evening I will not forget.", "text_pair": "It was long."}]'
TRY = '  print(classify("An evening I will not forget."))'
TRY_PAIR = '  print(classify({"text": "An evening I will not forget.", "text_pair": "It was long."}))'


def usage(
    model: str, task: LabelSpace, *, pairs: bool = False, title: str | None = None, base_title: str | None = None
) -> str:
    """The lines that load the model and classify a text.

    Args:
        model: a folder, or a name on the Hub.
        pairs: whether the model reads two texts per row.
        title, base_title: what the lines call the model and the base model of an adapter; None for their own names.
    """
    file = Path(model) / "config.json"
    config = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    title = title or model
    if holds_adapter(model):
        base = base_title or read_adapter_config(model)["base_model_name_or_path"]
        load = LOAD_ADAPTER.format(model=title, base=base)
    else:
        load = LOAD.format(model=title)
    trust = ", trust_remote_code=True" if "auto_map" in config else ""
    note = on_one_line(task.usage_note(config))  # a label may have a line end
    lines = f"{load}, truncation=True{trust}{task.pipeline_options()})\n{TRY_PAIR if pairs else TRY}\n  # {note}"
    lines += "".join(f"\n  {line}" for line in task.usage_rule(config, TEXT_PAIRS if pairs else TEXTS))
    strategy = config.get("truncation_strategy")
    if strategy in (HEAD_TAIL, WINDOW):
        lines += (
            f"\n  # pipeline reads only the head of a long text; predict.py reads it as in training ({strategy}):\n"
            f"  python predict.py {title} FILE"
        )
    return lines
