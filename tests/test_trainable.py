"""Cheaper training: what is frozen does not move and everything else does; adapters merge to the same logits."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
import transformers
import zoo
from conftest import make_bert, make_tokenizer, write_csv
from test_training import SGD, largest_difference

from classification.errors import UsageError
from classification.trainable import add_lora, frozen_names, in_head, lora_targets, merged
from run_classification import main


@pytest.fixture
def classifier(tmp_path):
    """A function that saves a whole classifier of an architecture, so that before and after can be compared."""

    def save(architecture: str) -> str:
        zoo.save_pretrained(architecture, tmp_path / "encoder", num_hidden_layers=3)
        config = transformers.AutoConfig.from_pretrained(tmp_path / "encoder")
        config.id2label = {0: "negative", 1: "positive"}
        config.label2id = {"negative": 0, "positive": 1}
        model = transformers.AutoModelForSequenceClassification.from_pretrained(
            tmp_path / "encoder", config=config, dtype=torch.float32
        )
        model.save_pretrained(tmp_path / "classifier")
        transformers.AutoTokenizer.from_pretrained(tmp_path / "encoder").save_pretrained(tmp_path / "classifier")
        return str(tmp_path / "classifier")

    return save


def whole(folder):
    return transformers.AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32)


def moved(before: str, after) -> dict[str, bool]:
    """By name of every parameter whether it differs."""
    first, second = whole(before), whole(after)
    others = dict(second.named_parameters())
    return {name: not torch.equal(value, others[name]) for name, value in first.named_parameters()}


EMBEDDINGS, LAYERS, HEAD = "embeddings", "layers", "head"
PARTS = {  # architecture -> the part that a parameter belongs to, written out by hand
    "bert": {"bert.embeddings.": EMBEDDINGS, "bert.encoder.layer.": LAYERS, "bert.pooler.": HEAD, "classifier.": HEAD},
    "deberta-v2": {"deberta.embeddings.": EMBEDDINGS, "deberta.encoder.": LAYERS, "pooler.": HEAD, "classifier.": HEAD},
    "modernbert": {"model.embeddings.": EMBEDDINGS, "model.layers.": LAYERS, "model.final_norm": LAYERS,
                   "head.": HEAD, "classifier.": HEAD},
    "electra": {"electra.embeddings.": EMBEDDINGS, "electra.embeddings_project.": EMBEDDINGS,
                "electra.encoder.": LAYERS, "classifier.": HEAD},
    "gpt2": {"transformer.wte": EMBEDDINGS, "transformer.wpe": EMBEDDINGS, "transformer.h.": LAYERS,
             "transformer.ln_f": LAYERS, "score.": HEAD},
    "llama": {"model.embed_tokens.": EMBEDDINGS, "model.layers.": LAYERS, "model.norm": LAYERS, "score.": HEAD},
}  # fmt: skip


def part_of(name: str, architecture: str) -> str:
    return next(part for prefix, part in PARTS[architecture].items() if name.startswith(prefix))


@pytest.mark.parametrize("architecture", PARTS)
@pytest.mark.parametrize(
    ("flags", "frozen"),
    [
        ({}, set()),
        ({"freeze": "embeddings"}, {EMBEDDINGS}),
        ({"freeze": "encoder"}, {EMBEDDINGS, LAYERS}),
        ({"freeze_layers": 2}, {EMBEDDINGS, ".0.", ".1."}),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_what_is_frozen_does_not_move_and_everything_else_does(
    architecture, flags, frozen, classifier, command, capsys
):
    """Through a whole run with weight decay, which would move a parameter without a gradient too."""
    before = classifier(architecture)
    result = main(command(model_name_or_path=before, max_seq_length=24, weight_decay=0.1, **flags))
    out = capsys.readouterr().out
    differs = moved(before, result_folder(command))
    still = set()
    for name, has_moved in differs.items():
        numbers = {part for part in frozen if part in name and part.startswith(".")}
        if part_of(name, architecture) in frozen or (part_of(name, architecture) == LAYERS and numbers):
            assert not has_moved, name
            still.add(name)
        elif not name.endswith(("key.bias", "k_proj.bias", "key_proj.bias")):  # softmax cancels it: its gradient is 0
            assert has_moved, name
    total = sum(value.numel() for value in whole(before).parameters())
    rest = sum(value.numel() for name, value in whole(before).named_parameters() if name not in still)
    assert f"{total / 1e6:.2f}M, of which {rest / 1e6:.2f}M train" in out
    assert np.isfinite(result["train_loss"])


def result_folder(command):
    return next(word.partition("=")[2] for word in command() if word.startswith("--output_dir"))


def test_layers_that_share_their_weights_are_not_frozen_one_by_one(tmp_path, command, nothing_slow):
    zoo.save_pretrained("albert", tmp_path / "model")
    with pytest.raises(UsageError, match="--freeze_layers 1: its layers share their weights"):
        main(command(model_name_or_path=tmp_path / "model", freeze_layers=1))
    model = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "model")
    frozen = frozen_names(model, "embeddings", 0)
    assert frozen and all("embedding" in name for name in frozen)


# ------------------------------------------------------------------------------------------------------------- LoRA


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
    assert np.allclose(*read, atol=2e-6) and read[0].std() > 0.003
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
    again = {"train_file": None, "validation_file": None, "max_seq_length": None, "do_predict": True}
    main(command(**again, model_name_or_path=tmp_path / "apart", output_dir=tmp_path / "again"))
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


# ------------------------------------------------------------------------------------------- gradient checkpointing


@pytest.mark.parametrize("name", ["gradient_checkpointing", "activation_checkpointing"])
@pytest.mark.parametrize("more", [{}, {"freeze": "embeddings"}, {"lora_r": 2}, {"pooling": "max"}], ids=str)
def test_checkpointing_activations_changes_no_weight(command, tmp_path, name, more, monkeypatch):
    """By either name, on every supported version of transformers; and it is really on."""
    import torch.utils.checkpoint

    calls, checkpoint = [], torch.utils.checkpoint.checkpoint
    main(command(**SGD, **more, output_dir=tmp_path / "plain"))
    for module in (torch.utils.checkpoint, transformers.modeling_utils):
        monkeypatch.setattr(module, "checkpoint", lambda *a, **k: calls.append(1) or checkpoint(*a, **k), raising=False)
    main(command(**SGD, **more, **{name: True}, output_dir=tmp_path / "checkpointed"))
    assert calls
    assert largest_difference(tmp_path / "plain", tmp_path / "checkpointed") < 1e-6


# ------------------------------------------------------------------------------------------------------------ errors


def save_bert_without_layers(folder):
    make_bert(num_hidden_layers=0).bert.save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


def save_perceiver(folder):
    """Its hidden states are of latents, not of tokens."""
    config = transformers.PerceiverConfig(num_latents=4, d_latents=16, d_model=16, num_blocks=1, vocab_size=64,
        num_self_attends_per_block=1, num_self_attention_heads=2, num_cross_attention_heads=2,
        qk_channels=16, v_channels=16, max_position_embeddings=64)  # fmt: skip
    transformers.PerceiverForSequenceClassification(config).save_pretrained(folder)
    make_tokenizer().save_pretrained(folder)


@pytest.mark.parametrize(
    ("save", "flags", "words"),
    [
        (None, {"freeze_layers": 2}, ["--freeze_layers 2", "this model has 1", "smaller number"]),
        (None, {"freeze_layers": -1}, ["--freeze_layers -1", "at least 0"]),
        (None, {"freeze": "layers"}, ["--freeze", "layers", "encoder"]),
        (None, {"lora_r": 0}, ["--lora_r 0", "at least 1"]),
        (None, {"lora_r": 4, "freeze": "encoder"}, ["--lora_r 4", "--freeze encoder", "one of them"]),
        (None, {"freeze_layers": 1, "freeze": "encoder"}, ["--freeze_layers 1", "--freeze encoder", "one of them"]),
        (None, {"lora_merge": False}, ["--lora_merge", "--lora_r"]),
        (None, {"lora_r": 4, "do_predict": True}, ["--lora_r 4", "in training", "Leave it out"]),
        (None, {"pooling": "mean", "do_eval": True}, ["--pooling mean", "in training"]),
        (None, {"pooling": "first"}, ["--pooling", "first", "mean"]),
        (save_bert_without_layers, {"lora_r": 4}, ["--lora_r 4", "BertForSequenceClassification", "no linear layer"]),
        (save_perceiver, {"pooling": "mean"}, ["--pooling mean", "no hidden state for each token", "Leave it out"]),
    ],
)  # fmt: skip
def test_what_a_model_cannot_do_is_refused(save, flags, words, command, nothing_slow, tmp_path):
    model = {}
    if save:
        save(tmp_path / "model")
        model = {"model_name_or_path": tmp_path / "model"}
    with pytest.raises(UsageError) as refused:
        main(command(**model, **flags))
    for word in words:
        assert word in str(refused.value)


def test_an_adapter_for_other_labels_is_refused(command, tmp_path):
    main(command(lora_r=2, lora_merge=False))
    rows = [{"text": f"film {i}", "label": "abc"[i % 3]} for i in range(30)]
    three = {"train_file": write_csv(tmp_path / "three.csv", rows), "validation_file": None, "test_file": None}
    with pytest.raises(UsageError, match="the adapter does not fit"):
        main(command(**three, model_name_or_path=tmp_path / "out", output_dir=tmp_path / "three"))
