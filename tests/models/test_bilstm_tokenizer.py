"""The vocabulary of a model from scratch covers every script and is the same in every process."""

from __future__ import annotations

import json
import subprocess
import sys

from corpus import make_rows
from helpers import ROOT

from classification.models.bilstm_tokenizer import train_tokenizer


def test_every_script_has_pieces():
    """Neither Chinese nor Thai puts spaces between words."""
    texts = ["这部电影很好看", "这个酒店不好", "ราคาถูกมาก ราคาแพง", "とても良い映画でした", "Not a GOOD film"]
    tokenizer = train_tokenizer(texts * 2)
    for text in texts:
        assert tokenizer.unk_token not in tokenizer.tokenize(text)
    assert tokenizer.tokenize("电影好") == ["电", "影", "好"]
    assert tokenizer.tokenize("good") == tokenizer.tokenize("GOOD") == ["good"]


def test_the_texts_of_a_pair_are_separated():
    tokenizer = train_tokenizer(["good film"] * 2)
    encoding = tokenizer("good", "film")
    assert tokenizer.convert_ids_to_tokens(encoding["input_ids"]) == ["[CLS]", "good", "[SEP]", "film", "[SEP]"]
    assert encoding["token_type_ids"] == [0, 0, 0, 1, 1]


def test_two_processes_make_the_same_vocabulary():
    """The trainer counts in hash tables, whose order differs between processes."""
    texts = [row["text"] + f" {'aeiou'[i % 5]}{'bcdfg'[i % 4]}{'xyz'[i % 3]}o" for i, row in enumerate(make_rows(60))]
    code = "import sys, json; from classification.models.bilstm_tokenizer import train_tokenizer; "
    code += "print(train_tokenizer(json.loads(sys.argv[1])).backend_tokenizer.to_str())"
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(texts)], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert done.stdout.strip() == train_tokenizer(texts).backend_tokenizer.to_str(), done.stderr
