"""A whole run against a Hub: what is asked before training, what is sent at the end, and that it loads again."""

from __future__ import annotations

import re

import pytest
import torch
import transformers
from canary_rows import CANARY, TASKS, files_of
from hub_answers import CUT

from classification.data.hub_access import SHARED_REPORT
from classification.errors import RunError, UsageError
from classification.experiments import run_pages
from run_classification import main

PUSH = {"push_to_hub": True, "hub_model_id": "me/model", "token": "hf_sentinel_token"}
MODEL = {
    "model.safetensors",
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "README.md",
    "data_statistics.json",
}

ROW_ID = re.compile(r"\b[rs][123]-\d")  # as `corpus.py` writes them


@pytest.fixture
def nothing_is_read(monkeypatch):
    """Reading the data is the first step of a run: reaching it means that the refusal came too late."""

    def too_late(*_, **__):
        raise AssertionError("the data was read before the error")

    monkeypatch.setattr("run_classification.load_corpus", too_late)


def test_the_hub_gets_the_files_of_the_model_byte_by_byte_and_loads_them(command, hub, tmp_path):
    main(command(**PUSH))
    sent = hub.files()
    assert set(sent) == MODEL and hub.repositories["me/model"].private
    assert sent == {name: (tmp_path / "out" / name).read_bytes() for name in sent}
    access = {"token": "hf_sentinel_token", "cache_dir": str(tmp_path / "cache")}
    model = transformers.AutoModelForSequenceClassification.from_pretrained("me/model", **access)
    tokenizer = transformers.AutoTokenizer.from_pretrained("me/model", **access)
    own = transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    encoded = tokenizer(["the film is good", "a dull plot"], return_tensors="pt", padding=True)
    with torch.no_grad():
        assert torch.equal(model(**encoded).logits, own(**encoded).logits)
    assert model.config.id2label == own.config.id2label


def test_the_hub_is_asked_before_the_data_is_read_and_nothing_is_created(command, hub, nothing_is_read, tmp_path):
    hub.role = "read"
    with pytest.raises(UsageError, match="--push_to_hub: the access token of me may only read"):
        main(command(**PUSH))
    hub.role = "write"
    hub.add("me/model", private=False)
    for flags in ({}, {"seeds": "1,2"}, {"search": 2}):
        with pytest.raises(UsageError, match="me/model exists and is public"):
            main(command(**PUSH, **flags))
    assert {method for method, _ in hub.requests} == {"GET"} and not (tmp_path / "out").exists()


def test_offline_with_a_push_is_refused_before_training(command, nothing_is_read, monkeypatch):
    with pytest.raises(UsageError, match="--push_to_hub: HF_HUB_OFFLINE is set.*Unset it"):
        main(command(**PUSH))


def test_what_the_push_will_do_is_said_before_training(command, hub, capsys):
    hub.add("me/model", files=("config.json", "notes.md"))
    main(command(**PUSH))
    shown = capsys.readouterr().out
    line = "at the end, to me/model (private), which exists: files of the same name are replaced"
    assert shown.index(line) < shown.index("[Epoch 1/")
    assert hub.files()["notes.md"] == b"old" and hub.files()["config.json"] != b"old"


def test_a_finished_run_is_resumed_without_a_hub(command, hub):
    main(command(**PUSH))
    hub.requests.clear()
    hub.fail("GET", "whoami", 500)
    main(command(**PUSH, resume="auto"))
    assert not hub.requests


def test_a_name_that_is_taken_during_the_training_costs_nothing(command, hub, tmp_path, monkeypatch):
    """The push asks again: the repository was made public by somebody in the meantime."""
    draw = run_pages.draw_report
    monkeypatch.setattr(run_pages, "draw_report", lambda folder: (draw(folder), hub.add("me/model", private=False)))
    with pytest.raises(UsageError, match="the model is saved in .*me/model is public.*hf upload OWNER/NAME"):
        main(command(**PUSH))
    assert not hub.commits and (tmp_path / "out" / "model.safetensors").exists()


def test_a_connection_that_breaks_in_the_middle_leaves_a_finished_run(command, hub, tmp_path):
    hub.fail("PUT", "large", CUT)
    with pytest.raises(UsageError, match="the model is saved in .* To push it later: hf upload me/model "):
        main(command(**PUSH))
    transformers.AutoModelForSequenceClassification.from_pretrained(tmp_path / "out")
    assert not hub.commits


# ------------------------------------------------------------------------------------------------------------- report


@pytest.mark.parametrize("name", TASKS)
def test_the_pushed_report_has_no_text_no_id_and_no_path(name, command, hub, drawn_pages, tmp_path):
    make, flags = TASKS[name]
    words = command(**files_of(tmp_path, make), **flags, **PUSH, push_report=True)
    main(words)
    page = hub.files()["report.html"].decode()
    local = (tmp_path / "out" / "report.html").read_text()
    assert CANARY in local.lower() and str(tmp_path) in local
    assert CANARY not in page.lower() and str(tmp_path) not in page and "train.csv" not in page
    assert ROW_ID.search(local) and not ROW_ID.search(page) and "sentinel" not in page
    assert set(hub.files()) == MODEL | {"report.html"}
    assert headline_of(page) == headline_of(local) and "local files" in page
    anchors = set(re.findall(r'id="([\w-]+)"', page))
    assert set(re.findall(r'href="#([\w-]+)"', page)) <= anchors
    assert not [words for words in ("Mistakes", "Repeat the run", "List the rows", "ists its rows") if words in page]


def headline_of(page: str) -> str:
    found = re.search(r'<span class="headline-value">([^<]*)', page)
    assert found
    return found[1]


def test_without_texts_in_the_local_report_the_pushed_one_still_differs(command, hub, drawn_pages, tmp_path):
    main(command(**PUSH, push_report=True, report_texts=False))
    page = hub.files()["report.html"].decode()
    assert str(tmp_path) in (tmp_path / "out" / "report.html").read_text() and str(tmp_path) not in page


def test_a_study_pushes_the_report_of_all_its_runs(command, hub, drawn_pages, tmp_path):
    main(command(**files_of(tmp_path, TASKS["single label"][0]), **PUSH, seeds="1,2", push_report=True))
    page = hub.files()["report.html"].decode()
    assert CANARY not in page.lower() and not ROW_ID.search(page)
    assert (
        "The 2 runs of the study" in page and str(tmp_path) not in page and set(hub.files()) == MODEL | {"report.html"}
    )


def test_a_report_that_cannot_be_drawn_costs_the_report_only(command, hub, monkeypatch, capsys, tmp_path):
    """The page of an earlier run is not pushed in its place."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / SHARED_REPORT).write_text("an earlier page")
    monkeypatch.setattr("classification.errors.FORGIVING", True)
    monkeypatch.setattr("classification.report.page.shared_page.draw_page", lambda *_: 1 / 0)
    with pytest.raises(RunError, match=r"without report_without_texts\.html \(which is not pushed\)"):
        main(command(**PUSH, push_report=True))
    warned = "report_without_texts.html (which is not pushed) is missing: ZeroDivisionError: division by zero."
    assert set(hub.files()) == MODEL and warned in capsys.readouterr().out
