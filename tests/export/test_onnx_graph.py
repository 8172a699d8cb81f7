"""A model of each family as a graph: texts of any number and length, the outputs of the saved files, nothing else."""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from helpers import ROOT, assert_refused, make_bert, make_tokenizer
from made_exports import CLASSES, NUMBERS, SEVERAL, check_rows, export, save_classifier

from classification.export import onnx_graph
from classification.export.onnx_graph import SavedOutputs, export_graph, input_names, reason_of, weight_bytes
from classification.models.bilstm import BiLstmConfig, BiLstmForSequenceClassification

FAMILIES = (
    "bert", "roberta", "distilbert", "mpnet", "electra", "albert", "deberta-v2", "modernbert", "xlm-roberta", "gpt2",
    "qwen2",
)  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A BERT with a scale and a shift, its tokenizer, and the path of its graph."""
    model, tokenizer = make_bert(num_labels=3).eval(), make_tokenizer()
    outputs = SavedOutputs(model, input_names(model, tokenizer), torch.tensor([2.0]), torch.tensor([100.0]))
    path = tmp_path_factory.mktemp("graph") / "model.onnx"
    export_graph(outputs, tokenizer, path, "NAME")
    return model, tokenizer, path


def run(path, batch):
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return session.run(["logits"], {name: values.numpy() for name, values in batch.items()})[0]


@pytest.mark.parametrize(("rows", "length"), [(1, 1), (1, 64), (5, 7), (2, 2)])
def test_batches_of_any_shape_give_the_scaled_outputs(made, rows, length):
    model, _, path = made
    ids = torch.arange(rows * length).reshape(rows, length) % 20 + 4
    mask = torch.ones_like(ids)
    mask[-1, 1 + length // 2 :] = 0
    batch = {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": mask}
    with torch.no_grad():
        expected = model(**batch).logits.numpy() * 2 + 100
    np.testing.assert_allclose(run(path, batch), expected, rtol=1e-5)


def test_the_inputs_have_the_names_of_the_model_and_named_sizes(made):
    session = onnxruntime.InferenceSession(str(made[2]), providers=["CPUExecutionProvider"])
    assert {each.name: each.shape for each in session.get_inputs()} == {
        name: ["batch", "tokens"] for name in ("input_ids", "attention_mask", "token_type_ids")
    }
    assert [(each.name, each.shape) for each in session.get_outputs()] == [("logits", ["batch", 3])]


def test_the_file_tells_nothing_about_the_machine_and_is_as_large_as_its_weights(made):
    model, _, path = made
    content = path.read_bytes()
    assert not [word for word in (str(ROOT), "site-packages", ".py", "stack_trace") if word.encode() in content]
    assert len(content) < weight_bytes(model) + 40_000
    onnx.checker.check_model(onnx.load(path))


def test_large_weights_lie_beside_the_graph_and_load_from_there(made, tmp_path):
    model, tokenizer, path = made
    outputs = SavedOutputs(model, input_names(model, tokenizer), torch.tensor([2.0]), torch.tensor([100.0]))
    export_graph(outputs, tokenizer, tmp_path / "model.onnx", "NAME", largest=1000)
    assert [each.name for each in sorted(tmp_path.iterdir())] == ["model.onnx", "model.onnx.data"]
    batch = {name: torch.full((2, 3), 5) for name in ("input_ids", "attention_mask", "token_type_ids")}
    batch["attention_mask"][:] = batch["token_type_ids"][:] = 1
    np.testing.assert_allclose(run(tmp_path / "model.onnx", batch), run(path, batch), rtol=1e-6)


def test_an_lstm_is_refused_with_the_reason(tmp_path):
    model = BiLstmForSequenceClassification(BiLstmConfig(vocab_size=64, embedding_size=8, hidden_size=8))
    outputs = SavedOutputs(model, ["input_ids", "attention_mask"], None, None)
    words = ["MODEL NAME", "cannot be exported", "LSTM", "predict.py"]
    assert_refused(words, export_graph, outputs, make_tokenizer(), tmp_path / "model.onnx", "NAME")
    assert not list(tmp_path.iterdir())


def test_an_error_of_the_exporter_is_one_line_with_its_innermost_cause(tmp_path, monkeypatch):
    def fails(*arguments, **fields):
        try:
            raise NotImplementedError("no ONNX function for aten.strange\nmore")
        except NotImplementedError as error:
            raise RuntimeError("Failed to convert. This is step 3/3") from error

    monkeypatch.setattr(onnx_graph.torch.onnx, "export", fails)
    outputs = SavedOutputs(make_bert(), ["input_ids", "attention_mask"], None, None)
    words = ["MODEL NAME", "NotImplementedError: no ONNX function for aten.strange."]
    assert_refused(words, export_graph, outputs, make_tokenizer(), tmp_path / "model.onnx", "NAME")


def test_an_error_without_words_has_its_kind():
    assert reason_of(KeyError()).startswith("KeyError")


def test_a_missing_library_is_named_with_the_command_that_installs_it(monkeypatch):
    monkeypatch.setattr(onnx_graph, "find_spec", lambda name: None if name.startswith("onnx") else name)
    assert_refused(["onnx and onnxscript and onnxruntime", "pip install onnx onnx"], onnx_graph.check_libraries)


@pytest.mark.slow
@pytest.mark.parametrize("variant", ["fp32", "fp16", "int8"])
@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_answers_as_its_model(tmp_path, family, variant):
    save_classifier(tmp_path / "model", family, temperatures=(2.5,))
    file = check_rows(tmp_path / "rows.csv")
    least = {"fp32": None, "fp16": 0.98, "int8": 0.85}[variant]  # a tiny model of random weights is sensitive
    record = export(tmp_path / "model", tmp_path / "out", file, variant, min_agreement=least)
    assert record["check"]["rows"] == 60
    if variant == "fp32":
        assert record["check"]["relative_difference"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("family", ["bert", "roberta"])
@pytest.mark.parametrize("pooling", ["cls", "mean", "max"])
def test_pooled_heads_answer_as_their_model(tmp_path, family, pooling):
    save_classifier(tmp_path / "model", family, pooling=pooling)
    record = export(tmp_path / "model", tmp_path / "out", check_rows(tmp_path / "rows.csv"))
    assert record["check"]["relative_difference"] < 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ("values", "fields"),
    [(SEVERAL, {"temperatures": (2.0, 0.5), "thresholds": (0.4, 0.6)}), (NUMBERS, {}), (CLASSES, {})],
)
def test_every_task_answers_as_its_model(tmp_path, values, fields):
    save_classifier(tmp_path / "model", "bert", values, **fields)
    for variant, least in (("fp32", None), ("fp16", 0.95)):  # 3 of 60 rows may be near ties
        rows = check_rows(tmp_path / "rows.csv")
        record = export(tmp_path / "model", tmp_path / variant, rows, variant, min_agreement=least)
        assert record["check"]["relative_difference"] < {"fp32": 1e-5, "fp16": 0.01}[variant]


@pytest.mark.slow
def test_layers_that_share_their_weights_are_saved_once(tmp_path):
    import zoo

    sizes = []
    for layers in (2, 6):
        folder = tmp_path / str(layers)
        zoo.SETTINGS["albert"]["num_hidden_layers"], before = layers, zoo.SETTINGS["albert"]["num_hidden_layers"]
        zoo.saved.cache_clear()
        try:
            save_classifier(folder, "albert")
        finally:
            zoo.SETTINGS["albert"]["num_hidden_layers"] = before
            zoo.saved.cache_clear()
        export(folder, folder.with_name(f"out-{layers}"), check_rows(tmp_path / "rows.csv"))
        graph = onnx.load(tmp_path / f"out-{layers}" / "model.onnx").graph
        sizes.append(sum(len(each.raw_data) for each in graph.initializer))
    assert sizes[1] < 1.05 * sizes[0]


@pytest.mark.slow
def test_int8_of_a_real_encoder_has_a_quarter_of_the_size_and_its_answers(minilm, tmp_path):
    """Its embeddings are half of the weights: left in fp32, the file would have 65% of the size."""
    import zoo

    loaded = zoo.load(minilm)
    loaded.model.save_pretrained(tmp_path / "model")
    loaded.tokenizer.save_pretrained(tmp_path / "model")
    file = check_rows(tmp_path / "rows.csv")
    for variant, share in (("int8", 0.28), ("fp16", 0.52)):
        record = export(tmp_path / "model", tmp_path / variant, file, variant, min_agreement=0.8)["check"]
        assert record["bytes"]["onnx"] < share * record["bytes"]["pytorch"]
        assert record["largest_difference"] < 0.1  # of logits of a new head, which are small


@pytest.mark.slow
def test_an_encoder_that_loses_its_accuracy_in_int8_is_refused(tmp_path):
    """One large activation makes the scale of all others coarse, as in many encoders that were trained long."""

    def enlarge(model):
        model.bert.embeddings.LayerNorm.weight[0] *= 300

    folder = save_classifier(tmp_path / "model", change=enlarge)
    rows = check_rows(tmp_path / "rows.csv")
    words = ["--variant int8", "of 60 rows", "at least 99.0% must", "Use --variant fp32"]
    assert_refused(words, export, folder, tmp_path / "out", rows, "int8")
    assert not (tmp_path / "out").exists()
    assert export(folder, tmp_path / "out", rows, "fp16")["check"]["agreeing"] == 60
