"""Models of our own classes load where this recipe is not installed, also those of the first version.

One command loads all of them: importing the libraries takes longer than the rest. The folders in
tests/fixtures/first_version were written by the recipe before its modules moved into folders: the code beside the
weights has its old names, `pooling.py` and `lstm.py`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
import zoo
from corpus import make_rows
from helpers import AGAIN, ROOT, read_predictions
from transformers import AutoConfig

from classification.models.bilstm_tokenizer import train_tokenizer
from run_classification import main

FIRST_VERSION = ROOT / "tests" / "fixtures" / "first_version"
SCRIPT = """
import json, multiprocessing, sys
import torch, transformers
from transformers import BertModel, PreTrainedTokenizerFast, pipeline  # loaded once, before the processes fork

def classify(folder, texts):
    model = transformers.AutoModelForSequenceClassification.from_pretrained(folder, trust_remote_code=True)
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    with torch.no_grad():
        logits = model(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits
    pipe = pipeline("text-classification", folder, top_k=None, truncation=True, trust_remote_code=True)
    scores = [{one["label"]: one["score"] for one in answer} for answer in pipe(texts, batch_size=8)]
    assert "classification" not in sys.modules
    return logits.softmax(-1)[:, 1].tolist(), [score["positive"] for score in scores], type(model).__module__

root, words, names, *work = json.loads(sys.argv[1])
# A process of its own for each: the code of a folder registers its classes, which later folders would use too.
with multiprocessing.get_context("fork").Pool(1, maxtasksperchild=1) as pool:
    answers = dict(zip(names, pool.starmap(classify, work, chunksize=1)))
sys.path.insert(0, root)
from classification.models.bilstm_tokenizer import train_tokenizer
answers["vocabulary"] = train_tokenizer(words).backend_tokenizer.to_str()
print(json.dumps(answers))
"""
# The trainer of the vocabulary counts in hash tables, whose order differs between processes.
WORDS = [row["text"] + f" {'aeiou'[i % 5]}{'bcdfg'[i % 4]}{'xyz'[i % 3]}o" for i, row in enumerate(make_rows(60))]


@pytest.fixture(scope="module")
def folders(finished):
    """Name -> output folder with predictions.csv."""
    bilstm = finished(model_name_or_path="bilstm", max_seq_length=None, num_train_epochs=3)
    pooled = finished(model_name_or_path=zoo.saved("bert"), max_seq_length=24, pooling="mean")
    assert "trust_remote_code=True" in bilstm.shown and "trust_remote_code=True" in pooled.shown
    first = {f"first version's {name}": FIRST_VERSION / name for name in ("pooled", "bilstm")}
    return {"pooled": pooled.folder, "bilstm": bilstm.folder, **first}


@pytest.fixture(scope="module")
def elsewhere(folders, tmp_path_factory) -> dict:
    """What `SCRIPT` prints, run in another folder with no path to this recipe (`-I`)."""
    folder = tmp_path_factory.mktemp("elsewhere")
    work = [[str(path), [row["text"] for row in read_predictions(path)]] for path in folders.values()]
    done = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT, json.dumps([str(ROOT), WORDS, list(folders), *work])], cwd=folder,
        capture_output=True, text=True, timeout=180, env=os.environ | {"HF_MODULES_CACHE": str(folder / "modules")},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("name", ["pooled", "bilstm", "first version's pooled", "first version's bilstm"])
def test_a_model_of_our_own_loads_where_this_recipe_is_not(name, folders, elsewhere):
    from_model, from_pipeline, module = elsewhere[name]
    written = [float(row["prob_positive"]) for row in read_predictions(folders[name])]
    assert from_model == pytest.approx(written, abs=2e-6) and from_pipeline == pytest.approx(written, abs=2e-6)
    assert module.startswith("transformers_modules.")
    file = {"pooled": "pooled_head", "first version's pooled": "pooling", "first version's bilstm": "lstm"}
    assert module.endswith("." + file.get(name, name))


@pytest.mark.parametrize("name", ["pooled", "bilstm"])
def test_a_folder_of_the_first_version_predicts_the_same_in_the_recipe(name, command, tmp_path):
    first = FIRST_VERSION / name
    main(command(**AGAIN | {"test_file": first / "predictions.csv"}, model_name_or_path=first))
    for before, now in zip(read_predictions(first), read_predictions(tmp_path / "out"), strict=True):
        assert now["prediction"] == before["prediction"] and now["tokens"] == before["tokens"]
        assert float(now["prob_positive"]) == pytest.approx(float(before["prob_positive"]), abs=1e-5)


@pytest.mark.parametrize("name", ["pooled", "bilstm"])
def test_a_folder_of_the_first_version_is_saved_with_the_present_code(name, tmp_path):
    zoo.load(FIRST_VERSION / name).model.save_pretrained(tmp_path)
    file = {"pooled": "pooled_head", "bilstm": "bilstm"}[name]
    config = AutoConfig.from_pretrained(tmp_path)
    assert {entry.partition(".")[0] for entry in config.auto_map.values()} == {file}
    assert (tmp_path / f"{file}.py").read_text() == (ROOT / "classification" / "models" / f"{file}.py").read_text()


def test_two_processes_make_the_same_vocabulary(elsewhere):
    assert elsewhere["vocabulary"] == train_tokenizer(WORDS).backend_tokenizer.to_str()
