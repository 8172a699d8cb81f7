"""Adapters of low rank: they merge to the same logits, are saved alone or in the weights, and find their base model."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import AGAIN, make_tokenizer, write_csv
from peft.tuners.lora import LoraLayer
from test_training import largest_difference

from classification.errors import UsageError
from classification.models.freezing import add_lora, head_modules, in_head, lora_targets, merged
from run_classification import main

LORA = {"lora_r": 4, "learning_rate": 0.01, "num_train_epochs": 2, "max_seq_length": 24}


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_merged_lora_equals_unmerged_logits(architecture, tmp_path):
    """On random adapters (a new one adds nothing); every layer's products have one, nothing else does."""
    zoo.save_pretrained(architecture, tmp_path / "model")
    config = transformers.AutoConfig.from_pretrained(tmp_path / "model", num_labels=3)
    load = transformers.AutoModelForSequenceClassification.from_pretrained
    model = load(tmp_path / "model", config=config, dtype=torch.float32)
    targets = lora_targets(model)
    assert targets and not any(in_head(name, model) for name in targets)
    plain = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = add_lora(model, 4).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    assert {module.scaling["default"] for module in adapted.modules() if isinstance(module, LoraLayer)} == {2}
    trains = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name or "modules_to_save" in name for name in trains)
    ids = torch.randint(5, 30, (3, 7))
    for some_config in (model.config, model.config.get_text_config()):
        some_config.pad_token_id = 0
    with torch.no_grad():
        before = adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        model = merged(adapted)
        after = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert torch.allclose(before, after, atol=1e-5)
    assert model.state_dict().keys() == plain.keys()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, plain[name])}
    assert changed == {f"{name}.weight" for name in targets}


def test_a_merged_run_loads_everywhere_and_equals_the_unmerged(command, tmp_path, capsys):
    main(command(**LORA, output_dir=tmp_path / "merged"))
    said = capsys.readouterr().out
    assert "LoRA of rank 4 beside 6 matrices, and the head" in said
    main(command(**LORA, lora_merge=False, output_dir=tmp_path / "apart"))
    said = capsys.readouterr().out
    read = [np.loadtxt(tmp_path / run / "predictions.csv", delimiter=",", skiprows=1, usecols=(4, 5), dtype=float)
            for run in ("merged", "apart")]  # fmt: skip
    assert np.allclose(*read, atol=2e-6) and read[0].std() > 5e-4
    assert (tmp_path / "merged" / "model.safetensors").exists() and not (
        tmp_path / "merged" / "adapter_config.json"
    ).exists()
    texts = [row.split(",")[1] for row in (tmp_path / "apart" / "predictions.csv").read_text().splitlines()[1:]]
    answers = transformers.pipeline("text-classification", str(tmp_path / "merged"), truncation=True, top_k=None)(texts)
    scores = [next(a["score"] for a in answer if a["label"] == "positive") for answer in answers]
    assert np.allclose(scores, read[0][:, 1], atol=2e-6)
    # The adapter alone: a few hundred numbers, by the lines that the run prints, and by the recipe itself.
    names = {path.name for path in (tmp_path / "apart").iterdir()}
    assert not {"model.safetensors", "README.md"} & names  # peft's card holds nothing but blanks
    lines = [
        line[2:] for line in said[said.index("Use it:") :].splitlines() if line.startswith("  ") and "#" not in line
    ]
    scope: dict = {"print": lambda answer: scope.update(answer=answer)}
    exec("\n".join(lines), scope)
    model, tokenizer = scope["model"], scope["tokenizer"]
    with torch.no_grad():
        logits = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits
    assert np.allclose(logits.softmax(-1)[:, 1], read[1][:, 1], atol=2e-6) and scope["answer"][0]["label"]
    main(command(**AGAIN, model_name_or_path=tmp_path / "apart", output_dir=tmp_path / "again"))
    again = np.loadtxt(tmp_path / "again" / "predictions.csv", delimiter=",", skiprows=1, usecols=(4, 5), dtype=float)
    assert np.allclose(again, read[1], atol=2e-6)


def test_only_adapters_and_head_are_in_a_checkpoint_and_a_stopped_run_goes_on(command, tmp_path):
    """Bitwise the weights of a run that was left alone, from the adapter's checkpoint."""
    main(command(**LORA, output_dir=tmp_path / "whole", save_total_limit=5))
    assert (tmp_path / "whole" / "checkpoint-8" / "adapter_model.safetensors").exists()
    assert not (tmp_path / "whole" / "checkpoint-8" / "model.safetensors").exists()
    resumed = {"resume": tmp_path / "whole" / "checkpoint-8", "output_dir": tmp_path / "resumed"}
    main(command(**LORA, **resumed))
    assert largest_difference(tmp_path / "whole", tmp_path / "resumed") == 0


def test_the_best_adapter_is_put_back(command, tmp_path):
    """A rate that ruins the second epoch: what is saved scores as the first did."""
    result = main(command(**LORA | {"learning_rate": 3.0, "lr_scheduler_type": "constant", "warmup_steps": 0}))
    epochs = json.loads((tmp_path / "out" / "run.json").read_text())["epochs"]
    assert min(epoch["eval_loss"] for epoch in epochs) == pytest.approx(result["eval_loss"], abs=1e-5)
    assert len({round(epoch["eval_loss"], 3) for epoch in epochs}) == 2


@pytest.mark.parametrize("merge", [True, False])
def test_lora_on_numbers_keeps_their_units(command, tmp_path, merge):
    rows = [{"text": f"{'good ' * (i % 5 + 1)}film {i}", "label": 20 + 10 * (i % 5) + 0.5} for i in range(40)]
    train = write_csv(tmp_path / "numbers.csv", rows)
    flags = {"train_file": train, "validation_file": None, "test_file": train, "lora_merge": merge}
    main(command(**LORA, **flags))
    again = {"train_file": None, "model_name_or_path": tmp_path / "out", "do_predict": True, "max_seq_length": None}
    main(command(**flags | again | {"lora_merge": None}, output_dir=tmp_path / "again"))
    first, second = ((tmp_path / run / "predictions.csv").read_text().splitlines()[1:] for run in ("out", "again"))
    numbers = [np.array([float(line.split(",")[3]) for line in lines]) for lines in (first, second)]
    assert np.allclose(*numbers, atol=1e-3) and 15 < numbers[0].mean() < 75
    if merge:
        score = transformers.pipeline("text-classification", str(tmp_path / "out"))("good film 0")[0]["score"]
        assert score == pytest.approx(numbers[0][0], abs=1e-3)


def test_a_slow_rate_for_adapters_is_said(command, capsys):
    main(command(lora_r=2, learning_rate=2e-5, dry_run=True))
    assert "pass --learning_rate 2e-4" in capsys.readouterr().out


def assert_it_predicts_the_same_again(command, tmp_path) -> None:
    """The folder `out`, by the recipe; an adapter, which was beside the weights, is in them now: to rounding."""
    main(command(**AGAIN, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    first, second = (
        np.loadtxt(tmp_path / run / "predictions.csv", delimiter=",", skiprows=1, usecols=(4, 5))
        for run in ("out", "again")
    )
    assert np.allclose(first, second, atol=2e-6) and first.std() > 1e-3


@pytest.mark.parametrize("merge", [True, False], ids=["merged", "apart"])
@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_every_architecture_trains_with_adapters_and_reloads(architecture, merge, command, tmp_path):
    """Whole runs: the best checkpoint is put back, and the folder predicts the same again."""
    zoo.save_pretrained(architecture, tmp_path / "model")
    main(command(**LORA, model_name_or_path=tmp_path / "model", lora_merge=merge))
    assert_it_predicts_the_same_again(command, tmp_path)


def test_a_head_is_named_by_its_outermost_modules(tmp_path):
    """peft wraps each one whole; of two, one inside the other, the adapter would not load. XLNet has weights of its own
    beside its layers, which are no head."""
    heads = {}
    for architecture in ("bert", "roberta", "deberta-v2", "llama"):
        zoo.save_pretrained(architecture, tmp_path / architecture)
        load = transformers.AutoModelForSequenceClassification.from_pretrained
        heads[architecture] = head_modules(load(tmp_path / architecture))
    heads["xlnet"] = head_modules(transformers.XLNetForSequenceClassification(XLNET))
    assert heads == {
        "bert": ["bert.pooler", "classifier"],
        "roberta": ["classifier"],
        "deberta-v2": ["pooler", "classifier"],
        "llama": ["score"],
        "xlnet": ["sequence_summary", "logits_proj"],
    }


XLNET = transformers.XLNetConfig(vocab_size=64, d_model=32, n_layer=1, n_head=2, d_inner=64, initializer_range=0.2)


@pytest.mark.parametrize("flags", [{}, {"lora_r": 2, "lora_merge": False}], ids=["whole", "adapter"])
def test_xlnet_reads_its_last_token_and_is_padded_on_the_left(flags, command, tmp_path):
    transformers.XLNetModel(XLNET).save_pretrained(tmp_path / "model")
    make_tokenizer().save_pretrained(tmp_path / "model")
    main(command(model_name_or_path=tmp_path / "model", **flags))
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").padding_side == "left"
    assert_it_predicts_the_same_again(command, tmp_path)


def test_an_adapter_finds_its_base_from_any_folder(command, tiny_model, tmp_path, monkeypatch):
    shutil.copytree(tiny_model, tmp_path / "base")
    monkeypatch.chdir(tmp_path)
    main(command(lora_r=2, lora_merge=False, model_name_or_path="base"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    main(command(**AGAIN, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "again"))
    shutil.rmtree(tmp_path / "base")
    with pytest.raises(UsageError, match="holds an adapter, and its base model .*base is not there"):
        main(command(**AGAIN, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "lost"))


def test_an_adapter_is_trained_on_but_not_with_another_on_top(command, tmp_path, capsys):
    main(command(lora_r=2, lora_merge=False))
    start = {"model_name_or_path": tmp_path / "out", "output_dir": tmp_path / "more"}
    with pytest.raises(UsageError, match="--pooling mean: the folder holds an adapter, which has a head"):
        main(command(**start, pooling="mean"))
    with pytest.raises(UsageError, match="--lora_merge False: the folder holds an adapter"):
        main(command(**start, lora_r=2, lora_merge=False))
    assert np.isfinite(main(command(**start, lora_r=2))["train_loss"])
    assert (tmp_path / "more" / "model.safetensors").exists()
    capsys.readouterr()
    main(command(**start, overwrite_output_dir=True))
    assert "train: all" in capsys.readouterr().out


def test_an_adapter_for_other_labels_needs_a_word(command, tmp_path):
    main(command(lora_r=2, lora_merge=False))
    rows = [{"text": f"film {i}", "label": "abc"[i % 3]} for i in range(30)]
    three = {"train_file": write_csv(tmp_path / "three.csv", rows), "validation_file": None, "test_file": None}
    with pytest.raises(UsageError, match="the adapter does not fit.*--ignore_mismatched_sizes"):
        main(command(**three, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "three"))
    result = main(
        command(
            **three, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "three", ignore_mismatched_sizes=True
        )
    )
    assert set(result["eval_per_class"]) == {"a", "b", "c"}
