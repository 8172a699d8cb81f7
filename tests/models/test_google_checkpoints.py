"""A checkpoint of TensorFlow as a model is one line with the command that converts it, wherever it is named."""

from __future__ import annotations

import json
import zipfile

import pytest
from helpers import make_bert, make_tokenizer
from made_releases import make_folder, make_zip, release_files

from classification.errors import UsageError
from classification.models.choice import ModelChoice
from classification.models.google_checkpoints import conversion_hint, refuse_tf_checkpoint
from classification.models.loading import load_config, load_model


@pytest.mark.parametrize("name", ["release", "outer", "a.zip", "b.ZIP", "release/bert_model.ckpt",
                                  "release/bert_model.ckpt.index", "release/bert_model.ckpt.meta"])  # fmt: skip
def test_every_form_of_a_checkpoint_is_recognised(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    make_folder("release")
    make_folder("outer/uncased_L-12")
    make_zip("a.zip", inside="uncased_L-12")
    make_zip("b.ZIP")
    source = name.partition("/")[0]
    target = source.partition(".")[0] + "-converted"
    words = (
        f"is a checkpoint of TensorFlow. Convert it: python scripts/convert_tf_checkpoint.py {source} {target}  Then"
    )
    assert words in conversion_hint(name)
    with pytest.raises(UsageError, match=f"^--model_name_or_path {name}: is a checkpoint of TensorFlow"):
        refuse_tf_checkpoint("--model_name_or_path", name)


def test_a_path_with_a_space_can_be_copied(tmp_path):
    path = make_zip(tmp_path / "my model.zip")
    assert f"convert_tf_checkpoint.py '{path}' 'my model-converted'  Then" in conversion_hint(str(path))


def test_a_folder_without_its_numbers_is_recognised_by_its_config(tmp_path):
    make_folder(tmp_path, {"bert_config.json": b"{}"})
    assert conversion_hint(str(tmp_path))


def test_other_models_pass(tmp_path, tiny_model):
    (tmp_path / "empty").mkdir()
    make_folder(tmp_path / "index", {"faiss.index": b"x"})
    make_folder(tmp_path / "bin", {"config.json": b"{}", "pytorch_model.bin": b"x"})
    make_folder(tmp_path / "own_config", {"bert_config.json": b"{}", "pytorch_model.bin": b"x"})
    (tmp_path / "model.tar.gz").write_bytes(b"x")
    for name in (tiny_model, "bert-base-uncased", "a/b", "", ".", "/", "nope/", "x\0y", "bilstm",
                 *map(str, tmp_path.iterdir())):  # fmt: skip
        assert conversion_hint(name) == "", name


def test_a_folder_that_has_been_converted_in_place_passes(tmp_path, tiny_model):
    make_folder(tmp_path / "both")
    make_bert().bert.save_pretrained(tmp_path / "both")
    assert conversion_hint(str(tmp_path / "both")) == ""


def test_another_zip_file_is_to_be_unpacked(tmp_path):
    with zipfile.ZipFile(tmp_path / "model.zip", "w") as archive:
        archive.writestr("config.json", "{}")
    assert conversion_hint(str(tmp_path / "model.zip")).startswith("is a zip file. Unpack it")
    (tmp_path / "broken.zip").write_bytes(b"PK nothing")
    assert conversion_hint(str(tmp_path / "broken.zip")).startswith("is a zip file. Unpack it")
    content = bytearray((tmp_path / "model.zip").read_bytes())
    content[content.index(b"PK\x01\x02") + 6] = 0xFF  # a version of the format that does not exist
    (tmp_path / "new.zip").write_bytes(content)
    assert conversion_hint(str(tmp_path / "new.zip")).startswith("is a zip file. Unpack it")


@pytest.mark.parametrize("kind", ["zip", "folder", "file", "with config.json"])
def test_loading_it_from_python_is_the_same_line(tmp_path, kind):
    files = release_files()
    if kind == "with config.json":
        make_bert().config.save_pretrained(tmp_path / "release")
        make_tokenizer().save_pretrained(tmp_path / "release")
    folder = make_folder(tmp_path / "release", files)
    name = {"zip": make_zip(tmp_path / "a.zip", files), "file": folder / "bert_model.ckpt"}.get(kind, folder)
    choice = ModelChoice(str(name))
    with pytest.raises(UsageError) as refused:
        load_model(choice, load_config(choice), None)
    text = str(refused.value)
    assert "python scripts/convert_tf_checkpoint.py" in text and "\n" not in text


def test_a_config_of_its_own_flag_is_named(tmp_path):
    folder = make_folder(tmp_path / "release")
    with pytest.raises(UsageError, match=f"^--config_name {folder}: is a checkpoint of TensorFlow"):
        load_config(ModelChoice("bert-base-uncased", config_name=str(folder)))


def test_a_folder_without_anything_keeps_its_message(tmp_path):
    (tmp_path / "notes.json").write_text(json.dumps({}))
    with pytest.raises(UsageError, match="the folder has no config.json. Pass the folder of a saved model."):
        load_config(ModelChoice(str(tmp_path)))
