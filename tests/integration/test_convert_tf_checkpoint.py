"""scripts/convert_tf_checkpoint.py from the message that names it to a trained model; slow tests use TensorFlow."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import sys
import time

import adapt_pretrain
import convert_tf_checkpoint
import numpy as np
import pytest
import torch
from helpers import ROOT, assert_refused
from made_releases import CASED, CONFIG, UNCASED, make_folder, make_zip, release_files, run_reader_here, variables_of
from numpy_bert import NumpyBert
from transformers import AutoModelForPreTraining, AutoModelForSequenceClassification

import predict
from classification.cli.parser import checked_flags
from classification.errors import UsageError
from run_classification import main

SCRIPT = ROOT / "scripts" / "convert_tf_checkpoint.py"
STAND_IN = "from made_releases import stand_in_tensorflow\ntrain = stand_in_tensorflow().train\n"


@pytest.fixture
def stand_in(monkeypatch):
    """No TensorFlow is asked for, and the reader runs in this process."""
    run_reader_here(monkeypatch)
    monkeypatch.setattr(convert_tf_checkpoint, "own_python", lambda cache_dir: ["python"])


@pytest.fixture
def with_tensorflow(tmp_path):
    """The environment of a process whose Python has a stand-in for TensorFlow."""
    folder = tmp_path / "packages"
    folder.mkdir()
    (folder / "tensorflow.py").write_text(STAND_IN)
    return os.environ | {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT / "tests")])}


def command_in(message: str) -> list[str]:
    """The words behind `python scripts/convert_tf_checkpoint.py` in a message."""
    return shlex.split(re.search(r"convert_tf_checkpoint\.py (.*?)  Then", message)[1])


@pytest.mark.parametrize("is_zip", [True, False])
def test_the_message_names_the_command_and_then_the_model_trains(command, stand_in, tmp_path, monkeypatch, is_zip):
    monkeypatch.chdir(tmp_path)
    source = make_zip("uncased_tiny.zip", inside="uncased_tiny") if is_zip else make_folder("uncased_tiny")
    flags = {"model_name_or_path": source, "max_seq_length": 16}
    assert_refused(["is a checkpoint of TensorFlow"], checked_flags, command(**flags))  # before any data is read
    with pytest.raises(UsageError) as refused:
        main(command(**flags))
    words = command_in(str(refused.value))
    result = convert_tf_checkpoint.main(words)
    assert result == {"folder": "uncased_tiny-converted", "used": 46, "left_out": {}}
    assert f"Then pass {words[1]} instead." in str(refused.value)
    assert main(command(**flags | {"model_name_or_path": words[1]}))["test_loss"] > 0


def test_so_do_prediction_and_pretraining(stand_in, shared_files, tmp_path):
    source = make_zip(tmp_path / "uncased_tiny.zip", release_files(variables_of(head=False, classes=2)))
    assert_refused([f"MODEL {source}: is a checkpoint", "convert_tf_checkpoint.py"], predict.main, [source, "a.csv"])
    words = [f"--model_name_or_path={source}", f"--train_file={shared_files['train_file']}"]
    assert_refused([f"--model_name_or_path {source}: is a checkpoint"], adapt_pretrain.main, words)
    assert_refused([f"{source}: is a checkpoint", "convert_tf_checkpoint.py"], predict.load, str(source))
    out = tmp_path / "out"
    convert_tf_checkpoint.main([source, out])
    assert predict.load(str(out))("good film").label in ("LABEL_0", "LABEL_1")


def test_the_head_for_masked_tokens_is_trained_further(stand_in, shared_files, tmp_path, capsys):
    out = tmp_path / "out"
    convert_tf_checkpoint.main([make_folder(tmp_path / "uncased"), out])
    adapt_pretrain.main([
        f"--model_name_or_path={out}", f"--train_file={shared_files['train_file']}", f"--output_dir={tmp_path / 'mlm'}",
        "--max_seq_length=16", "--max_steps=1", "--precision=fp32", "--disable_tqdm=true",
    ])  # fmt: skip
    shown = capsys.readouterr().out
    assert "that of the file, which predicts masked tokens" in shown and "pooler: not trained here, saved" in shown


def test_a_run_on_a_converted_model_has_no_warning_about_its_weights(command, stand_in, tmp_path, capsys):
    out = tmp_path / "converted"
    convert_tf_checkpoint.main([make_folder(tmp_path / "uncased"), out])
    capsys.readouterr()
    main(command(model_name_or_path=out, max_seq_length=16, max_steps=1))
    shown = capsys.readouterr()
    assert "39 of 41 tensors loaded; new: classifier.bias, classifier.weight" in shown.out
    assert "pooler" not in shown.out + shown.err and "UNEXPECTED" not in shown.out + shown.err


def run_script(words, environment, **how):
    return subprocess.run(
        [sys.executable, SCRIPT, *map(str, words)], env=environment, capture_output=True, text=True, **how
    )


def test_from_the_shell(with_tensorflow, tmp_path):
    """One process that reads with another one; an error is one line and code 2."""
    source = make_zip(tmp_path / "cased_tiny.zip", release_files(words=CASED), inside="cased_tiny")
    done = run_script([source, tmp_path / "out", "--python", sys.executable], with_tensorflow)
    assert done.returncode == 0, done.stderr
    assert "capitals and accents are kept (its name has 'cased'). --lower_case true changes that" in done.stdout
    assert {"config.json", "model.safetensors"} < {path.name for path in (tmp_path / "out").iterdir()}
    done = run_script([source, tmp_path / "out", "--python", sys.executable], with_tensorflow)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr == f"error: OUT {tmp_path / 'out'}: holds files already. Name a new folder.\n"


@pytest.mark.skipif(os.name == "nt", reason="signals")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_leaves_nothing(with_tensorflow, tmp_path, number, code):
    slow = tmp_path / "packages" / "tensorflow.py"
    slow.write_text(f"import pathlib, time\npathlib.Path({str(tmp_path / 'started')!r}).touch()\ntime.sleep(60)\n")
    source, place = make_folder(tmp_path / "uncased"), tmp_path / "place"
    place.mkdir()
    words = [sys.executable, SCRIPT, source, place / "new" / "out", "--python", sys.executable]
    process = subprocess.Popen(list(map(str, words)), env=with_tensorflow, stderr=subprocess.PIPE, text=True)
    while not (tmp_path / "started").exists() and process.poll() is None:
        time.sleep(0.05)
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == code and "Traceback" not in stderr and "stopped" in stderr
    assert not list(place.iterdir())


# -------------------------------------------------------------------------------------------------------- TensorFlow


WRITE = """
import sys
import numpy, tensorflow
v1 = tensorflow.compat.v1
with numpy.load(sys.argv[1]) as content, v1.Graph().as_default(), v1.Session() as session:
    for name in content:
        v1.get_variable(name, initializer=content[name])
    session.run(v1.global_variables_initializer())
    v1.train.Saver().save(session, sys.argv[2])
"""


@pytest.fixture(scope="module")
def tensorflow_python():
    """A Python with TensorFlow: that of the variable TENSORFLOW_PYTHON, else the script's own environment."""
    from classification.conversion.tf_environment import own_python

    named = os.environ.get("TENSORFLOW_PYTHON")
    return [named] if named else own_python(None)


@pytest.fixture
def written(tensorflow_python, tmp_path):
    """A function: variables -> a release whose checkpoint TensorFlow has written."""

    def write(name, variables, checkpoint="bert_model.ckpt", words=UNCASED):
        np.savez(tmp_path / "values.npz", **variables)
        files = release_files({}, words=words)
        folder = make_folder(tmp_path / name, {key: files[key] for key in ("bert_config.json", "vocab.txt")})
        command = [*tensorflow_python, "-c", WRITE, str(tmp_path / "values.npz"), str(folder / checkpoint)]
        subprocess.run(command, check=True, capture_output=True)
        return folder

    return write


IDS = np.array([[3, 7, 8, 9, 4, 12, 4, 0], [3, 20, 33, 4, 11, 25, 39, 4]])
SEGMENTS = np.array([[0, 0, 0, 0, 0, 1, 1, 0], [0, 0, 0, 0, 1, 1, 1, 1]])
MASK = np.array([[1] * 7 + [0], [1] * 8])
INPUTS = {"input_ids": IDS, "token_type_ids": SEGMENTS, "attention_mask": MASK}


@pytest.mark.slow
def test_a_checkpoint_that_tensorflow_wrote_gives_the_states_of_a_plain_forward_pass(
    written, tensorflow_python, tmp_path
):
    variables = variables_of(slots=True)
    folder = written("uncased [1] 影*?", variables)  # TensorFlow reads paths as patterns
    python = ["--python", tensorflow_python[0]]
    result = convert_tf_checkpoint.main([folder, tmp_path / "out", *python])
    assert result["used"] == 46 and len(result["left_out"]["of the optimizer"]) == 93
    model, report = AutoModelForPreTraining.from_pretrained(tmp_path / "out", output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    with torch.no_grad():
        inputs = {name: torch.from_numpy(values) for name, values in INPUTS.items()}
        answer = model.eval()(**inputs, output_hidden_states=True)
        pooled = model.bert(**inputs).pooler_output
    plain = NumpyBert(variables, CONFIG["num_attention_heads"])
    for ours, theirs in zip(answer.hidden_states, plain.states(*INPUTS.values()), strict=True):
        assert np.abs(ours.numpy() - theirs)[MASK > 0].max() <= 1e-5
    assert np.abs(pooled.numpy() - plain.pooled(*INPUTS.values())).max() <= 1e-5
    tokens = plain.token_logits(*INPUTS.values())
    assert np.abs(answer.prediction_logits.numpy() - tokens)[MASK > 0].max() <= 1e-5


@pytest.mark.slow
def test_a_fine_tuned_checkpoint_of_tensorflow_gives_its_logits(written, tensorflow_python, tmp_path):
    variables = variables_of(head=False, classes=3, slots=True, seed=5)
    folder = written("tuned", variables, "model.ckpt-1234")
    written("tuned", variables_of(seed=6), "model.ckpt-900")  # beside it
    python = ["--python", tensorflow_python[0]]
    assert_refused(["such as --checkpoint model.ckpt-1234"], convert_tf_checkpoint.main, [folder, tmp_path / "out"])
    convert_tf_checkpoint.main([folder, tmp_path / "out", "--checkpoint", "model.ckpt-1234", *python])
    model = AutoModelForSequenceClassification.from_pretrained(tmp_path / "out").eval()
    with torch.no_grad():
        logits = model(**{name: torch.from_numpy(values) for name, values in INPUTS.items()}).logits.numpy()
    plain = NumpyBert(variables, CONFIG["num_attention_heads"])
    assert np.abs(logits - plain.class_logits(*INPUTS.values())).max() <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("part", ["data-00000-of-00001", "index"])
@pytest.mark.parametrize("change", ["half", "one byte"])
def test_a_damaged_checkpoint_is_one_line(written, tensorflow_python, tmp_path, part, change):
    folder = written("uncased_tiny", variables_of())
    file = folder / f"bert_model.ckpt.{part}"
    content = bytearray(file.read_bytes())
    if change == "half":
        del content[len(content) // 2 :]
    else:
        content[len(content) // 2] ^= 0xFF
    file.write_bytes(content)
    words = [folder, tmp_path / "out", "--python", tensorflow_python[0]]
    assert_refused(
        ["TensorFlow cannot read bert_model.ckpt: ", "is damaged, or not whole"], convert_tf_checkpoint.main, words
    )
    assert not (tmp_path / "out").exists() and not list(tmp_path.glob(".conversion-*"))
