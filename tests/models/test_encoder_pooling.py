"""One line tells how the encoder was trained to pool, only where a new head does it differently."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import huggingface_hub
import pytest
import torch
import transformers
import zoo
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

from classification.data.hub_access import HubAccess
from classification.models import encoder_pooling
from classification.models.choice import ModelChoice
from classification.models.encoder_pooling import pooling_of_head, trained_pooling
from classification.models.pooled_head import PooledConfig, PooledForSequenceClassification

MEAN = {"word_embedding_dimension": 32, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}
TYPE = "sentence_transformers.models.Pooling"
NEW_TYPE = "sentence_transformers.sentence_transformer.modules.pooling.Pooling"


@pytest.fixture
def encoder(tmp_path):
    """A function that puts a pooling, and perhaps modules.json, beside a tiny model."""

    def make(fields, architecture="bert", *, folder="1_Pooling", modules=None, **changes):
        path = tmp_path / "encoder"
        shutil.copytree(zoo.saved(architecture, **changes), path, dirs_exist_ok=True)
        (path / folder).mkdir(exist_ok=True)
        text = fields if isinstance(fields, str) else json.dumps(fields)
        (path / folder / "config.json").write_text(text)
        if modules is not None:
            (path / "modules.json").write_text(json.dumps(modules))
        return path

    return make


def line(folder, **choice) -> str | None:
    return zoo.lines_of(zoo.load(folder, **choice)).get("pooling")


# ------------------------------------------------------------------------------------------------- what the files hold


@pytest.mark.parametrize(("fields", "expected"), [
    (MEAN, ("mean",)),
    ({"pooling_mode": "mean", "embedding_dimension": 32, "include_prompt": True}, ("mean",)),
    ({"pooling_mode": "cls", "pooling_mode_mean_tokens": True}, ("cls",)),
    ({"pooling_mode": ["mean", "max"]}, ("mean", "max")),
    ({"pooling_mode": ["lasttoken"]}, ("lasttoken",)),
    ({"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": True}, ("cls", "mean")),
    ({"pooling_mode_mean_sqrt_len_tokens": True}, ("mean_sqrt_len_tokens",)),
    ({"pooling_mode_weightedmean_tokens": True}, ("weightedmean",)),
    ({"pooling_mode_lasttoken": True}, ("lasttoken",)),
    ({"pooling_mode_cls_token": False}, ("mean",)),
    ({"pooling_mode_mean_tokens": "yes"}, ("mean",)),
    ({"pooling_mode": {"mean": True}}, ()),
    ({"pooling_mode": []}, ()),
    ({"pooling_mode": [1, 2]}, ()),
    ({"hidden_size": 32}, ()),
    ([1], ()),
    ("{ not json", ()),
    ("[" * 100_000, ()),
    ("", ()),
])  # fmt: skip
def test_the_pooling_is_read_from_old_and_new_files(fields, expected, encoder):
    assert trained_pooling(ModelChoice(str(encoder(fields)))) == expected


@pytest.mark.parametrize(("modules", "expected"), [
    ([{"type": "sentence_transformers.models.Transformer", "path": ""}, {"type": TYPE, "path": "1_P"}], ("mean",)),
    ([{"type": NEW_TYPE, "path": "1_P"}], ("mean",)),
    ([{"type": "sentence_transformers.models.Transformer", "path": ""}], ()),
    ([{"type": TYPE, "path": "elsewhere"}], ()),
    ([{"type": TYPE, "path": "../encoder/1_P"}], ()),
    ([{"type": TYPE, "path": ""}], ()),
    ([{"type": TYPE}], ()),
    ([{"type": 3, "path": "1_P"}, "1_P", None], ()),
    ([{"type": TYPE, "path": "1_P"}, {"type": TYPE, "path": "2_P"}], ()),
])  # fmt: skip
def test_modules_json_names_the_folder_of_the_pooling(modules, expected, encoder):
    assert trained_pooling(ModelChoice(str(encoder(MEAN, folder="1_P", modules=modules)))) == expected


def test_an_absolute_path_in_modules_json_is_not_followed(encoder):
    path = encoder(MEAN)
    (path / "modules.json").write_text(json.dumps([{"type": TYPE, "path": str(path / "1_Pooling")}]))
    assert trained_pooling(ModelChoice(str(path))) == ()


# ----------------------------------------------------------------------------------------------------- what heads read


@pytest.mark.parametrize("architecture", zoo.ARCHITECTURES)
def test_what_a_head_reads_is_found_for_every_architecture(architecture):
    expected = {"gpt2": "lasttoken", "llama": "lasttoken", "qwen2": "lasttoken", "modernbert": "mean"}
    assert pooling_of_head(zoo.load(zoo.saved(architecture)).model) == expected.get(architecture, "cls")


def test_a_head_that_leaves_padding_out_is_asked_with_another_token():
    model = zoo.load(zoo.saved("llama")).model
    model.config.pad_token_id = 1
    assert pooling_of_head(model) == "lasttoken"


def test_a_head_that_reads_several_tokens_in_another_way_has_no_name():
    torch.manual_seed(0)
    config = PooledConfig(transformers.AutoConfig.from_pretrained(zoo.saved("bert")), "max")
    assert pooling_of_head(PooledForSequenceClassification(config)) is None


# ------------------------------------------------------------------------------------------------------------ the line


def test_the_line_names_the_flag_and_what_it_costs(encoder):
    text = line(encoder(MEAN))
    assert text == (
        "the encoder was trained with the mean of all tokens; the new head reads the first token. --pooling mean reads "
        "the same and may be more accurate, but such a model loads with trust_remote_code only."
    )


def test_the_flag_of_the_line_is_accepted_and_ends_it(encoder):
    folder = encoder(MEAN)
    followed = zoo.load(folder, pooling="mean")
    assert isinstance(followed.model, PooledForSequenceClassification) and "pooling" not in zoo.lines_of(followed)


@pytest.mark.parametrize(("architecture", "fields"), [
    ("bert", {"pooling_mode_cls_token": True}),
    ("llama", {"pooling_mode": "lasttoken"}),
    ("modernbert", {"pooling_mode": "mean"}),
])  # fmt: skip
def test_there_is_no_line_where_the_own_head_pools_as_the_encoder(architecture, fields, encoder):
    assert line(encoder(fields, architecture)) is None


@pytest.mark.parametrize(("fields", "named"), [
    ({"pooling_mode": "lasttoken"}, "the last token;"),
    ({"pooling_mode": "weightedmean"}, "a mean that weights later tokens more;"),
    ({"pooling_mode_mean_sqrt_len_tokens": True}, "the sum of all tokens over the root of their number;"),
    ({"pooling_mode": ["mean", "max"]}, "the mean of all tokens and the maximum over all tokens;"),
    ({"pooling_mode": "attention\n" * 20}, "the pooling 'attention\\n"),
])  # fmt: skip
def test_a_pooling_that_we_do_not_have_is_named_without_a_flag(fields, named, encoder):
    text = line(encoder(fields))
    assert named in text and text.endswith("--pooling does not offer that.") and len(text) < 200


def test_a_flag_that_differs_from_the_encoder_is_noted(encoder):
    text = line(encoder(MEAN), pooling="max")
    assert text.startswith("max, but the encoder was trained with the mean of all tokens. --pooling mean reads")


def test_modernbert_is_offered_its_own_pooling(encoder):
    text = line(encoder({"pooling_mode": "cls"}, "modernbert"))
    assert "--pooling cls" in text and text.endswith("; the model still loads everywhere.")


def test_no_flag_is_named_that_would_be_refused(encoder):
    """cls of a decoder, and a pooled head under adapters that are saved alone."""
    assert "--pooling" not in line(encoder({"pooling_mode": "cls"}, "gpt2"))
    assert "--pooling" not in line(encoder(MEAN), lora_r=2, lora_merge=False)


def test_a_decoder_is_offered_the_mean(encoder):
    assert "the new head reads the last token. --pooling mean" in line(encoder(MEAN, "llama"))


def test_an_adapter_with_a_new_head_names_the_pooling_of_its_base(encoder, tmp_path):
    base = encoder(MEAN)
    adapted = zoo.load(base, names=("a", "b", "c"), lora_r=2, lora_merge=False)
    adapted.model.save_pretrained(tmp_path / "adapter")
    adapted.tokenizer.save_pretrained(tmp_path / "adapter")
    adapted.model.base_model.model.config.save_pretrained(tmp_path / "adapter")
    text = line(tmp_path / "adapter", ignore_mismatched_sizes=True)
    assert "trained with the mean of all tokens" in text and "--pooling" not in text
    assert line(tmp_path / "adapter", names=("a", "b", "c")) is None  # its head is kept


def test_a_trained_head_and_a_model_that_is_only_used_have_no_line(encoder):
    folder = encoder(MEAN)
    trained = zoo.load(folder)
    trained.model.save_pretrained(folder)
    assert line(folder) is None and line(folder, training=False) is None


def test_weights_and_random_numbers_do_not_depend_on_the_files(encoder):
    with_files, without = zoo.load(encoder(MEAN)), None
    state = torch.get_rng_state()
    without = zoo.load(zoo.saved("bert"))
    assert torch.equal(state, torch.get_rng_state())
    first, second = with_files.model.state_dict(), without.model.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in second)
    assert all(parameter.grad is None for parameter in with_files.model.parameters())


def test_a_model_that_a_short_text_would_change_is_not_asked(encoder):
    """BigBird gives up its sparse attention for good after one text of few blocks."""
    config = transformers.BigBirdConfig(vocab_size=90, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
                                        intermediate_size=64, max_position_embeddings=64, pad_token_id=0)  # fmt: skip
    folder = encoder(MEAN)
    transformers.BigBirdModel(config).save_pretrained(folder)
    loaded = zoo.load(folder)
    assert "pooling" not in zoo.lines_of(loaded) and loaded.model.bert.attention_type == "block_sparse"


# ------------------------------------------------------------------------------------------------------------- the Hub


class Repository:
    """Files of a repository on the Hub, and every question for one of them."""

    def __init__(self, folder, error=EntryNotFoundError):
        self.folder, self.error, self.asked = folder, error, []

    def download(self, repo_id, name, *, cache_dir, revision, token):
        self.asked.append((repo_id, name, revision, token))
        if not (self.folder / name).is_file():
            raise self.error(f"404: {name}")
        return str(self.folder / name)


CHOICE = ModelChoice("owner/encoder", hub=HubAccess("/nonexistent", "v2", "secret"))


def test_the_files_of_a_repository_are_asked_for_by_revision_and_token(encoder, monkeypatch):
    repository = Repository(encoder(MEAN))
    monkeypatch.setattr(encoder_pooling, "hf_hub_download", repository.download)
    assert trained_pooling(CHOICE) == ("mean",)
    names = ["modules.json", "1_Pooling/config.json"]
    assert repository.asked == [("owner/encoder", name, "v2", "secret") for name in names]


@pytest.mark.parametrize("error", [EntryNotFoundError, LocalEntryNotFoundError, ConnectionError, ValueError])
def test_a_repository_without_the_files_or_out_of_reach_has_no_pooling(error, tmp_path, monkeypatch):
    monkeypatch.setattr(encoder_pooling, "hf_hub_download", Repository(tmp_path, error).download)
    assert trained_pooling(CHOICE) == ()


def test_the_cache_answers_first_and_knows_what_is_missing(tmp_path, monkeypatch):
    """Offline, with a real cache folder: no question is sent for a file that is there or known to be missing."""
    commit, repository = "a" * 40, tmp_path / "models--owner--encoder"
    snapshot = repository / "snapshots" / commit
    (snapshot / "1_Pooling").mkdir(parents=True)
    (snapshot / "1_Pooling" / "config.json").write_text(json.dumps(MEAN))
    (repository / ".no_exist" / commit).mkdir(parents=True)
    (repository / ".no_exist" / commit / "modules.json").touch()
    (repository / "refs").mkdir()
    (repository / "refs" / "v2").write_text(commit)
    monkeypatch.setattr(encoder_pooling, "hf_hub_download", lambda *_, **__: pytest.fail("the Hub was asked"))
    assert trained_pooling(replace(CHOICE, hub=replace(CHOICE.hub, cache_dir=str(tmp_path)))) == ("mean",)


def test_offline_nothing_is_sent(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    assert trained_pooling(replace(CHOICE, hub=HubAccess(str(tmp_path)))) == ()
