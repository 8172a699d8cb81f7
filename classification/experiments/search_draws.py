"""What a search tries next, and which trial has no prospect, by optuna; both follow from the trials that have ended.

Nothing else is remembered: a search that is killed draws the same settings when it goes on.
"""

from __future__ import annotations

import itertools
import logging
import math
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np

from classification.cli.search_space import Choices, Range, Space
from classification.experiments.search_record import COMPLETE, FAILED, SearchRecord, Trial

if TYPE_CHECKING:
    import optuna

# Random draws before the sampler models what is good; optuna's default of 10 is more than many searches have.
RANDOM_TRIALS = 5
# Complete trials before one is stopped, and how many of them must have come as far: with fewer the median is luck.
BEFORE_PRUNING, AS_FAR = 5, 3
DIGITS = 3  # of a drawn number: the command that is printed is the one that was tried
ATTEMPTS = 30  # draws of settings that were not tried yet


def draw_settings(space: Space, record: SearchRecord, own: Mapping[str, Any]) -> dict[str, Any] | None:
    """The settings of the next trial: of the first one the command's own values, of others what TPE proposes.

    The tree-structured Parzen estimator (Bergstra et al. 2011; multivariate, Falkner et al. 2018) is seeded by the
    number of the trial, so that its draw depends on the seed and the ended trials alone. Settings are tried once: the
    same training would give the same result.

    Args:
        own: the command's own values of flags in the space; others are drawn.

    Returns:
        Value by flag; None where all settings of the space were tried.
    """
    tried = [dict(trial.settings) for trial in record.trials]
    if len(tried) >= space.size:
        return None
    for attempt in range(ATTEMPTS):
        drawn = propose(space, record, attempt)
        settings = drawn if tried else {**drawn, **own}
        if settings not in tried:
            return settings
    rest = (settings for settings in all_settings(space) if settings not in tried)
    return next(rest) if math.isfinite(space.size) else drawn


def propose(space: Space, record: SearchRecord, attempt: int) -> dict[str, Any]:
    """One draw of the sampler, rounded."""
    import optuna

    seeds = np.random.SeedSequence([record.seed, len(record.trials), attempt])
    distributions = distributions_of(space)
    with quiet_optuna():
        sampler = optuna.samplers.TPESampler(
            seed=int(seeds.generate_state(1)[0]), n_startup_trials=RANDOM_TRIALS, multivariate=True
        )
        study = optuna.create_study(direction="maximize" if record.higher else "minimize", sampler=sampler)
        for trial in record.trials:
            study.add_trial(as_frozen(trial, distributions))
        drawn = study.ask(distributions).params
    return {name: rounded(drawn[name], dimension) for name, dimension in space.dimensions.items()}


def is_hopeless(values: Sequence[float], record: SearchRecord) -> bool:
    """Whether the best value of a trial so far is worse than the median of the complete trials at this evaluation.

    This is optuna's MedianPruner. A value that is no number has no prospect.
    """
    import optuna

    complete = [trial for trial in record.trials if trial.state == COMPLETE]
    if len(complete) < BEFORE_PRUNING or not values:
        return False
    with quiet_optuna():
        pruner = optuna.pruners.MedianPruner(n_startup_trials=BEFORE_PRUNING, n_min_trials=AS_FAR)
        study = optuna.create_study(direction="maximize" if record.higher else "minimize", pruner=pruner)
        for trial in complete:
            study.add_trial(as_frozen(trial, {}))
        running = study.ask()
        for number, value in enumerate(values):
            running.report(value, number)
        return running.should_prune()


def as_frozen(trial: Trial, distributions: Mapping[str, Any]) -> optuna.trial.FrozenTrial:
    """A trial as optuna knows it. A failed one is a pruned one without a value, which the sampler takes for the worst:
    optuna would forget a failed one, and try its neighbours again."""
    from optuna.trial import TrialState, create_trial

    return create_trial(
        params={name: trial.settings[name] for name in distributions},
        distributions=dict(distributions),
        state=TrialState.COMPLETE if trial.state == COMPLETE else TrialState.PRUNED,
        value=trial.value if trial.state == COMPLETE else None,
        intermediate_values=dict(enumerate(trial.evaluations)) if trial.state != FAILED else {},
    )


def distributions_of(space: Space) -> dict[str, Any]:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    found: dict[str, Any] = {}
    for name, dimension in space.dimensions.items():
        if isinstance(dimension, Choices):
            found[name] = CategoricalDistribution(dimension.values)
        elif dimension.is_whole:
            found[name] = IntDistribution(int(dimension.low), int(dimension.high), log=dimension.is_log)
        else:
            found[name] = FloatDistribution(dimension.low, dimension.high, log=dimension.is_log)
    return found


def rounded(value: Any, dimension: Choices | Range) -> Any:
    """A drawn number with few digits, still inside its range."""
    if isinstance(dimension, Choices) or dimension.is_whole:
        return value
    return min(max(float(f"{value:.{DIGITS}g}"), dimension.low), dimension.high)


def all_settings(space: Space) -> Iterator[dict[str, Any]]:
    """Every setting of a space without fractions, in a fixed order."""
    values = [values_of(dimension) for dimension in space.dimensions.values()]
    for chosen in itertools.product(*values):
        yield dict(zip(space.dimensions, chosen, strict=True))


def values_of(dimension: Choices | Range) -> Iterable[Any]:
    return dimension.values if isinstance(dimension, Choices) else range(int(dimension.low), int(dimension.high) + 1)


@contextmanager
def quiet_optuna() -> Iterator[None]:
    """Inside, optuna prints nothing: the search has lines of its own."""
    logger = logging.getLogger("optuna")
    level = logger.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        logger.setLevel(logging.ERROR)
        try:
            yield
        finally:
            logger.setLevel(level)
