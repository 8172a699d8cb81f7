"""Loading is safe and exact, and weight decay touches weight matrices only, in every architecture."""

from __future__ import annotations

import platform
from types import SimpleNamespace

import pytest
import torch
import transformers
from conftest import make_bert, make_tokenizer
from transformers import AutoModelForSequenceClassification

from classification.data.labels import LabelSpace
from classification.errors import UsageError
from classification.models import precision as device
from classification.models.loading import load_config, load_model
from classification.models.precision import decide_precision, keep_freed_memory, loader_settings, refuse_unfit
from classification.models.tokenization import check_length, longest_input
from classification.training.decay import describe_decay
from run_classification import main

LABELS = LabelSpace.from_train(["negative", "positive"])
SMALL = {
    "vocab_size": 64, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32,
    "max_position_embeddings": 40, "num_labels": 2,
}  # fmt: skip
ARCHITECTURES = {
    "bert": {},
    "roberta": {"pad_token_id": 0},
    "distilbert": {"dim": 16, "n_layers": 2, "n_heads": 2, "hidden_dim": 32},
    "albert": {"embedding_size": 8},
    "electra": {"embedding_size": 8},
    "deberta-v2": {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "norm_rel_ebd": "layer_norm",
        "conv_kernel_size": 3, "share_att_key": False, "position_biased_input": False,
    },
    "modernbert": {
        "pad_token_id": 0, "cls_token_id": 1, "bos_token_id": 1, "sep_token_id": 2, "eos_token_id": 2,
        "global_attn_every_n_layers": 2,
    },
}  # fmt: skip


def tiny(architecture: str):
    config = transformers.AutoConfig.for_model(architecture, **SMALL | ARCHITECTURES[architecture])
    return AutoModelForSequenceClassification.from_config(config)


def decayed_names(model) -> set[str]:
    """What the Trainer's optimizer really decays, read back from its parameter groups."""
    args = transformers.TrainingArguments(output_dir="unused", weight_decay=0.01, use_cpu=True, report_to="none")
    optimizer = transformers.Trainer(model=model, args=args).create_optimizer()
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = {group["weight_decay"]: {names[id(p)] for p in group["params"]} for group in optimizer.param_groups}
    assert set(groups) == {0.01, 0.0}
    assert groups[0.01] | groups[0.0] == set(names.values()) and not groups[0.01] & groups[0.0]
    return groups[0.01]


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_exactly_the_weight_matrices_are_decayed(architecture, tmp_path, monkeypatch):
    """By shape, not by name: a bias and a norm's weight are vectors, everything that is multiplied is not."""
    monkeypatch.chdir(tmp_path)
    model = tiny(architecture)
    assert decayed_names(model) == {name for name, parameter in model.named_parameters() if parameter.dim() >= 2}


def test_one_step_without_gradient_shrinks_only_the_decayed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model = make_bert()
    args = transformers.TrainingArguments(output_dir="unused", weight_decay=0.1, learning_rate=0.5, use_cpu=True)
    optimizer = transformers.Trainer(model=model, args=args).create_optimizer()
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    for parameter in model.parameters():
        parameter.grad = torch.zeros_like(parameter)
    optimizer.step()
    for name, parameter in model.named_parameters():
        factor = 0.95 if parameter.dim() >= 2 else 1.0  # 1 - lr * weight_decay
        assert torch.allclose(parameter, before[name] * factor, atol=1e-7), name


def test_both_groups_are_counted():
    model = make_bert()
    line = describe_decay(model, {"classifier.weight"}, 0.01)
    others = len(list(model.parameters())) - 1
    assert line.startswith("0.01 on 1 weight tensors") and f"none on {others} biases" in line


def test_a_checkpoint_saved_in_fp16_is_trained_in_fp32(tmp_path):
    make_bert().bert.half().save_pretrained(tmp_path)
    model = load_model(str(tmp_path), load_config(str(tmp_path)), LABELS)
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_names_and_problem_type_are_in_the_config(tiny_model):
    config = load_model(tiny_model, load_config(tiny_model), LABELS).config
    assert config.id2label == {0: "negative", 1: "positive"} and config.problem_type == "single_label_classification"


def test_an_encoder_without_its_weights_is_refused(tmp_path):
    """config.json says BERT, the file holds an ELECTRA: the library would train random weights with a warning."""
    make_bert().bert.save_pretrained(tmp_path)
    from safetensors.torch import load_file, save_file

    tensors = load_file(tmp_path / "model.safetensors")
    renamed = {f"electra.{name}": value for name, value in tensors.items()}
    save_file(renamed, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UsageError, match="weights file or have another size"):
        load_model(str(tmp_path), load_config(str(tmp_path)), LABELS)


def test_a_pickle_is_never_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return (open, (str(tmp_path / "executed"), "w"))

    make_bert().config.save_pretrained(tmp_path)
    torch.save({"x": Trap()}, tmp_path / "pytorch_model.bin")
    with pytest.raises(UsageError, match="pickled"):
        load_model(str(tmp_path), load_config(str(tmp_path)), LABELS)
    assert not (tmp_path / "executed").exists()


def test_a_head_for_other_labels_needs_a_word(tmp_path, command):
    make_bert(num_labels=3).save_pretrained(tmp_path / "three")
    make_tokenizer().save_pretrained(tmp_path / "three")
    with pytest.raises(UsageError, match="--ignore_mismatched_sizes"):
        main(command(model_name_or_path=tmp_path / "three"))
    main(command(model_name_or_path=tmp_path / "three", ignore_mismatched_sizes=True))


@pytest.mark.parametrize(("architecture", "limit"), [("bert", 40), ("roberta", 39)])
def test_the_longest_input_follows_from_the_position_table(architecture, limit):
    """RoBERTa's positions start behind the padding index: 514 are 512 tokens."""
    tokenizer = make_tokenizer()
    tokenizer.model_max_length = int(1e30)
    model = tiny(architecture)
    assert longest_input(model, tokenizer) == limit
    check_length(limit, limit)
    with pytest.raises(UsageError, match=f"--max_seq_length {limit + 1}.*at most {limit}"):
        check_length(limit + 1, limit)


@pytest.mark.parametrize("architecture", ["roberta", "distilbert", "modernbert"])
def test_models_without_segments_train_save_and_reload(architecture, command, tmp_path):
    tiny(architecture).save_pretrained(tmp_path / "model")
    tokenizer = make_tokenizer()
    tokenizer.model_input_names = ["input_ids", "attention_mask"]
    tokenizer.save_pretrained(tmp_path / "model")
    result = main(command(model_name_or_path=tmp_path / "model", max_seq_length=24))
    again = main(
        command(
            model_name_or_path=tmp_path / "out", train_file=None, max_seq_length=24, do_eval=True,
            output_dir=tmp_path / "again",
        )
    )  # fmt: skip
    assert again["eval_loss"] == pytest.approx(result["eval_loss"], abs=1e-5)


def test_precision_is_decided_with_a_reason():
    assert decide_precision("fp32", "cpu").name == "fp32"
    automatic = decide_precision("auto", "cpu")
    assert automatic.name in ("bf16", "fp32") and automatic.reason.startswith("auto: this processor")
    assert decide_precision("auto", "mps").name == "fp32"


@pytest.mark.parametrize(("bf16", "chosen"), [(4.0, "bf16"), (1.2, "fp32"), (0.6, "fp32")])
def test_a_processor_gets_the_format_in_which_its_products_are_fast(bf16, chosen, monkeypatch):
    """AVX512-BF16 without AMX: the instructions are there, and slower than fp32."""
    speeds = {torch.float32: 1e9, torch.bfloat16: bf16 * 1e9}
    monkeypatch.setattr(device, "bf16_instructions", lambda: "amx_bf16")
    monkeypatch.setattr(device, "product_ceiling", lambda where, dtype: speeds[dtype])
    precision = decide_precision("auto", "cpu")
    assert precision.name == chosen and f"(amx_bf16) are {bf16:.1f} times as fast" in precision.reason
    assert decide_precision("auto", "cpu", num_processes=2).name == "bf16"  # unmeasured: both say the same
    monkeypatch.setattr(device, "bf16_instructions", lambda: "avx512_bf16")
    assert decide_precision("auto", "cpu", num_processes=2).name == "fp32"
    monkeypatch.setattr(device, "bf16_instructions", lambda: None)
    assert decide_precision("auto", "cpu").name == "fp32"


def page_faults(count: int) -> int:
    """Of writing `count` new tensors of 32 MB, one after the other."""
    import resource

    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(count):
        torch.ones(8 << 20)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(not platform.libc_ver()[0], reason="only glibc is told to")
def test_freed_memory_is_kept_for_the_next_tensor():
    """8,192 pages of 4 KB, which without are new to the process at every one of them."""
    keep_freed_memory()
    page_faults(30)  # the heap finds its place
    assert page_faults(5) < 8192


def test_loaders_work_ahead_of_an_accelerator_only():
    assert loader_settings("cpu")["dataloader_num_workers"] == 0
    gpu = loader_settings("cuda")
    assert 1 <= gpu["dataloader_num_workers"] <= 8 and gpu["dataloader_prefetch_factor"] == 2
    assert gpu["dataloader_pin_memory"] and gpu["accelerator_config"] == {"non_blocking": True}
    assert gpu["dataloader_persistent_workers"]
    assert "dataloader_prefetch_factor" not in loader_settings("cuda", workers=0)  # torch refuses it without workers


def test_what_the_processes_cannot_do_right_is_refused(tmp_path):
    args = transformers.TrainingArguments(output_dir=str(tmp_path), use_cpu=True, report_to="none")
    one = SimpleNamespace(n_gpu=1, world_size=1, train_sampling_strategy="sequential", report_to=[])
    refuse_unfit(args)
    refuse_unfit(one)
    for changes, words in (
        ({"n_gpu": 4}, "accelerate launch --num_processes 4"),
        ({"world_size": 2}, "--train_sampling_strategy sequential"),
        ({"report_to": ["nowhere"]}, "--report_to nowhere"),
    ):
        with pytest.raises(UsageError, match=words):
            refuse_unfit(SimpleNamespace(**vars(one) | changes))


def test_replacing_the_head_never_replaces_the_encoder(tmp_path):
    """The library re-initialises whatever has another size, word embeddings too, and says that all was loaded."""
    make_bert().bert.save_pretrained(tmp_path)
    config = load_config(str(tmp_path))
    config.vocab_size = 80
    with pytest.raises(UsageError, match="word_embeddings"):
        load_model(str(tmp_path), config, LABELS, ignore_mismatched_sizes=True)


def test_the_length_is_decided_once_and_saved_with_the_model(command, tmp_path, capsys):
    """Without --max_seq_length: 256 or the model's 64 positions; a trained model's own length; never a limit later."""
    short = {"num_train_epochs": 1, "max_train_samples": 8, "validation_file": None, "test_file": None}
    main(command(**short, max_seq_length=None))
    assert transformers.AutoTokenizer.from_pretrained(tmp_path / "out").model_max_length == 64
    main(command(**short, max_seq_length=8, output_dir=tmp_path / "8"))
    capsys.readouterr()
    trained = {"model_name_or_path": tmp_path / "8", "train_file": None, "validation_file": None}
    main(command(**trained, max_seq_length=None, do_predict=True, output_dir=tmp_path / "used"))
    assert "are cut to 8" in capsys.readouterr().out
    main(command(**short, model_name_or_path=tmp_path / "8", max_seq_length=64, output_dir=tmp_path / "longer"))


def test_a_model_of_another_kind_is_not_taken_for_a_classifier():
    config = make_bert().config
    assert LabelSpace.from_config(config).num_labels == 2
    with pytest.raises(UsageError, match="--do_regression: the model is a classifier"):
        LabelSpace.from_config(config, do_regression=True)
    assert LabelSpace.from_config(make_bert(num_labels=1).config).is_regression
    config.problem_type = "multi_label_classification"
    assert LabelSpace.from_config(config).thresholds == (0.5, 0.5)
