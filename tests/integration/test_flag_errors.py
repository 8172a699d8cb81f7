"""What a user may type wrong ends in one line before training, and following the line works."""

from __future__ import annotations

import contextlib
import shutil

import pytest

from classification.errors import UsageError
from run_classification import main


@pytest.fixture
def no_training(monkeypatch):
    """The first step of training means that the error came too late."""
    from transformers import Trainer

    def too_late(*args, **kwargs):
        raise AssertionError("training began before the error")

    monkeypatch.setattr(Trainer, "training_step", too_late)


STEPS = {"eval_strategy": "steps", "eval_steps": 2}
WRONG = {  # flags -> words of the message, flags that follow its remedy
    "no evaluation by epochs": ({"eval_delay": 99}, ["--eval_delay 99", "8 steps"], {"eval_delay": 1}),
    "no evaluation by steps": ({**STEPS, "eval_delay": 9}, ["--eval_delay 9"], {**STEPS, "eval_delay": 8}),
    "a metric that is none": ({"metric_for_best_model": "acuracy"}, ["Did you mean 'accuracy'"],
                              {"metric_for_best_model": "accuracy"}),
    "a tracker that is none": ({"report_to": "nonsense"}, ["--report_to nonsense"], {"report_to": "none"}),
    "an optimizer that is not installed": ({"optim": "lomo"}, ["--optim lomo", "adamw_torch"],
                                           {"optim": "adamw_torch"}),
    "a schedule without its argument": (
        {"lr_scheduler_type": "warmup_stable_decay"}, ["num_decay_steps", "--lr_scheduler_kwargs"],
        {"lr_scheduler_type": "warmup_stable_decay", "lr_scheduler_kwargs": '{"num_decay_steps": 3}'},
    ),
    "no such checkpoint": ({"resume": "nonsense"}, ["--resume nonsense", "--resume auto"], {"resume": "auto"}),
    "a weight of no class": ({"class_weights": '{"yes": 2}'}, ["'yes' is not a label", "negative, positive"],
                             {"class_weights": '{"positive": 2}'}),
    "columns that are not there": ({"label_column_name": "sentiment"}, ["the columns are id, text, label"],
                                   {"label_column_name": "label"}),
    "a delay without a best checkpoint": ({"eval_delay": 5}, ["--load_best_model_at_end false"],
                                          {"eval_delay": 5, "load_best_model_at_end": False}),
}  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_flag_is_found_before_training_and_its_remedy_works(case, command, no_training):
    wrong, words, right = WRONG[case]
    with pytest.raises(UsageError) as refused:
        main(command(**wrong))
    message = str(refused.value)
    assert not [word for word in words if word not in message] and message.count("\n") == 0, message
    main(command(dry_run=True, **right))


@pytest.fixture(scope="module")
def odd_places(tmp_path_factory):
    """A folder with a file, an empty folder and files that are not what their names say."""
    folder = tmp_path_factory.mktemp("places")
    (folder / "a.csv").write_text("text,label\ngood,1\nbad,0\n")
    (folder / "empty").mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "data.json").write_text("{")
    return folder


PLACES = [
    ("model_name_or_path", "a.csv"), ("model_name_or_path", "empty"), ("model_name_or_path", "."),
    ("tokenizer_name", "a.csv"), ("tokenizer_name", "empty"), ("config_name", "a.csv"), ("config_name", "empty"),
    ("train_file", "empty"), ("train_file", "."), ("train_file", "nowhere.csv"), ("train_file", "data.json"),
    ("test_file", "empty"), ("validation_file", "empty"), ("output_dir", "a.csv"), ("output_dir", "a.csv/x"),
    ("cache_dir", "a.csv"), ("logging_dir", "a.csv"), ("config", "empty"), ("config", "a.csv"), ("resume", "empty"),
    ("resume", "a.csv"), ("class_weights", "data.json"), ("class_weights", "empty"), ("thresholds", "data.json"),
    ("metric_name", "./a.csv"), ("train_file", "~/nowhere.csv"), ("config", "~/nowhere.yaml"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "place"), PLACES)
def test_a_folder_for_a_file_and_a_file_for_a_folder_are_one_line(name, place, odd_places, command, no_training):
    path = place if place.startswith("~") else str(odd_places / place)
    with pytest.raises(UsageError) as refused:
        main(command(**{name: path}))
    assert str(refused.value).count("\n") == 0 and len(str(refused.value)) < 600, refused.value


@pytest.mark.parametrize(
    "wrong", [{"optim": "lomo"}, {"lr_scheduler_type": "cosine_with_min_lr"}, {"eval_delay": 99}], ids=str
)
def test_an_error_leaves_the_earlier_run_where_it_is(wrong, finished, command, tmp_path):
    """`--overwrite_output_dir` moves a run only for one that begins."""
    shutil.copytree(finished().folder, tmp_path / "out")
    with contextlib.suppress(PermissionError):
        (tmp_path / "out").chmod(0o755)
    with pytest.raises(UsageError):
        main(command(overwrite_output_dir=True, **wrong))
    assert (tmp_path / "out" / "run.json").exists() and not (tmp_path / "out.bak-1").exists()
