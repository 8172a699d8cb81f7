"""Classical text classifiers on bags of words, behind one interface: their logits are scored like those of a model.

They are fitted on train only. Hyperparameters are those of the papers named beside them or scikit-learn's defaults
(Pedregosa et al. 2011, Scikit-learn, JMLR 12, 2825-2830); the few others were chosen on held-out fifths of IMDB's train
split.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.base import BaseEstimator, clone
from sklearn.decomposition import LatentDirichletAllocation
from sklearn.dummy import DummyClassifier, DummyRegressor
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.feature_extraction.text import TfidfTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.naive_bayes import MultinomialNB
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Binarizer, StandardScaler
from sklearn.svm import LinearSVC, LinearSVR
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from classification.data.labels import LabelSpace
from classification.data.multi_label import MultiLabel
from classification.data.regression import Regression
from classification.data.single_label import log_softmax
from classification.errors import UsageError
from classification.experiments.bag_of_words import BagOfWords
from classification.experiments.object_size import count_bytes

logger = logging.getLogger(__name__)

# N rows of train, B rows of any split, F terms, C labels, K labels that vary in train.

NO_TERMS = np.empty(0, dtype=object)
TINY = 1e-6  # used instead of a probability of zero, which no number of rows can prove


def log_count_ratio(x: sparse.csr_matrix, is_positive: np.ndarray) -> np.ndarray:
    """Logarithm of how much more often each feature occurs in the positive rows than in the others, float64 [F].

    Wang and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification, with alpha 1.
    """
    p, q = (1.0 + np.asarray(x[rows].sum(axis=0)).ravel() for rows in (is_positive, ~is_positive))
    return np.log(p / p.sum()) - np.log(q / q.sum())


class RatioSVM(BaseEstimator):
    """NB-SVM: a linear SVM on binary features that are multiplied by their log-count ratio (Wang and Manning 2012).

    With more than two classes: each against the rest, with a ratio of its own.
    """

    def __init__(self, C: float = 0.01, random_state: int | None = None):
        self.C, self.random_state = C, random_state

    def fit(self, x: sparse.csr_matrix, y: np.ndarray) -> RatioSVM:
        classes = np.unique(y)
        positives = classes[1:] if len(classes) == 2 else classes
        parts = [self._fit_one(x, y == positive) for positive in positives]
        self.weights_, self.biases_ = (np.stack(values, axis=-1) for values in zip(*parts, strict=True))
        return self

    def _fit_one(self, x: sparse.csr_matrix, is_positive: np.ndarray) -> tuple[np.ndarray, float]:
        ratio = log_count_ratio(x, is_positive)
        svm = LinearSVC(C=self.C, random_state=self.random_state).fit(x @ sparse.diags_array(ratio), is_positive)
        return svm.coef_[0] * ratio, svm.intercept_[0]

    def decision_function(self, x: sparse.csr_matrix) -> np.ndarray:
        """[B, K], or [B] for two classes."""
        values = x @ self.weights_ + self.biases_
        return values[:, 0] if values.shape[1] == 1 else values


class FixedEpochs:
    """Trains a perceptron for 5 epochs, but at least 300 steps.

    scikit-learn's rule, to train until the training loss no longer decreases, would memorise the rows.
    """

    def fit(self, x: sparse.csr_matrix, y: np.ndarray):
        steps = -(-x.shape[0] // 200)  # per epoch: a batch has 200 rows
        epochs = max(5, 300 // steps)
        self.set_params(max_iter=epochs, n_iter_no_change=epochs)  # type: ignore[attr-defined]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is meant to stop before it has converged
            super().fit(x, y)  # type: ignore[misc]
        self._optimizer = self._best_coefs = None  # not needed to predict, and three times the size of the weights
        return self


class PerceptronClassifier(FixedEpochs, MLPClassifier):
    pass


class PerceptronRegressor(FixedEpochs, MLPRegressor):
    pass


@dataclass(frozen=True)
class Method:
    """How a method is built, from estimators that are cloned and seeded.

    Args:
        regressor: None if the method does not apply to numbers.
        transformer: turns counts into features; None uses the counts.
        words: which words are read, as for `BagOfWords.frequent_words`; None is all terms.
        has_probabilities: False for SVMs: their decision values decide and rank, but have no meaningful loss.
    """

    title: str
    classifier: BaseEstimator
    regressor: BaseEstimator | None
    transformer: BaseEstimator | None = None
    words: tuple[int, float] | None = None
    has_probabilities: bool = True


NO_WORDS, FREQUENT_WORDS = (0, 1.0), (20_000, 1.0)
TFIDF = TfidfTransformer(sublinear_tf=True)  # Salton and Buckley 1988: each repetition of a word adds less
# Joachims 1998; for numbers Drucker et al. 1997: errors below a tenth of a standard deviation cost nothing.
SVR = LinearSVR(epsilon=0.1, max_iter=10_000)
# Blei et al. 2003, with sparse topics, fitted on minibatches (Hoffman et al. 2010); topic shares are standardised.
SPARSE = {"doc_topic_prior": 0.1, "topic_word_prior": 0.1, "max_doc_update_iter": 20}
LDA = LatentDirichletAllocation(100, learning_method="online", batch_size=512, max_iter=10, **SPARSE)
TOPICS, TOPIC_WORDS = make_pipeline(LDA, StandardScaler()), (5_000, 0.5)  # a word of most texts belongs to no topic
TREE = {"max_depth": 20, "min_samples_leaf": 5}  # Breiman et al. 1984
FOREST = {"n_estimators": 100, "max_features": "sqrt"}  # Breiman 2001
UNITS = {"hidden_layer_sizes": (64,)}  # Rumelhart et al. 1986

METHODS = {
    "majority": Method("majority class", DummyClassifier(), DummyRegressor(), words=NO_WORDS),
    "naive_bayes": Method("naive Bayes", MultinomialNB(), None),
    "nb_svm": Method("NB-SVM", RatioSVM(), None, Binarizer(), has_probabilities=False),
    "linear_svm": Method("linear SVM", LinearSVC(), SVR, TFIDF, has_probabilities=False),
    # TF-IDF rows have length 1: they need larger weights than the default C of 1 permits.
    "logistic_regression": Method("logistic regression", LogisticRegression(C=10, max_iter=1000), Ridge(), TFIDF),
    "decision_tree": Method(
        "decision tree", DecisionTreeClassifier(**TREE), DecisionTreeRegressor(**TREE), words=FREQUENT_WORDS
    ),
    "random_forest": Method(
        "random forest", RandomForestClassifier(**FOREST), RandomForestRegressor(**FOREST), words=FREQUENT_WORDS
    ),
    "lda": Method("LDA topics", LogisticRegression(max_iter=1000), Ridge(), TOPICS, TOPIC_WORDS),
    "mlp": Method(
        "multilayer perceptron", PerceptronClassifier(**UNITS), PerceptronRegressor(**UNITS), TFIDF, FREQUENT_WORDS
    ),
}


def title_of(key: str, task: LabelSpace) -> str:
    """The name of the method for this task."""
    for_numbers = {"majority": "mean", "logistic_regression": "ridge regression"}
    return for_numbers.get(key, METHODS[key].title) if isinstance(task, Regression) else METHODS[key].title


def reason_not_applicable(key: str, task: LabelSpace) -> str | None:
    """Why the method does not apply to this task, None if it does."""
    if isinstance(task, Regression) and METHODS[key].regressor is None:
        return "it compares counts of words between classes, and numbers have none"
    return None


@contextmanager
def warnings_logged(title: str) -> Iterator[None]:
    """Inside, a method that does not converge is logged in one line, and other warnings of the libraries are not shown:
    they are about our few rows or many classes, which the data checks report."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield
    for message in dict.fromkeys(str(item.message) for item in caught if item.category is ConvergenceWarning):
        logger.warning("%s: %s", title, message.splitlines()[0])


def seeded(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """A copy whose random choices all follow from the seed."""
    copy = clone(estimator)
    return copy.set_params(**{name: seed for name in copy.get_params() if name.endswith("random_state")})


@dataclass(frozen=True)
class Fitted:
    """A method after fitting on train.

    Args:
        terms: those that the method reads; columns: their places among all terms, None for all.
        varying: ids of the labels that vary in train, [K]; the others get the logits of `constant`, [C].
        models: one, or with several labels per row one for each varying label (binary relevance); none if no label
            varies.
    """

    task: LabelSpace
    terms: np.ndarray
    columns: np.ndarray | None
    varying: np.ndarray
    constant: np.ndarray
    transformer: BaseEstimator | None
    models: list[BaseEstimator]
    has_probabilities: bool

    def logits(self, counts: sparse.csr_matrix | np.ndarray) -> np.ndarray:
        """Counts of all terms (or other features) [B, F] -> finite float64 [B, C], as `LabelSpace.decide` reads them.

        These are log-probabilities for one class per row, logits for several labels, and a standardised number for
        regression. Without `has_probabilities` they come from decision values.
        """
        logits = np.tile(self.constant, (counts.shape[0], 1))
        if self.models:
            x = counts if self.columns is None else counts[:, self.columns]
            x = x if self.transformer is None else self.transformer.transform(x)
            logits[:, self.varying] = self._varying_logits(x)
        return logits

    def _varying_logits(self, x: sparse.csr_matrix) -> np.ndarray:
        if isinstance(self.task, Regression):
            return self.models[0].predict(x)[:, None]
        scores = [class_scores(model, x) for model in self.models]
        if isinstance(self.task, MultiLabel):
            return np.stack([score[:, 1] - score[:, 0] for score in scores], axis=1)
        return log_softmax(scores[0])

    @property
    def has_loss(self) -> bool:
        """Whether the logits give a meaningful loss: log-probabilities or numbers."""
        return self.has_probabilities or isinstance(self.task, Regression)

    @property
    def size_bytes(self) -> int:
        """Bytes of everything that `logits` needs, including the terms."""
        return count_bytes((self.terms.tolist(), self.constant, self.transformer, self.models))


def class_scores(model: BaseEstimator, x: sparse.csr_matrix) -> np.ndarray:
    """Log-probabilities of the model's classes, or decision values, up to a constant per row, [B, K]."""
    if hasattr(model, "predict_joint_log_proba"):  # for a long text, probabilities round to 0 and 1
        return model.predict_joint_log_proba(x)
    if not hasattr(model, "decision_function"):
        return np.log(np.clip(model.predict_proba(x), TINY, 1.0))
    scores = model.decision_function(x)
    return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], axis=1)


def fit(
    key: str,
    features: BagOfWords,
    label_ids: np.ndarray,
    task: LabelSpace,
    seed: int,
    rows: np.ndarray | slice = slice(None),
) -> Fitted:
    """Fit one of `METHODS` on train.

    Within `joblib.parallel_config(n_jobs=2)` the forest and the topics use two cores.

    Args:
        label_ids: of `rows`, as from `LabelSpace.encode`: int [N]; 0.0 and 1.0, [N, C]; standardised numbers [N].
        rows: which rows of train to fit on; all by default.

    Raises:
        UsageError: the method does not apply to the task, or no text of train has a word.
    """
    method = METHODS[key]
    reason = reason_not_applicable(key, task)
    if reason:
        raise UsageError(f"{title_of(key, task)}: {reason}. Leave {key} out.")
    columns = None if method.words is None else features.frequent_words(*method.words)
    x = features.counts("train")[rows]
    x = x if columns is None else x[:, columns]
    terms = features.terms if columns is None else features.terms[columns]
    if not len(terms) and method.words != NO_WORDS:
        raise UsageError("--text_column_names: no text of train has a word. Name the column with the texts.")
    with warnings_logged(title_of(key, task)):
        return fit_method(method, x, np.asarray(label_ids), task, seed, terms=terms, columns=columns)


def fit_method(
    method: Method, x: sparse.csr_matrix | np.ndarray, label_ids: np.ndarray, task: LabelSpace, seed: int, *,
    terms: np.ndarray = NO_TERMS, columns: np.ndarray | None = None,
) -> Fitted:  # fmt: skip
    """Fit a method on features of train, [N, F]; terms, columns: as for `Fitted`."""
    varying, constant, targets = varying_labels(label_ids, task)
    transformer = seeded(method.transformer, seed) if method.transformer and targets else None
    model = method.regressor if isinstance(task, Regression) else method.classifier
    x = transformer.fit_transform(x) if transformer else x
    models = [seeded(model, seed).fit(x, target) for target in targets]
    return Fitted(task, terms, columns, varying, constant, transformer, models, method.has_probabilities)


def varying_labels(label_ids: np.ndarray, task: LabelSpace) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """Ids of the labels that vary in train, [K], constant logits of the others, [C], and the targets [N] of each model.

    A class that train declares but lacks gets a probability of about `TINY`, and so does a label that no row has. A
    label that all rows have gets `1 - TINY`.
    """
    if isinstance(task, Regression):
        return np.arange(1), np.zeros(1), [label_ids]
    if not isinstance(task, MultiLabel):
        present = np.unique(label_ids)
        constant = np.full(task.num_labels, np.log(TINY))
        constant[present] = 0.0
        return present, constant, [label_ids] if len(present) > 1 else []
    shares = np.clip(label_ids.mean(axis=0), TINY, 1 - TINY)
    varying = np.flatnonzero((label_ids.min(axis=0) < 1) & (label_ids.max(axis=0) > 0))
    return varying, np.log(shares) - np.log1p(-shares), [label_ids[:, label] for label in varying]
