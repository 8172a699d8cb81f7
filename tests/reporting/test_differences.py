"""What is not as it was then is named with both values, and what is the same is not."""

from __future__ import annotations

import copy

import pytest

from classification.reporting.differences import (
    MOST_LINES,
    compare_results,
    describe_differences,
    describe_place,
    not_recorded,
)


def digest(path: str, sha256: str = "1" * 64, size: int = 10) -> dict:
    return {"path": path, "size": size, "sha256": sha256}


THEN = {
    "python": "3.11.7", "platform": "Linux-6.1-x86_64", "git_commit": "a" * 40, "code": "c" * 64,
    "versions": {"torch": "2.13.0", "numpy": "2.4.6"},
    "commits": {"model_name_or_path": "d" * 40},
    "files": {"train_file": [digest("a.csv")], "dataset_name": [digest("d/x/1.csv"), digest("d/y/2.csv", "2" * 64)]},
    "machine": {"processor": "AMD EPYC", "instructions": "AVX512", "gpus": [], "threads": 2, "processes": 1},
    "decisions": {"precision": "bf16", "attention": "sdpa"},
}  # fmt: skip


def lines(**changes) -> list[str]:
    now = copy.deepcopy(THEN)
    for path, value in changes.items():
        *parts, last = path.split("__")
        part = now
        for name in parts:
            part = part[name]
        part[last] = value
    return [f"{line.topic} {line.text}" for line in describe_differences(THEN, now)]


def test_nothing_differs_from_itself_nor_on_another_kernel():
    assert lines() == lines(platform="Linux-6.9-x86_64") == []


def test_a_resumed_run_names_what_can_change_its_rounding():
    place = {name: THEN[name] for name in ("python", "platform", "git_commit", "code", "versions", "machine")}
    assert describe_place(place, place) == describe_place({}, place) == []
    (line,) = describe_place(place, place | {"machine": place["machine"] | {"threads": 8}})
    assert "since the checkpoint has changed: threads: 2 then, 8 now; the result may differ" in line.text


@pytest.mark.parametrize(
    ("name", "value", "line"),
    [
        ("python", "3.12.1", "code python: 3.11.7 then, 3.12.1 now"),
        ("git_commit", "b" * 40, f"code git commit of the recipe: {'a' * 40} then, {'b' * 40} now"),
        ("git_commit", None, f"code git commit of the recipe: {'a' * 40} then, none now"),
        ("code", "e" * 64, "code source files of the recipe have changed since, without a new git commit"),
        ("versions__torch", "2.14.0", "versions torch: 2.13.0 then, 2.14.0 now"),
        ("commits", {}, f"commits model_name_or_path: {'d' * 40} then, none now"),
        ("machine__processor", "Intel Xeon", "machine processor: AMD EPYC then, Intel Xeon now"),
        ("machine__gpus", ["H100", "H100"], "machine GPUs: none then, H100, H100 now"),
        ("machine__threads", 8, "machine threads: 2 then, 8 now"),
        ("machine__processes", 4, "machine processes: 1 then, 4 now"),
        ("machine__instructions", "AVX2", "machine instruction set of the CPU: AVX512 then, AVX2 now"),
        ("platform", "Windows-11", "machine system: Linux then, Windows now"),
        ("decisions__precision", "fp32", "decisions precision: bf16 then, fp32 now"),
        ("files__train_file", [digest("a.csv", "3" * 64, 12)], "files --train_file: a.csv has other contents (10 bytes "
         "then, 12 now)"),
        ("files__train_file", [digest("b.csv", "3" * 64)], "files --train_file: b.csv has other contents (sha256 "
         "111111111111 then, 333333333333 now)"),
        ("files__dataset_name", [digest("d/x/1.csv")], "files --dataset_name: d/y/2.csv was read then only"),
    ],
)  # fmt: skip
def test_one_line_names_what_differs(name, value, line):
    assert lines(**{name: value}) == [line]


def test_a_folder_that_was_moved_and_a_file_that_was_renamed_have_their_contents():
    moved = [digest("/n/e/w/x/1.csv"), digest("/n/e/w/y/2.csv", "2" * 64)]
    assert lines(files__dataset_name=moved, files__train_file=[digest("other.csv")]) == []


def test_a_file_more_is_named():
    more = [*THEN["files"]["dataset_name"], digest("d/y/3.csv")]
    assert lines(files__dataset_name=more) == ["files --dataset_name: d/y/3.csv was read now only"]


def test_of_many_files_the_first_are_listed():
    then = {"files": {"dataset_name": [digest(f"d/{number}.csv") for number in range(100)]}}
    now = {"files": {"dataset_name": [digest(f"d/{number}.csv", "2" * 64) for number in range(100)]}}
    found = describe_differences(then, now)
    assert len(found) == MOST_LINES + 1 and found[-1].text == "and 80 more files"


def test_a_record_of_the_first_version_is_compared_as_far_as_it_goes():
    then = {"python": "3.11.7", "git_commit": "a" * 40, "versions": {"torch": "2.13.0"}, "data": {"train": {"rows": 5}}}
    assert describe_differences(then, {**THEN, "data": {"train": {"rows": 5}}}) == []
    assert describe_differences(then, {**THEN, "data": {"train": {"rows": 6}}})[0].text == "train: 5 rows then, 6 now"
    assert "contents of files, processor and threads" in not_recorded(then)[0].text and not_recorded(THEN) == []


@pytest.mark.parametrize("part", ["files", "machine", "versions", "commits", "decisions", "platform", "python"])
@pytest.mark.parametrize("value", [None, 3, "x", [], {}, {"train_file": 3}, [[]]])
def test_a_damaged_part_of_a_record_ends_no_run(part, value):
    describe_differences({**THEN, part: value}, THEN)


# ------------------------------------------------------------------------------------------------------------- results


RESULTS = {"eval_loss": 0.1 + 0.2, "test_accuracy": 0.5, "train_runtime": 3.0, "eval_samples_per_second": 9.0,
           "test_per_class": {"a": {"f1": 1.0}}, "runs": {"seed-1": {"train_runtime": 2.0, "eval_loss": 0.25}},
           "train_steps_per_second_mean": 4.0, "train_runtime_sd": 1.0, "eval_epoch": None}  # fmt: skip


def compared(results: dict, then: dict | None = None, now: dict | None = None) -> list[str]:
    found = compare_results({"results": RESULTS, **(then or {})}, {"results": results, **(now or {})})
    return [line.text.strip() for line in found]


def test_equal_results_are_one_line_whatever_time_they_took():
    faster = {**RESULTS, "train_runtime": 1.0, "runs": {"seed-1": {"train_runtime": 1.0, "eval_loss": 0.25}}}
    assert compared(faster) == ["all 5 metrics are bit for bit those of the run that was repeated"]


def test_the_last_bit_of_a_metric_counts():
    shown = compared({**RESULTS, "eval_loss": 0.3})
    assert shown[0] == "1 of 5 metrics differ from the run that was repeated:"
    assert shown[1] == "eval_loss: 0.30000000000000004 then, 0.3 now (-5.55e-17)"


def test_nested_and_missing_metrics_are_named():
    without = {name: value for name, value in RESULTS.items() if name != "test_accuracy"}
    shown = compared({**without, "new": 1, "test_per_class": {"a": {"f1": None}}})
    assert shown == [
        "3 of 6 metrics differ from the run that was repeated:", "test_per_class/a/f1: 1.0 then, none now",
        "then only: test_accuracy", "now only: new",
    ]  # fmt: skip


def test_a_run_that_was_killed_has_nothing_to_compare_with():
    for then in ({}, {"results": None}, {"results": {}}, {"results": {"train_runtime": 3.0}}):
        assert compare_results(then, {"results": RESULTS})[0].text.endswith("has no results to compare with")


def test_files_are_compared_where_both_runs_recorded_them():
    one, other = {"weights": {"model.safetensors": "1"}}, {"weights": {"model.safetensors": "2"}}
    assert compared(RESULTS, one, one)[1:] == ["weights: model.safetensors is bit for bit the same"]
    assert compared(RESULTS, one, other)[1:] == ["weights: model.safetensors differs"]
    assert compared(RESULTS, {}, other)[1:] == compared(RESULTS, one, {"predictions": {}})[1:] == []
