"""Predict texts with a trained classifier.

python predict.py out reviews.csv
python predict.py out --text "A wonderful film"

From Python:

    from predict import load
    load("out")("A wonderful film").label
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable

from classification.cli.prediction_flags import PredictionOptions, read_prediction_flags

if __name__ == "__main__":  # before the imports below, which take seconds
    from classification.cli.command import run_light_command, start_command

    start_command(sys.argv[1:], read_prediction_flags)

from classification.cli.prediction_console import prediction_console, quiet_bars
from classification.cli.prediction_stop import prediction_stoppable
from classification.data.hub_access import HubAccess
from classification.errors import UsageError
from classification.inference.answers import Answer
from classification.inference.classifier import Classifier
from classification.inference.data_statistics import find_statistics
from classification.inference.saved_classifier import load_saved
from classification.inference.terminal import MOST_BARS, converse, write_answers
from classification.messages.log import log_lines
from classification.models.choice import ModelChoice


def main(argv: list[str] | None = None) -> dict:
    """Run the command line `argv`.

    Returns:
        `output_file`, `rows`, `seconds` and, where the input has labels, the metrics; with `--text` the `answers`.

    Raises:
        UsageError: bad input: a flag, the model, the input, or a row of it.
        RunError: the disk refuses a file, or one text does not fit into memory; complete parts stay.
        SystemExit: after `--help`; `Stopped` after a signal, or KeyboardInterrupt where a program has called `main`.
    """
    options = read_prediction_flags(sys.argv[1:] if argv is None else [str(word) for word in argv])
    is_piped = options.output_file == "-"
    level = logging.WARNING if options.is_at_terminal else logging.INFO
    with (
        prediction_console(to_stderr=is_piped, level=level),
        prediction_stoppable(options.argv, keeps_parts=not is_piped),
    ):
        if options.join:
            return join_parts(options)
        if options.is_at_terminal:
            return answer_at_terminal(options)
        return predict_input(options)


def load(
    folder: str,
    *,
    precision: str = "auto",
    variant: str = "default",
    device: str | None = None,
    max_seq_length: int | None = None,
    truncation_strategy: str | None = None,
    batch_tokens: int | None = None,
    abstain_below: float | None = None,
    revision: str = "main",
    token: str | None = None,
    cache_dir: str | None = None,
    trust_remote_code: bool = False,
) -> Classifier:
    """A trained classifier that answers texts: `load("out")("a text")`, or a list of texts, or of pairs.

    Args:
        folder: of a saved model or an ONNX model, or its name on the Hub.
        precision: `auto`, `bf16`, `fp16` or `fp32`; labels are those of fp32 in each. variant: `default` or `int8`.
        device: such as `cpu` or `cuda:1`; None for the fastest of this machine.
        max_seq_length, truncation_strategy: None for those of the training.
        batch_tokens: of a batch. abstain_below: answers that are less sure have no label.
        revision, token, cache_dir, trust_remote_code: for the Hub.

    Raises:
        UsageError: no such model, or one that cannot classify; names the remedy.
    """
    hub = HubAccess(cache_dir, revision, token, trust_remote_code)
    choice = ModelChoice(str(folder), hub=hub, max_length=max_seq_length, truncation_strategy=truncation_strategy)
    with quiet_bars():
        classifier, _ = load_saved(
            choice, precision=precision, variant=variant, device=device, batch_tokens=batch_tokens
        )
    return classifier.abstaining(abstain_below)


def choice_of(options: PredictionOptions) -> ModelChoice:
    hub = HubAccess(options.cache_dir, options.model_revision, options.token, options.trust_remote_code)
    return ModelChoice(
        options.model, hub=hub, max_length=options.max_seq_length, truncation_strategy=options.truncation_strategy
    )


def load_for(options: PredictionOptions) -> Classifier:
    """The model of a command line. A few texts at the terminal need no fast number format."""
    classifier, lines = load_saved(
        choice_of(options), precision=options.precision, variant=options.variant, batch_tokens=options.batch_tokens,
        few_texts=options.is_at_terminal,
    )  # fmt: skip
    log_lines(lines, title="model")
    return classifier


def answer_at_terminal(options: PredictionOptions) -> dict:
    """Answer `--text`, or texts that are typed."""
    classifier = load_for(options).abstaining(options.abstain_below)
    most, explain = options.top_k or MOST_BARS, explainer(options, classifier)
    statistics = find_statistics(choice_of(options))
    has_pairs = bool(statistics and statistics.has_pairs)
    if options.text and has_pairs and not options.text_pair:
        raise UsageError("--text: the model reads pairs of texts. Give each --text its second text: --text_pair TEXT")
    if options.text_pair and statistics and not has_pairs:
        raise UsageError("--text_pair: the model reads single texts. Leave the flag out.")

    def respond(texts: list[str], pairs: list[str] | None) -> list[Answer]:
        answers = classifier(texts, pairs)
        write_answers(answers, texts, pairs, classifier.task, sys.stdout, most)
        explain(texts, pairs)
        return answers

    if options.text:
        return {"answers": respond([*options.text], [*options.text_pair] or None)}
    count = converse(lambda text, pair: respond([text], None if pair is None else [pair]), has_pairs=has_pairs)
    return {"texts": count}


def explainer(options: PredictionOptions, classifier: Classifier) -> Callable[[list[str], list[str] | None], None]:
    """What explains texts and pairs below their answers; nothing without `--explain` and `--explain_html`."""
    if not (options.explain or options.explain_html):
        return lambda texts, pairs: None
    from classification.inference.terminal_explanations import Explainer

    return Explainer(classifier, sys.stdout if options.explain else None, options.explain_html)


def predict_input(options: PredictionOptions) -> dict:
    """Predict a file, a folder, a data set or standard input."""
    from classification.cli.prediction_requests import input_source, rows_request
    from classification.data.sources.row_streams import open_rows
    from classification.inference.file_prediction import predict_rows
    from classification.inference.launched_ranks import Ranks
    from classification.inference.row_texts import check_rows

    request, ranks = rows_request(options), Ranks.of_launch(options.output_file)
    if ranks.is_main:  # the others may find what it has begun
        request.check_target()
    with ranks.together(), open_rows(input_source(options)) as stream:
        statistics = find_statistics(choice_of(options))
        text = request.find_columns(stream, statistics)
        if options.on_bad_row == "error":
            check_rows(stream, text)
        return predict_rows(request, stream, text, load_for(options), statistics, ranks)


def join_parts(options: PredictionOptions) -> dict:
    """Join the parts of all shards."""
    from classification.inference.file_prediction import join_all

    return join_all(options.join, options.output_file, options.format, overwrite=options.overwrite)


if __name__ == "__main__":
    run_light_command(main)
