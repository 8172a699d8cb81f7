"""Only files that begin as safetensors files do are taken for weights."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors.torch import save_file

from classification.errors import UsageError
from classification.models.weight_files import check_weight_files

TENSORS = {"a": torch.zeros(2)}


@pytest.mark.parametrize("name", ["model.safetensors", "adapter_model.safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"\x80\x04\x95", b"version https://git-lfs.github.com/spec/v1\n", b"\x08" + bytes(7) + b"notjson!"]
)
def test_another_file_of_that_name_is_refused(tmp_path, name, content):
    """A pickle, an empty file, a pointer of Git LFS."""
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UsageError, match=f"{name} is damaged or no safetensors file. Download it again"):
        check_weight_files(str(tmp_path))
    save_file(TENSORS, tmp_path / name)
    check_weight_files(str(tmp_path))


@pytest.mark.parametrize("part", ["part.bin", "../part.safetensors", "part.pt"])
def test_an_index_names_safetensors_files_beside_it(tmp_path, part):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": part}}))
    with pytest.raises(UsageError, match=f"names '{part}', which is no safetensors file beside it"):
        check_weight_files(str(tmp_path))
    index.write_text(json.dumps({"weight_map": {"a": "part.safetensors"}}))
    save_file(TENSORS, tmp_path / "part.safetensors")
    check_weight_files(str(tmp_path))
    (tmp_path / "part.safetensors").write_bytes(b"\x80\x04")
    with pytest.raises(UsageError, match="part.safetensors is damaged"):
        check_weight_files(str(tmp_path))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"weight_map": 3}'])
def test_a_folder_without_weights_passes(tmp_path, content):
    """Loading it has a message of its own."""
    check_weight_files(str(tmp_path))
    (tmp_path / "model.safetensors.index.json").write_text(content)
    check_weight_files(str(tmp_path))
