"""Classical text classifiers on counts of words, behind one interface: what they decide is scored as a model's logits
are. Nothing is learnt from any split but train.

Settings are those of the papers named beside them or scikit-learn's defaults (Pedregosa et al. 2011, Scikit-learn, JMLR
12, 2825-2830); the few others were chosen on held-out fifths of IMDB's train split.
"""

from __future__ import annotations

import pickle
import warnings
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
from classification.errors import UsageError
from classification.evaluation.decisions import log_softmax
from classification.experiments.bag_of_words import Features

# N rows of train, B rows of any split, F terms, C labels, K labels that vary in train.

TINY = 1e-6  # stands for a probability of zero, which no number of rows can show


def log_count_ratio(x: sparse.csr_matrix, is_positive: np.ndarray) -> np.ndarray:
    """How much more often each feature stands in the positive rows than in the others, as a logarithm, float64 [F].

    Wang and Manning 2012, Baselines and Bigrams: Simple, Good Sentiment and Topic Classification, with alpha 1.
    """
    p, q = (1.0 + np.asarray(x[rows].sum(axis=0)).ravel() for rows in (is_positive, ~is_positive))
    return np.log(p / p.sum()) - np.log(q / q.sum())


class RatioSVM(BaseEstimator):
    """NB-SVM: a linear SVM on binary features that are multiplied by their log-count ratio (Wang and Manning 2012);
    of many classes each against the rest, with a ratio of its own."""

    def __init__(self, C: float = 0.01, random_state: int | None = None):
        self.C, self.random_state = C, random_state

    def fit(self, x: sparse.csr_matrix, y: np.ndarray) -> RatioSVM:
        classes = np.unique(y)
        positives = classes[1:] if len(classes) == 2 else classes
        parts = [self._one(x, y == positive) for positive in positives]
        self.weights_, self.biases_ = (np.stack(values, axis=-1) for values in zip(*parts, strict=True))
        return self

    def _one(self, x: sparse.csr_matrix, is_positive: np.ndarray) -> tuple[np.ndarray, float]:
        ratio = log_count_ratio(x, is_positive)
        svm = LinearSVC(C=self.C, random_state=self.random_state).fit(x @ sparse.diags_array(ratio), is_positive)
        return svm.coef_[0] * ratio, svm.intercept_[0]

    def decision_function(self, x: sparse.csr_matrix) -> np.ndarray:
        """[B, K], or [B] of two classes."""
        values = x @ self.weights_ + self.biases_
        return values[:, 0] if values.shape[1] == 1 else values


class FixedEpochs:
    """Trains a perceptron for 5 epochs, of few rows for 300 steps: until the loss of train no longer falls, which is
    scikit-learn's end, it would learn the rows by heart."""

    def fit(self, x: sparse.csr_matrix, y: np.ndarray):
        steps = -(-x.shape[0] // 200)  # in an epoch: a batch has 200 rows
        epochs = max(5, 300 // steps)
        self.set_params(max_iter=epochs, n_iter_no_change=epochs)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # to end before it has converged is meant
            super().fit(x, y)
        self._optimizer = self._best_coefs = None  # three times the weights more, and no part of what is kept
        return self


class PerceptronClassifier(FixedEpochs, MLPClassifier):
    pass


class PerceptronRegressor(FixedEpochs, MLPRegressor):
    pass


@dataclass(frozen=True)
class Method:
    """How a method is built, from estimators that are cloned and seeded.

    Args:
        regressor: None where the method has no meaning.
        view: turns the counts into what is learnt from; None leaves them.
        words: that are read, as for `Features.frequent_words`; None is all terms.
        has_probabilities: an SVM's decision values decide and rank, but their loss means nothing.
    """

    title: str
    classifier: BaseEstimator
    regressor: BaseEstimator | None
    view: BaseEstimator | None = None
    words: tuple[int, float] | None = None
    has_probabilities: bool = True


NONE, MANY = (0, 1.0), (20_000, 1.0)  # of the single words, those in most rows
TFIDF = TfidfTransformer(sublinear_tf=True)  # Salton and Buckley 1988: a repeated word says less each time
# Joachims 1998; of numbers Drucker et al. 1997: errors below a tenth of a standard deviation count nothing.
SVR = LinearSVR(epsilon=0.1, max_iter=10_000)
# Blei et al. 2003, learnt from minibatches (Hoffman et al. 2010), of sparse topics; their shares are standardised.
SPARSE = {"doc_topic_prior": 0.1, "topic_word_prior": 0.1, "max_doc_update_iter": 20}
LDA = LatentDirichletAllocation(100, learning_method="online", batch_size=512, max_iter=10, **SPARSE)
TOPICS, TOPIC_WORDS = make_pipeline(LDA, StandardScaler()), (5_000, 0.5)  # a word of most texts is of no topic
TREE = {"max_depth": 20, "min_samples_leaf": 5}  # Breiman et al. 1984
FOREST = {"n_estimators": 100, "max_features": "sqrt"}  # Breiman 2001
UNITS = {"hidden_layer_sizes": (64,)}  # Rumelhart et al. 1986

METHODS = {
    "majority": Method("majority class", DummyClassifier(), DummyRegressor(), words=NONE),
    "naive_bayes": Method("naive Bayes", MultinomialNB(), None),
    "nb_svm": Method("NB-SVM", RatioSVM(), None, Binarizer(), has_probabilities=False),
    "linear_svm": Method("linear SVM", LinearSVC(), SVR, TFIDF, has_probabilities=False),
    # Rows of TF-IDF have length 1 and want larger weights than the default of C, 1, lets them have.
    "logistic_regression": Method("logistic regression", LogisticRegression(C=10, max_iter=1000), Ridge(), TFIDF),
    "decision_tree": Method("decision tree", DecisionTreeClassifier(**TREE), DecisionTreeRegressor(**TREE), words=MANY),
    "random_forest": Method(
        "random forest", RandomForestClassifier(**FOREST), RandomForestRegressor(**FOREST), words=MANY
    ),
    "lda": Method("LDA topics", LogisticRegression(max_iter=1000), Ridge(), TOPICS, TOPIC_WORDS),
    "mlp": Method("multilayer perceptron", PerceptronClassifier(**UNITS), PerceptronRegressor(**UNITS), TFIDF, MANY),
}


def title_of(key: str, labels: LabelSpace) -> str:
    """The name of the method, as it is for this task."""
    of_numbers = {"majority": "mean", "logistic_regression": "ridge regression"} if labels.is_regression else {}
    return of_numbers.get(key, METHODS[key].title)


def absent(key: str, labels: LabelSpace) -> str | None:
    """Why the method has no meaning for this task, None where it has one."""
    if labels.is_regression and METHODS[key].regressor is None:
        return "it compares counts of words between classes, and numbers have none"
    return None


def seeded(estimator: BaseEstimator, seed: int) -> BaseEstimator:
    """A copy, every random choice of which follows from the seed."""
    copy = clone(estimator)
    return copy.set_params(**{name: seed for name in copy.get_params() if name.endswith("random_state")})


@dataclass(frozen=True)
class Fitted:
    """A method that has learnt from train.

    Args:
        terms: that it reads; columns: where they stand among all, None for all.
        kept: ids of the labels that vary in train, [K]; the others have the logits of `constant`, [C].
        models: one, or one for each kept label where a row has several (binary relevance); none where no label varies.
    """

    labels: LabelSpace
    terms: np.ndarray
    columns: np.ndarray | None
    kept: np.ndarray
    constant: np.ndarray
    view: BaseEstimator | None
    models: list[BaseEstimator]
    has_probabilities: bool

    def logits(self, counts: sparse.csr_matrix) -> np.ndarray:
        """Of the counts [B, F] of all terms, float64 [B, C], finite, as `decisions` reads them: log-probabilities;
        logits, where a row has several labels; standardised values [B, 1]. Without `has_probabilities`, likewise from
        decision values."""
        logits = np.tile(self.constant, (counts.shape[0], 1))
        if self.models:
            x = counts if self.columns is None else counts[:, self.columns]
            x = x if self.view is None else self.view.transform(x)
            logits[:, self.kept] = self._varying(x)
        return logits

    def _varying(self, x) -> np.ndarray:
        if self.labels.is_regression:
            return self.models[0].predict(x)[:, None]
        scores = [class_scores(model, x) for model in self.models]
        if self.labels.is_multi_label:
            return np.stack([each[:, 1] - each[:, 0] for each in scores], axis=1)
        return log_softmax(scores[0])

    @property
    def size_bytes(self) -> int:
        """Length of the pickle of what `logits` needs, the terms included."""
        return len(pickle.dumps((self.terms.tolist(), self.constant, self.view, self.models)))


def class_scores(model: BaseEstimator, x) -> np.ndarray:
    """Logarithms of the probabilities of the model's classes, or decision values, up to a constant a row, [B, K]."""
    if hasattr(model, "predict_joint_log_proba"):  # of a long text, probabilities round to 0 and 1
        return model.predict_joint_log_proba(x)
    if not hasattr(model, "decision_function"):
        return np.log(np.clip(model.predict_proba(x), TINY, 1.0))
    scores = model.decision_function(x)
    return scores if scores.ndim == 2 else np.stack([np.zeros_like(scores), scores], axis=1)


def fit(
    key: str,
    features: Features,
    label_ids: np.ndarray,
    labels: LabelSpace,
    seed: int,
    rows: np.ndarray | slice = slice(None),
) -> Fitted:
    """One of `METHODS`, fitted on train.

    With `joblib.parallel_config(n_jobs=2)` around it, the forest and the topics use two cores.

    Args:
        label_ids: of these rows, encoded by `labels`: int [N]; 0.0 and 1.0, [N, C]; standardised numbers [N].
        rows: of train, to learn from; all, unless folds are held out.

    Raises:
        UsageError: the method is `absent` from the task.
    """
    method = METHODS[key]
    reason = absent(key, labels)
    if reason:
        raise UsageError(f"{title_of(key, labels)}: {reason}. Leave {key} out.")
    kept, constant, targets = varying_labels(np.asarray(label_ids), labels)
    columns = None if method.words is None else features.frequent_words(*method.words)
    x = features.counts("train")[rows]
    x = x if columns is None else x[:, columns]
    terms = features.terms if columns is None else features.terms[columns]
    view = seeded(method.view, seed) if method.view and targets else None
    x = view.fit_transform(x) if view else x
    model = method.regressor if labels.is_regression else method.classifier
    models = [seeded(model, seed).fit(x, target) for target in targets]
    return Fitted(labels, terms, columns, kept, constant, view, models, method.has_probabilities)


def varying_labels(label_ids: np.ndarray, labels: LabelSpace) -> tuple[np.ndarray, np.ndarray, list[np.ndarray]]:
    """What there is to learn: ids of the labels that vary in train, [K], the logits of the others, [C], and the targets
    [N] of each model.

    A class that train declares and lacks has a probability of about `TINY`, and so has a label that no row has; one
    that all rows have, of `1 - TINY`.
    """
    if labels.is_regression:
        return np.arange(1), np.zeros(1), [label_ids]
    if not labels.is_multi_label:
        present = np.unique(label_ids)
        constant = np.full(labels.num_labels, np.log(TINY))
        constant[present] = 0.0
        return present, constant, [label_ids] if len(present) > 1 else []
    shares = np.clip(label_ids.mean(axis=0), TINY, 1 - TINY)
    kept = np.flatnonzero((label_ids.min(axis=0) < 1) & (label_ids.max(axis=0) > 0))
    return kept, np.log(shares) - np.log1p(-shares), [label_ids[:, label] for label in kept]
