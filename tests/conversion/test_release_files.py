"""Exactly one complete checkpoint is chosen, or one line says which files are missing or which name to pass."""

from __future__ import annotations

import pytest

from classification.conversion.release_files import choose_files
from classification.errors import UsageError

RELEASE = ["bert_config.json", "vocab.txt", "bert_model.ckpt.index", "bert_model.ckpt.meta",
           "bert_model.ckpt.data-00000-of-00001"]  # fmt: skip
SECOND = ["model.ckpt-20.index", "model.ckpt-20.data-00000-of-00001"]


def refused(names, *words, **choice):
    with pytest.raises(UsageError) as error:
        choose_files(names, "ZIP_OR_DIR it", **choice)
    text = str(error.value)
    assert "\n" not in text and not [word for word in words if word not in text], text


@pytest.mark.parametrize("folder", ["", "uncased/", "a/b/"])
def test_the_files_of_a_release_are_found_in_any_folder(folder):
    files = choose_files([folder + name for name in RELEASE], "it")
    assert files.parts == (f"{folder}bert_model.ckpt.index", f"{folder}bert_model.ckpt.data-00000-of-00001")
    assert (files.config, files.vocabulary) == (f"{folder}bert_config.json", f"{folder}vocab.txt")
    assert files.folder == folder.rstrip("/")


def test_all_shards_belong_to_a_checkpoint():
    shards = [f"bert_model.ckpt.data-{number:05}-of-00003" for number in range(3)]
    names = [*RELEASE[:4], *shards]
    assert choose_files(names, "it").parts == ("bert_model.ckpt.index", *shards)
    names.remove(shards[1])
    refused(names, "bert_model.ckpt.data-00001-of-00003 is missing. Copy or download the whole checkpoint again.")


@pytest.mark.parametrize("missing", ["bert_model.ckpt.index", "bert_model.ckpt.data-00000-of-00001"])
def test_a_part_that_is_missing_is_named(missing):
    refused([name for name in RELEASE if name != missing], f"{missing} is missing.")


@pytest.mark.parametrize("missing", ["bert_config.json", "vocab.txt"])
def test_config_and_vocabulary_lie_beside_the_checkpoint(missing):
    names = [name for name in RELEASE if name != missing]
    refused(names, f"there is no {missing} beside bert_model.ckpt", "copy the one of the model it was trained from")
    refused([*names, f"other/{missing}"], f"there is no {missing} beside bert_model.ckpt")
    choose_files([*names, missing], "it")  # the remedy


def test_a_config_of_transformers_is_to_be_copied():
    refused(["config.json", *RELEASE[1:]], "copy config.json to bert_config.json")


@pytest.mark.parametrize(
    "names", [[], ["model.safetensors", "config.json"], ["bert_model.ckpt.meta"], ["__MACOSX/" + RELEASE[2]]]
)
def test_without_a_checkpoint_its_files_are_listed(names):
    refused(names, "holds no checkpoint of TensorFlow. Its files are bert_config.json, vocab.txt, NAME.ckpt.index")


def test_one_of_two_checkpoints_is_to_be_named_and_then_found():
    names = [*RELEASE, *SECOND]
    refused(names, "holds 2 checkpoints: bert_model.ckpt, model.ckpt-20. Name one, such as --checkpoint model.ckpt-20")
    for wanted in ("model.ckpt-20", "model.ckpt-20.index", "model.ckpt-20.data-00000-of-00001"):
        assert choose_files(names, "it", wanted).checkpoint == "model.ckpt-20"
    words = "--checkpoint model.ckpt-2: there is no such checkpoint. Pass one of: bert_model.ckpt, model.ckpt-20."
    refused(names, words, wanted="model.ckpt-2")


def test_the_last_step_is_suggested_not_the_last_word():
    steps = [f"model.ckpt-{step}.{kind}" for step in (900, 1000) for kind in ("index", "data-00000-of-00001")]
    refused([*RELEASE[:2], *steps], "such as --checkpoint model.ckpt-1000")


def test_two_folders_with_the_same_checkpoint_are_told_apart():
    names = [f"{folder}/{name}" for folder in ("cased", "uncased") for name in RELEASE]
    refused(names, "holds 2 checkpoints: cased/bert_model.ckpt, uncased/bert_model.ckpt.")
    refused(names, "is in several folders. Pass one of: cased/bert_model.ckpt", wanted="bert_model.ckpt")
    assert choose_files(names, "it", "cased/bert_model.ckpt").folder == "cased"


def test_shards_of_two_checkpoints_are_refused():
    names = [*RELEASE, "bert_model.ckpt.data-00000-of-00002", "bert_model.ckpt.data-00001-of-00002"]
    refused(names, "are of two checkpoints", "Remove those of one.")


@pytest.mark.parametrize("odd", "*?[]:|")
def test_a_name_that_tensorflow_takes_for_a_pattern_is_refused_and_another_one_is_fine(odd):
    names = [name.replace("bert_model", f"my{odd}model") for name in RELEASE]
    refused(names, f"my{odd}model.ckpt has {odd} in its name", "Rename its files.")
    assert choose_files([name.replace(odd, "_") for name in names], "it").checkpoint == "my_model.ckpt"
    choose_files([f"a{odd}b/{name}" for name in RELEASE], "it")  # a folder may have any name


def test_hidden_copies_do_not_count():
    hidden = [f".ipynb_checkpoints/{name}" for name in RELEASE] + [f"__MACOSX/._{name}" for name in RELEASE]
    assert choose_files([*RELEASE, *hidden], "it").checkpoint == "bert_model.ckpt"
