"""LoRA adapters merge to the same logits and are added to every matrix of the layers."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
import torch
import transformers
import zoo
from helpers import assert_refused, make_bert
from peft.tuners.lora import LoraLayer
from safetensors.torch import load_file, save_file

from classification.cli.parser import parse_arguments
from classification.data.hub_access import HubAccess
from classification.errors import UsageError
from classification.models.adapters import add_lora, choose_base, load_adapter, lora_targets, merge_adapters
from classification.models.choice import ModelChoice
from classification.models.head_prior import HeadPrior
from classification.models.parts import in_head


@pytest.mark.filterwarnings("error")
def test_adding_and_loading_an_adapter_gives_no_warning_of_a_library(tmp_path):
    folder = zoo.saved("bert")
    config = transformers.AutoConfig.from_pretrained(folder, num_labels=3)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, config=config)
    add_lora(model, 2).save_pretrained(tmp_path)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, config=config)
    load_adapter(model, set(), str(tmp_path), ignore_mismatched_sizes=False)


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_merged_lora_equals_unmerged_logits(architecture):
    """With random adapters (a new one adds zero); every layer's matrices have one, nothing else does."""
    folder = zoo.saved(architecture)
    config = transformers.AutoConfig.from_pretrained(folder, num_labels=3)
    torch.manual_seed(0)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, config=config, dtype=torch.float32)
    targets = lora_targets(model)
    assert targets and not any(in_head(name, model) for name in targets)
    plain = {name: value.clone() for name, value in model.state_dict().items()}
    adapted = add_lora(model, 4).eval()
    for name, parameter in adapted.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(parameter, std=0.1)
    assert {module.scaling["default"] for module in adapted.modules() if isinstance(module, LoraLayer)} == {2}
    trainable = [name for name, parameter in adapted.named_parameters() if parameter.requires_grad]
    assert all("lora_" in name or "modules_to_save" in name for name in trainable)
    ids = torch.randint(5, 30, (3, 7))
    for part in (model.config, model.config.get_text_config()):
        part.pad_token_id = 0
    with torch.no_grad():
        before = adapted(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
        model = merge_adapters(adapted)
        after = model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits
    assert torch.allclose(before, after, atol=1e-5)
    assert model.state_dict().keys() == plain.keys()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(value, plain[name])}
    assert changed == {f"{name}.weight" for name in targets}


def test_saving_an_adapter_leaves_another_readme_alone(tmp_path):
    (tmp_path / "README.md").write_text("notes")
    adapted = add_lora(transformers.AutoModelForSequenceClassification.from_pretrained(zoo.saved("bert")), 2)
    adapted.save_pretrained(tmp_path)
    assert (tmp_path / "README.md").read_text() == "notes"
    adapted.save_pretrained(tmp_path / "empty")
    assert not (tmp_path / "empty" / "README.md").exists()


def test_a_pickled_adapter_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    zoo.load(zoo.saved("bert"), lora_r=2).model.save_pretrained(tmp_path)
    (tmp_path / "adapter_model.safetensors").unlink()
    torch.save({"x": Trap()}, tmp_path / "adapter_model.bin")
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(zoo.saved("bert") / file, tmp_path)
    with pytest.raises(UsageError, match="has no adapter_model.safetensors. A pickled"):
        zoo.load(tmp_path)
    assert not (tmp_path / "executed").exists()


# ------------------------------------------------------------------------------------------------------- base model


def adapter_config(folder, **fields):
    fields = {"base_model_name_or_path": "someone/base", "peft_type": "LORA"} | fields
    (folder / "adapter_config.json").write_text(json.dumps(fields), encoding="utf-8")
    return str(folder)


@pytest.mark.parametrize(
    ("fields", "revision"), [({}, "main"), ({"revision": None}, "main"), ({"revision": "v3"}, "v3")]
)
def test_the_base_model_has_the_revision_of_the_adapter_and_not_that_of_the_command_line(fields, revision, tmp_path):
    choice = ModelChoice(adapter_config(tmp_path, **fields), hub=HubAccess(revision="mine", token="t"))
    base = choose_base(choice)
    assert (base.name, base.hub) == ("someone/base", HubAccess(revision=revision, token="t"))


def test_the_revision_of_a_model_from_the_hub_is_saved_with_the_adapter():
    assert add_lora(make_bert(), 2, "v3").peft_config["default"].revision == "v3"
    assert add_lora(make_bert(), 2).peft_config["default"].revision is None


def test_a_revision_beside_a_local_adapter_is_refused(tmp_path, command):
    flags = command(model_name_or_path=adapter_config(tmp_path), model_revision="v2")
    assert_refused(["--model_revision v2", "revision in adapter_config.json"], parse_arguments, flags)


@pytest.fixture
def saved_adapter(tmp_path):
    """A folder with an adapter of the zoo's BERT, its head included."""
    zoo.load(zoo.saved("bert"), lora_r=2).model.save_pretrained(tmp_path)
    for file in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(zoo.saved("bert") / file, tmp_path)
    return tmp_path


def rewrite(folder, change) -> None:
    """Replace the tensors of an adapter by `change` of them."""
    file = folder / "adapter_model.safetensors"
    save_file(change(load_file(file)), file, metadata={"format": "pt"})


def test_an_adapter_without_a_head_is_no_trained_classifier_and_trains_with_a_new_one(saved_adapter):
    """The base model is a bare encoder: a random head must not be scored in silence."""
    zoo.load(saved_adapter, training=False)
    rewrite(saved_adapter, lambda tensors: {name: x for name, x in tensors.items() if "lora_" in name})
    config = json.loads((saved_adapter / "adapter_config.json").read_text())
    config |= {"modules_to_save": None, "task_type": None}
    (saved_adapter / "adapter_config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match="has no trained classification head .classifier.weight missing"):
        zoo.load(saved_adapter, training=False)
    lines = zoo.lines_of(zoo.load(saved_adapter, prior=HeadPrior(np.zeros(2), "even shares")))
    assert lines["head"].startswith("bias at even shares")


@pytest.mark.parametrize("change", [
    lambda tensors: {name.replace(".bert.encoder.", ".roberta.encoder."): x for name, x in tensors.items()},
    lambda tensors: {name: x for name, x in tensors.items() if "layer.1." not in name},
], ids=["another model", "a layer less"])  # fmt: skip
def test_an_adapter_of_another_model_is_refused(change, saved_adapter):
    """peft would leave its tensors out, and the base model would be scored in its place."""
    rewrite(saved_adapter, change)
    with pytest.raises(UsageError, match="do not belong together.*base_model_name_or_path of adapter_config.json"):
        zoo.load(saved_adapter, training=False)
