"""A planted payload is never executed, wherever it lies, and what it is planted in ends in one line or a normal run."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
import tarfile
from functools import partial
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from helpers import ROOT, command_line
from safetensors.torch import save_file

from classification.errors import UsageError
from classification.training.checkpoint_seal import seal
from run_classification import main

NO_FILES = {"train_file": None, "validation_file": None, "test_file": None}
DRY = {"dry_run": True}  # reads all that a training reads


class Payload:
    """Its pickle creates the file `marker` when it is opened."""

    def __init__(self, marker: Path):
        self.marker = marker

    def __reduce__(self):
        return open, (str(self.marker), "w")

    @property
    def code(self) -> str:
        return f"open({str(self.marker)!r}, 'w').close()\n"

    def pickled(self, path: Path) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(pickle.dumps(self))
        return path

    def torch_saved(self, path: Path) -> Path:
        torch.save({"x": self}, path)
        return path

    def module(self, path: Path) -> Path:
        path.write_text(self.code)
        return path

    def assert_works(self) -> None:
        """The payload would be seen: a test that plants a dud could not fail."""
        pickle.loads(pickle.dumps(self)).close()
        assert self.marker.exists()
        self.marker.unlink()


@pytest.fixture
def payload(tmp_path, monkeypatch):
    """A payload; at the end of the test it was not executed."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    planted = Payload(tmp_path / "executed")
    planted.assert_works()
    yield planted
    assert not planted.marker.exists()


@pytest.fixture
def model(tiny_model, tmp_path):
    """A copy of the tiny model's folder."""
    return shutil.copytree(tiny_model, tmp_path / "model")


def edit(path: Path, **changes) -> None:
    content = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(content | changes))


def refused(command, words: str, **flags) -> None:
    with pytest.raises(UsageError, match=words) as error:
        main(command(**flags))
    assert "\n" not in str(error.value)


# -------------------------------------------------------------------------------------------------------- pickled data


@pytest.mark.parametrize(
    "name", ["d.pkl", "d.pickle", "d.pt", "d.joblib", "d.npy", "d.npz", "d.csv", "d.tsv", "d.json", "d.jsonl",
             "d.parquet", "d.arrow", "d.csv.gz", "d.zip"],
)  # fmt: skip
def test_a_pickle_is_no_data_whatever_its_name(payload, command, tmp_path, name):
    flag = "test_file" if name.endswith("l") else "train_file"
    refused(command, f"--{flag} .*{name}: ", **{flag: payload.pickled(tmp_path / name)})


def test_an_array_of_objects_is_no_data(payload, command, tmp_path):
    np.save(tmp_path / "rows.npy", np.array([payload], dtype=object), allow_pickle=True)
    refused(command, "--train_file .*rows.npy: ", train_file=tmp_path / "rows.npy")


@pytest.mark.parametrize("suffix", [".parquet", ".arrow"])
def test_a_column_type_that_is_a_pickle_is_read_as_plain_text(payload, command, tmp_path, suffix):
    """pyarrow below 14 opened it: CVE-2023-47248."""
    metadata = {"ARROW:extension:name": "arrow.py_extension_type", "ARROW:extension:metadata": pickle.dumps(payload)}
    schema = pa.schema([pa.field("text", pa.string(), metadata=metadata), pa.field("label", pa.string())])
    table = pa.table([[f"text {i}" for i in range(60)], ["a", "b"] * 30], schema=schema)
    file = tmp_path / f"rows{suffix}"
    if suffix == ".parquet":
        pq.write_table(table, file)
    else:
        with pa.OSFile(str(file), "wb") as sink, pa.ipc.new_stream(sink, schema) as writer:
            writer.write_table(table)
    main(command(**DRY | NO_FILES | {"train_file": file}))


def plant_script(payload, folder, rows):
    payload.module(folder / f"{folder.name}.py")
    shutil.copy(rows, folder / "train.csv")


def plant_readme(payload, folder, rows):
    shutil.copy(rows, folder / "train.csv")
    tag = f"!!python/object/apply:builtins.open ['{payload.marker}', 'w']"
    (folder / "README.md").write_text(f"---\nconfigs: {tag}\n---\n")


def plant_feature(payload, folder, rows):
    shutil.copy(rows, folder / "train.csv")
    edit(folder / "dataset_infos.json", default={"builder_name": "pandas", "features": {"x": {"_type": "os.system"}}})


def plant_archive(payload, folder, rows, ending: str):
    content = pickle.dumps(payload)
    with tarfile.open(folder / "train.tar", "w") as archive:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.{ending}")
            member.size = len(content)
            archive.addfile(member, BytesIO(content))


DATA_FOLDERS = {
    "a script": plant_script,
    "a tag of Python in README.md": plant_readme,
    "a feature of Python": plant_feature,
    "pickles": lambda payload, folder, rows: payload.pickled(folder / "train.pkl"),
    "an array": lambda payload, folder, rows: payload.pickled(folder / "train.npy"),
    **{f"an archive of .{end}": partial(plant_archive, ending=end) for end in ("pkl", "pyd", "pth", "npy", "pickle")},
}


@pytest.mark.parametrize("kind", DATA_FOLDERS)
def test_a_local_data_set_executes_nothing(payload, command, shared_files, tmp_path, kind):
    folder = tmp_path / "set"
    folder.mkdir()
    DATA_FOLDERS[kind](payload, folder, shared_files["train_file"])
    refused(command, "--", **NO_FILES, dataset_name=folder)


@pytest.mark.parametrize("name", ["pandas", "csv", "json", "text", "eval"])
def test_the_name_of_a_reader_does_not_open_pickles_of_the_working_directory(payload, command, name):
    payload.pickled(Path("train.pkl"))
    refused(command, f"--dataset_name {name}", **NO_FILES, dataset_name=name)


# ----------------------------------------------------------------------------------------------------- models, adapters


@pytest.mark.parametrize(
    "name", ["pytorch_model.bin", "model.pt", "model.ckpt", "model.pkl", "model.joblib", "tf_model.h5",
             "flax_model.msgpack"],
)  # fmt: skip
def test_weights_that_are_pickles_are_refused(payload, command, model, name):
    (model / "model.safetensors").unlink()
    payload.torch_saved(model / name)
    refused(command, "--model_name_or_path .*no weights in safetensors format.*save_pretrained",
            model_name_or_path=model)  # fmt: skip


def test_a_pickle_is_no_safetensors_file(payload, command, model, nothing_slow):
    payload.pickled(model / "model.safetensors")
    refused(command, "model.safetensors is damaged or no safetensors file", model_name_or_path=model)


def test_an_index_cannot_name_pickles(payload, command, model, nothing_slow):
    (model / "model.safetensors").unlink()
    payload.torch_saved(model / "part.bin")
    edit(model / "model.safetensors.index.json", weight_map={"a": "part.bin"}, metadata={})
    refused(command, "names 'part.bin', which is no safetensors file", model_name_or_path=model)


@pytest.mark.parametrize("flag", ["model_name_or_path", "config_name", "tokenizer_name"])
@pytest.mark.parametrize("kind", ["a known type", "an unknown type"])
def test_code_in_a_model_folder_is_not_run(payload, command, model, flag, kind):
    payload.module(model / "evil.py")
    classes = {name: f"evil.{name}" for name in ("AutoConfig", "AutoModel", "AutoModelForSequenceClassification")}
    tokenizer = {"AutoTokenizer": ["evil.Tokenizer", "evil.Tokenizer"]}
    edit(model / "config.json", auto_map=classes | tokenizer)
    edit(model / "tokenizer_config.json", auto_map=tokenizer)
    flags = DRY | {flag: model}
    if kind == "a known type":
        main(command(**flags))
        return
    edit(model / "config.json", model_type="evil")
    (model / "tokenizer.json").unlink()
    edit(model / "tokenizer_config.json", tokenizer_class="EvilTokenizer")
    refused(command, "(--(model_name_or_path|config_name)|tokenizer) .*model: ", **flags)


@pytest.mark.parametrize(
    ("file", "settings"),
    [
        ("vocab.pkl", {"tokenizer_class": "TransfoXLTokenizer"}),
        ("vocab.txt", {"tokenizer_class": "BertTokenizer"}),
        ("tokenizer.json", {}),
        ("spiece.model", {"tokenizer_class": "T5Tokenizer"}),
        ("special_tokens_map.json", {}),
        ("added_tokens.json", {}),
    ],
)
def test_vocabularies_are_not_pickles(payload, command, model, file, settings):
    (model / "tokenizer.json").unlink()
    payload.pickled(model / file)
    edit(model / "tokenizer_config.json", **settings)
    refused(command, "tokenizer .*model: does not load: ", model_name_or_path=model)


@pytest.fixture
def adapter(tiny_model, tmp_path):
    """The folder of an adapter without tensors for the head."""
    folder = tmp_path / "adapter"
    folder.mkdir()
    for name in ("config.json", "tokenizer.json", "tokenizer_config.json"):
        shutil.copy(f"{tiny_model}/{name}", folder)
    edit(folder / "adapter_config.json", peft_type="LORA", task_type="SEQ_CLS", base_model_name_or_path=tiny_model,
         r=2, lora_alpha=4, target_modules=["query"])  # fmt: skip
    save_file({"base_model.model.x": torch.zeros(1)}, folder / "adapter_model.safetensors")
    return folder


def test_an_adapter_that_is_a_pickle_is_refused(payload, command, adapter):
    (adapter / "adapter_model.safetensors").unlink()
    payload.torch_saved(adapter / "adapter_model.bin")
    refused(command, "has no adapter_model.safetensors.*save_pretrained", model_name_or_path=adapter)


def test_a_pickled_adapter_beside_a_whole_model_is_refused(payload, command, model, adapter):
    shutil.copy(adapter / "adapter_config.json", model)
    payload.torch_saved(model / "adapter_model.bin")
    refused(command, "--model_name_or_path .*safetensors", model_name_or_path=model)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"megatron_config": {"a": 1}, "megatron_core": "evil"}, "megatron_config, which would import code"),
        ({"peft_type": "MULTITASK_PROMPT_TUNING", "num_virtual_tokens": 2, "prompt_tuning_init": "EXACT_SOURCE_TASK",
          "prompt_tuning_init_state_dict_path": "prompt.pt"}, "peft_type MULTITASK_PROMPT_TUNING"),
        ({"peft_type": "EVIL"}, "peft_type EVIL"),
        ({"init_lora_weights": "corda", "corda_config": {"cache_file": "c.pt"}}, "does not fit|has no"),
        ({"base_model_name_or_path": None}, "names no base model"),
        ({}, "has no 'base_model"),
    ],
)  # fmt: skip
def test_an_adapter_config_imports_and_reads_nothing_else(payload, command, adapter, monkeypatch, changes, words):
    payload.module(Path("evil.py"))
    monkeypatch.syspath_prepend(str(Path.cwd()))  # even where the working directory is searched for modules
    for name in ("prompt.pt", "c.pt"):
        payload.torch_saved(Path(name))
    edit(adapter / "adapter_config.json", **changes)
    refused(command, words, model_name_or_path=adapter)


# --------------------------------------------------------------------------------------------------------- checkpoints


@pytest.fixture
def interrupted(finished, tmp_path):
    """A checkpoint after the first of two epochs."""
    folder = finished(num_train_epochs=2, per_device_train_batch_size=8).folder
    return shutil.copytree(folder / "checkpoint-8", tmp_path / "checkpoint-8", copy_function=shutil.copyfile)


@pytest.mark.parametrize("name", ["optimizer.pt", "scheduler.pt", "rng_state.pth", "model.safetensors"])
@pytest.mark.parametrize("form", ["pickled", "torch_saved"])
def test_a_checkpoint_executes_nothing(payload, command, interrupted, name, form):
    """Also where its manifest was made for the foreign file."""
    interrupted.chmod(0o755)
    (interrupted / name).unlink()
    getattr(payload, form)(interrupted / name)
    refused(command, f"--resume .*checkpoint-8: .*{name}", num_train_epochs=2, resume=interrupted)
    seal(interrupted.rename(interrupted.with_name("unsealed")), interrupted)
    refused(command, "--resume .*checkpoint-8: .*nothing was executed", num_train_epochs=2, resume=interrupted)


def test_other_files_of_a_checkpoint_are_not_read(payload, command, interrupted):
    interrupted.chmod(0o755)
    for name in ("training_args.bin", "pytorch_model.bin", "adapter_model.bin"):
        payload.torch_saved(interrupted / name)
    payload.module(interrupted / "evil.py")
    main(command(num_train_epochs=2, resume=interrupted))


# --------------------------------------------------------------------------------------------------- flags and presets


@pytest.mark.parametrize("text", ["learning_rate: {tag}", "{tag}", "class_weights: {{a: {tag}}}"])
def test_a_preset_is_plain_yaml(payload, command, tmp_path, text):
    tag = f"!!python/object/apply:builtins.open ['{payload.marker}', 'w']"
    (tmp_path / "preset.yaml").write_text(text.format(tag=tag))
    with pytest.raises(UsageError, match="preset .*preset.yaml: "):
        main([str(tmp_path / "preset.yaml"), *command()])


@pytest.mark.parametrize(
    "flag", ["deepspeed", "fsdp_config", "accelerator_config", "parallelism_config", "lr_scheduler_kwargs",
             "class_weights", "thresholds", "optim_args", "optim", "report_to", "metric_name", "torch_compile_backend"],
)  # fmt: skip
@pytest.mark.parametrize("value", ["evil", "__import__('evil')"])
def test_no_flag_imports_what_it_names(payload, command, monkeypatch, flag, value):
    payload.module(Path("evil.py"))
    monkeypatch.syspath_prepend(str(Path.cwd()))
    refused(command, f"--{flag}|--optim", **{flag: value})


def test_a_file_of_flags_beside_the_script_is_not_read(payload, command, monkeypatch):
    Path("run.args").write_text("--num_train_epochs none")
    monkeypatch.setattr(sys, "argv", ["run.py", "--config_file", "run.args"])
    main(command(**DRY))


@pytest.mark.slow
def test_a_whole_run_executes_nothing_in_the_working_directory(payload, shared_files, tiny_model, tmp_path):
    """As from the shell: the libraries are imported there, and plots are drawn."""
    names = ("sitecustomize", "usercustomize", "evil", "wandb", "tensorboard", "accuracy", "conftest", "latex",
             "evaluate", "yaml", "csv", "metric")  # fmt: skip
    for name in names:
        payload.module(Path(f"{name}.py"))
        Path(name).mkdir()
        payload.module(Path(name, "__init__.py"))
        payload.module(Path(name, f"{name}.py"))
    rc = ["backend: module://evil", "text.usetex: True", "axes.prop_cycle: cycler('color', [__import__('evil')])"]
    Path("matplotlibrc").write_text("\n".join(rc))
    standard = {"model_name_or_path": tiny_model, **shared_files, "output_dir": str(tmp_path / "out")}
    arguments = command_line(standard, {"num_train_epochs": 2, "metric_name": "balanced_accuracy"})
    done = subprocess.run(
        [sys.executable, ROOT / "run_classification.py", *arguments], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "curves.svg").exists()
