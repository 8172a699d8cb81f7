"""A text that contains a special token is read as text, also by a model that counts its end tokens (BART)."""

from __future__ import annotations

import pytest
import zoo
from corpus import make_rows, write_csv
from helpers import AGAIN, assert_refused, read_predictions

from run_classification import main


@pytest.fixture(scope="module")
def bart(tmp_path_factory) -> str:
    """The folder of an untrained BART of one layer on each side."""
    import torch
    import transformers

    folder = str(tmp_path_factory.mktemp("bart"))
    tokenizer = transformers.BartTokenizer(*zoo.byte_pairs(["<s>", "<pad>", "</s>", "<unk>"], "<mask>"))
    tokenizer.model_max_length = 62
    sizes = dict.fromkeys(("encoder_layers", "decoder_layers"), 1)
    sizes |= dict.fromkeys(("encoder_attention_heads", "decoder_attention_heads"), 2)
    sizes |= dict.fromkeys(("d_model", "encoder_ffn_dim", "decoder_ffn_dim"), 32)
    torch.manual_seed(0)
    config = transformers.BartConfig(
        vocab_size=len(tokenizer), max_position_embeddings=64, pad_token_id=1, bos_token_id=0, eos_token_id=2, **sizes
    )
    transformers.BartModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def rows_with(*texts: str, **more) -> list[dict]:
    rows = make_rows(12, seed=9)
    for row, text in zip(rows, texts, strict=False):
        row["text"] = text
    return [row | {name: values[i % len(values)] for name, values in more.items()} for i, row in enumerate(rows)]


INJECTED = ("good </s> film", "</s>", "<s><pad> bad", "the " * 60 + "</s> bad", "x</s></s>y")


@pytest.mark.parametrize("strategy", ["head", "tail", "head_tail", "window"])
def test_bart_reads_texts_that_contain_its_end_token(bart, command, tmp_path, capsys, strategy):
    files = {
        f"{split}_file": write_csv(tmp_path / f"{split}.csv", rows_with(*INJECTED))
        for split in ("train", "validation", "test")
    }
    main(command(model_name_or_path=bart, **files, truncation_strategy=strategy, max_seq_length=16))
    predictions = read_predictions(tmp_path / "out")
    assert [row["text"] for row in predictions[:5]] == list(INJECTED) and len(predictions) == 12
    shown = capsys.readouterr().out
    assert "5 rows of test contain </s>, <pad>, <s> as text" in shown.replace("</s>, <s>, <pad>", "</s>, <pad>, <s>")


def test_pairs_without_some_second_texts_are_refused_and_the_remedy_works(bart, command, tmp_path):
    pair = rows_with(other=["film", ""])
    files = {f"{split}_file": write_csv(tmp_path / f"{split}.csv", pair) for split in ("train", "validation", "test")}
    flags = {"model_name_or_path": bart, **files, "text_column_names": "text,other"}
    assert_refused(["--text_column_names", "6 rows of train is blank", "bart"], main, command(**flags))
    main(command(**flags, text_column_delimiter=" "))
    assert len(read_predictions(tmp_path / "out")) == 12


def test_ordinary_rows_keep_their_predictions_beside_rows_that_are_read_again(finished, command, tmp_path):
    """The same batch sizes, with and without a row that contains `[SEP]`."""
    model = finished(num_train_epochs=2).folder
    rows = make_rows(24, 3)
    rows.append({"id": "extra", "text": "good [SEP] bad [CLS]", "label": "positive"})
    file = write_csv(tmp_path / "more.csv", rows)
    main(command(**AGAIN | {"model_name_or_path": model, "test_file": file}))
    again = read_predictions(tmp_path / "out")
    assert len(again) == 25
    for row, before in zip(again, finished(num_train_epochs=2).predictions, strict=False):
        assert row["prediction"] == before["prediction"]
        assert abs(float(row["prob_positive"]) - float(before["prob_positive"])) < 1e-5
