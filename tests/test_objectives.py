"""What training minimises: weights, focal loss, several labels a row and the balanced sampler, against the formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from sklearn.metrics import f1_score
from sklearn.utils.class_weight import compute_class_weight

from classification.data.labels import LabelSpace
from classification.evaluation import decisions
from classification.evaluation.metrics import load_metric, score
from classification.evaluation.thresholds import best_threshold, tune_thresholds
from classification.training.objective import Objective, class_weights
from classification.training.samplers import TrainSampler, class_draw_weights

THREE = LabelSpace.from_train(["a", "b", "c"])
SEVERAL = LabelSpace.from_train([["a"], ["b"], ["c"], []])
IDS = np.array([0] * 70 + [1] * 25 + [2] * 5)
draw = np.random.default_rng(0)
HOT = (draw.random((100, 3)) < [0.6, 0.3, 0.05]).astype(np.float32)


def batch(labels: LabelSpace) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    targets = torch.tensor(HOT[:40]) if labels.is_multi_label else torch.tensor(IDS[50:90])
    return torch.randn(40, 3, requires_grad=True), targets


# ------------------------------------------------------------------------------------------------------ weights


@pytest.mark.parametrize("given", ["balanced", "effective", {"a": 3.0, "c": 0.5}])
def test_weights_have_mean_one_over_the_training_rows(given):
    assert class_weights(given, THREE, IDS)[IDS].mean() == pytest.approx(1)
    several = class_weights(given, SEVERAL, HOT)
    for label in range(3):
        assert several[label][HOT[:, label].astype(int)].mean() == pytest.approx(1)


def test_balanced_weights_are_those_of_scikit_learn():
    expected = compute_class_weight("balanced", classes=np.arange(3), y=IDS)
    assert class_weights("balanced", THREE, IDS) == pytest.approx(expected)


def test_effective_weights_follow_the_paper():
    """Cui et al. 2019, equation 2: the effective number of n rows is (1 - beta ** n) / (1 - beta)."""
    number = (1 - 0.999 ** np.array([70, 25, 5])) / (1 - 0.999)
    weights = class_weights("effective", THREE, IDS)
    assert weights / weights[0] == pytest.approx(number[0] / number)


def test_named_weights_keep_their_ratios():
    weights = class_weights({"c": 4.0}, THREE, IDS)
    assert weights / weights[0] == pytest.approx([1, 1, 4])
    yes_against_no = class_weights({"c": 4.0}, SEVERAL, HOT)
    assert yes_against_no[:, 1] / yes_against_no[:, 0] == pytest.approx([1, 1, 4])


def test_a_class_without_training_rows_does_no_harm():
    four = LabelSpace.from_train(["a", "b"], class_names=("a", "b", "c", "never"))
    for given in ("balanced", "effective"):
        assert np.isfinite(class_weights(given, four, IDS)).all()


@pytest.mark.parametrize("labels", [THREE, SEVERAL], ids=["one label", "several"])
def test_weights_of_one_are_no_weights(labels):
    logits, targets = batch(labels)
    ones = class_weights(dict.fromkeys(labels.names, 1.0), labels, HOT if labels.is_multi_label else IDS)
    weighted, plain = (Objective(labels, class_weights=weights).total(logits, targets) for weights in (ones, None))
    assert weighted.item() == plain.item()


def test_the_weighted_sum_is_divided_by_rows():
    """torch divides by the sum of the batch's weights, so that a row's pull depends on its neighbours."""
    logits, targets = batch(THREE)
    weights = class_weights("balanced", THREE, IDS)
    ours = Objective(THREE, class_weights=weights)
    by_hand = sum(
        weights[y] * F.cross_entropy(row[None], y[None]).item() for row, y in zip(logits, targets, strict=True)
    )
    assert ours.total(logits, targets).item() == pytest.approx(by_hand, rel=1e-5)
    halves = sum(ours.total(logits[part], targets[part]).item() for part in (slice(0, 11), slice(11, 40)))
    assert halves == pytest.approx(by_hand, rel=1e-5)


def test_positive_weights_are_those_of_torch_up_to_scale():
    logits, targets = batch(SEVERAL)
    weights = class_weights({"b": 5.0}, SEVERAL, HOT)
    torchs = F.binary_cross_entropy_with_logits(
        logits, targets, pos_weight=torch.tensor(weights[:, 1] / weights[:, 0]), reduction="none"
    )
    expected = (torchs * torch.tensor(weights[:, 0])).sum() / 3
    assert Objective(SEVERAL, class_weights=weights).total(logits, targets).item() == pytest.approx(expected.item())


# ------------------------------------------------------------------------------------------- losses of both kinds


def test_several_labels_are_the_librarys_binary_cross_entropy():
    logits, targets = batch(SEVERAL)
    expected = torch.nn.BCEWithLogitsLoss()(logits, targets).item()
    assert Objective(SEVERAL).total(logits, targets).item() / 40 == pytest.approx(expected, rel=1e-6)
    assert decisions.row_losses(logits.detach().numpy(), targets.numpy(), SEVERAL).mean() == pytest.approx(expected)


def test_the_librarys_count_of_numbers_is_undone():
    """The Trainer counts 3 labels a row as 3 items."""
    logits, targets = batch(SEVERAL)
    outputs = type("Output", (), {"logits": logits})
    objective = Objective(SEVERAL)
    assert objective(outputs, targets, torch.tensor(120)).item() == pytest.approx(objective(outputs, targets).item())


def test_padding_rows_add_nothing():
    for labels in (THREE, SEVERAL):
        logits, targets = batch(labels)
        weights = class_weights("balanced", labels, HOT if labels.is_multi_label else IDS)
        objective = Objective(labels, class_weights=weights, focal_gamma=2.0)
        padded = torch.cat([targets, torch.full_like(targets[:2], -100)])
        more = torch.cat([logits, torch.randn(2, 3)])
        assert objective.total(more, padded).item() == pytest.approx(objective.total(logits, targets).item())


@pytest.mark.parametrize("labels", [THREE, SEVERAL], ids=["one label", "several"])
def test_focal_loss_is_the_formula(labels):
    logits, targets = batch(labels)
    if labels.is_multi_label:
        p = logits.sigmoid()
        p = torch.where(targets == 1, p, 1 - p)
    else:
        p = logits.softmax(-1)[torch.arange(40), targets]
    expected = (-((1 - p) ** 2) * p.log()).sum() / (3 if labels.is_multi_label else 1)
    assert Objective(labels, focal_gamma=2.0).total(logits, targets).item() == pytest.approx(expected.item(), rel=1e-5)
    plain = Objective(labels).total(logits, targets).item()
    assert Objective(labels, focal_gamma=0.0).total(logits, targets).item() == plain


@pytest.mark.parametrize("gamma", [0.3, 1.0, 2.0])
def test_focal_loss_has_a_slope_where_the_model_is_certain(gamma):
    logits = torch.tensor([[80.0, -80.0, 0.0], [-80.0, 80.0, 0.0]], requires_grad=True)
    Objective(THREE, focal_gamma=gamma).total(logits, torch.tensor([0, 0])).backward()
    assert torch.isfinite(logits.grad).all()


@pytest.mark.parametrize("more", [{"focal_gamma": 2.0}, {"label_smoothing": 0.1}, {"class_weights": np.ones(3) * 2}])
def test_val_loss_stays_plain_and_the_objective_stands_beside_it(more):
    logits, targets = (tensor.detach().numpy() for tensor in batch(THREE))
    figures = score(logits, targets, THREE, None, Objective(THREE, **more))
    assert figures["loss"] == pytest.approx(F.cross_entropy(torch.tensor(logits), torch.tensor(targets)).item())
    objective = Objective(THREE, **more).total(torch.tensor(logits), torch.tensor(targets)).item() / 40
    assert figures["objective"] == pytest.approx(objective) != figures["loss"]
    assert "objective" not in score(logits, targets, THREE, None, Objective(THREE))


# ------------------------------------------------------------------------------------------------ metrics


def test_metrics_of_several_labels_are_those_of_scikit_learn():
    from sklearn.metrics import average_precision_score

    logits, truth = draw.normal(size=(100, 3)).astype(np.float32) + HOT, HOT
    figures = score(logits, truth, SEVERAL)
    predicted = logits >= 0
    for average in ("micro", "macro", "weighted"):
        assert figures[f"f1_{average}"] == pytest.approx(f1_score(truth, predicted, average=average))
    both_empty = (~predicted.any(axis=1) & (truth.sum(axis=1) == 0)).sum()
    assert both_empty
    samples = f1_score(truth, predicted, average="samples", zero_division=0) + both_empty / 100
    assert figures["f1_samples"] == pytest.approx(samples)
    assert figures["exact_match"] == (predicted == truth).all(axis=1).mean()
    assert figures["average_precision"] == pytest.approx(average_precision_score(truth, logits, average="macro"))


def test_a_label_that_neither_occurs_nor_is_predicted_is_left_out_of_macro_f1():
    logits = np.array([[5.0, -5.0, -5.0], [-5.0, 5.0, -5.0]], dtype=np.float32)
    figures = score(logits, np.array([[1.0, 0, 0], [0, 1, 0]]), SEVERAL)
    assert figures["f1_macro"] == figures["average_precision"] == figures["exact_match"] == 1


def test_rare_classes_count_in_balanced_accuracy_and_average_precision():
    """Always the majority: 90% accuracy, and worth nothing."""
    logits = np.tile([3.0, 0.0, -9.0], (100, 1)).astype(np.float32)
    figures = score(logits, np.array([0] * 90 + [1] * 10), THREE)
    assert figures["accuracy"] == 0.9 and figures["balanced_accuracy"] == 0.5
    assert figures["average_precision"] == pytest.approx((0.9 + 0.1) / 2)


@pytest.mark.parametrize("name", ["roc_auc", "jaccard_micro", "average_precision"])
def test_scorers_can_be_added_where_a_row_has_several_labels(name):
    from sklearn.metrics import jaccard_score, roc_auc_score

    logits = draw.normal(size=(100, 3)).astype(np.float32) + HOT
    extra = load_metric(name, SEVERAL)
    figures = score(logits, HOT, SEVERAL, extra)
    if name == "roc_auc":
        assert figures[name] == pytest.approx(roc_auc_score(HOT, logits))
    elif name == "jaccard_micro":
        assert figures[name] == pytest.approx(jaccard_score(HOT, logits >= 0, average="micro"))
    else:
        assert extra is None and name in figures  # it is among our own


# --------------------------------------------------------------------------------------------- thresholds


def test_the_best_threshold_is_the_one_an_exhaustive_search_finds():
    for seed in range(20):
        own = np.random.default_rng(seed)
        truth = own.random(60) < 0.3
        scores = np.round(np.clip(own.normal(0.3 + 0.2 * truth, 0.2), 0, 1), 2)  # with ties
        guesses = scores >= np.linspace(0, 1.01, 203)[:, None]  # [cuts, N]
        hits = (guesses & truth).sum(axis=1)
        every_f1 = 2 * hits / (guesses.sum(axis=1) + truth.sum())
        assert f1_score(truth, scores >= best_threshold(scores, truth)) == pytest.approx(every_f1.max())


def test_thresholds_without_a_positive_row_stay_even():
    assert best_threshold(np.array([0.1, 0.9]), np.array([False, False])) == 0.5


def test_one_threshold_serves_micro_and_one_a_label_macro_f1(caplog):
    scores = 1 / (1 + np.exp(-(draw.normal(size=(100, 3)) + 2 * HOT - 2)))
    one, each = (tune_thresholds(how, scores, HOT, SEVERAL) for how in ("global", "per_label"))
    assert len(set(one.thresholds)) == 1 and len(set(each.thresholds)) == 3
    logits = np.log(scores / (1 - scores))
    plain, best = score(logits, HOT, SEVERAL), score(logits, HOT, one)
    assert best["f1_micro"] > plain["f1_micro"]
    assert score(logits, HOT, each)["f1_macro"] >= best["f1_macro"] > plain["f1_macro"]
    assert "few validation rows have label c" in caplog.text


def test_the_margin_is_zero_at_a_threshold():
    labels = SEVERAL.with_thresholds({"a": 0.2, "b": 0.5, "c": 1.0})
    logits = np.array([[np.log(0.25), 9.0, 0.0], [9.0, 0.5, 0.0]], dtype=np.float32)
    assert decisions.margin(logits, labels) == pytest.approx([0, 0.5], abs=1e-6)


# ------------------------------------------------------------------------------------------------- sampler


def test_the_balanced_sampler_draws_every_class_equally_often():
    sampler = TrainSampler(100, batch_size=8, seed=3, weights=class_draw_weights(IDS))
    drawn = []
    for epoch in range(60):
        sampler.set_epoch(epoch)
        drawn += list(sampler)
    shares = np.bincount(IDS[drawn]) / len(drawn)
    assert len(drawn) == 6000 and shares == pytest.approx([1 / 3] * 3, abs=0.025)
    sampler.set_epoch(7)
    assert list(sampler) == drawn[700:800]


def test_balanced_draws_can_be_grouped_by_length_and_filled_up():
    lengths, weights = draw.integers(3, 60, 2000), class_draw_weights(np.tile(IDS, 20))
    sampler = TrainSampler(2000, batch_size=8, seed=3, weights=weights, lengths=lengths, multiple_of=48)
    order = np.array(list(sampler))
    assert len(order) == 2016 and (order[2000:] == 2000).all()
    spread = [np.ptp(lengths[order[i : i + 8]]) for i in range(0, 2000, 8)]
    assert np.mean(spread) < np.mean([np.ptp(draw.permutation(lengths)[:8]) for _ in range(50)]) / 3
