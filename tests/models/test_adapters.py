"""LoRA adapters merge to the same logits and are added to every matrix of the layers."""

from __future__ import annotations

import shutil

import pytest
import torch
import transformers
import zoo
from peft.tuners.lora import LoraLayer

from classification.errors import UsageError
from classification.models.adapters import add_lora, lora_targets, merge_adapters
from classification.models.parts import in_head


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
