"""`--explain` and `--explain_html` at the terminal: the explanation of each answer below it, and a page with all."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

from classification.inference.classifier import Classifier
from classification.inference.explained_text import write_explanation
from classification.inference.explanation import Explanation, check_explainable, explain
from classification.inference.explanation_page import MAX_TEXTS, write_explanations
from classification.messages.log import Line, log_lines


class Explainer:
    """Explains texts one after the other.

    Args:
        stream: None shows nothing. page: None writes none; the page is written anew after each call.

    Raises:
        UsageError: the model cannot be explained.
    """

    def __init__(self, classifier: Classifier, stream: TextIO | None, page: str | None):
        check_explainable(classifier)
        self.classifier, self.stream, self.page = classifier, stream, page
        self.explained: list[Explanation] = []
        self.count = 0

    def __call__(self, texts: Sequence[str], pairs: Sequence[str] | None) -> None:
        """
        Raises:
            OSError: the disk refuses the page.
        """
        for place, text in enumerate(texts):
            found = explain(self.classifier, text, None if pairs is None else pairs[place])
            self.count += 1
            if self.stream is not None:
                write_explanation(found, self.stream)
            if self.page is not None and len(self.explained) < MAX_TEXTS:
                self.explained.append(found)
        if self.page is not None:
            left_out = self.count - len(self.explained)
            write_explanations(Path(self.page), self.explained, self.classifier.name, left_out)
            log_lines([Line("page", self.page)])
