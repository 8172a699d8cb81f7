"""Serve a trained classifier over HTTP.

    python scripts/serve.py out
    curl -H 'Content-Type: application/json' -d '{"texts": ["A wonderful film"]}' http://127.0.0.1:8000/predict

It needs the packages of requirements-serve.txt. docs/serving.md describes requests, limits and metrics.
"""

from __future__ import annotations

import sys
import time
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from classification.cli.server_flags import ServerOptions, read_server_flags
from classification.errors import UsageError

STARTED = time.monotonic()
LIBRARIES = ("fastapi", "uvicorn", "prometheus_client")


def check_command(argv: list[str]) -> None:
    """Raise a UsageError for wrong flags, and where the server's libraries are missing."""
    read_server_flags(argv)
    check_libraries()


def check_libraries() -> None:
    missing = [name for name in LIBRARIES if find_spec(name) is None]
    if missing:
        raise UsageError(f"serve.py: {', '.join(missing)}: not installed: pip install -r requirements-serve.txt")


if __name__ == "__main__":  # before the imports below, which take seconds
    from classification.cli.command import run_light_command, start_command

    start_command(sys.argv[1:], check_command)

check_libraries()

from classification.cli.prediction_console import prediction_console
from classification.data.hub_access import HubAccess
from classification.inference.answers import check_probabilities
from classification.inference.data_statistics import find_statistics
from classification.inference.saved_classifier import load_saved
from classification.messages.log import Line, log_lines, warning
from classification.messages.shown_texts import texts_shown
from classification.models.choice import ModelChoice
from classification.serving.batch_worker import BatchWorker
from classification.serving.http_app import Service
from classification.serving.http_server import address_of, is_loopback, listen, open_socket, serve
from classification.serving.server_limits import ServerLimits
from classification.serving.server_metrics import ServerMetrics


def main(argv: list[str] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM.

    Raises:
        UsageError: a wrong flag, a port that is taken, or a model that cannot classify.
        RunError: the model does not fit into memory, or some requests were not answered in `--stop_seconds`.
        SystemExit: after `--help`.
    """
    options = read_server_flags(sys.argv[1:] if argv is None else [str(word) for word in argv])
    with prediction_console(to_stderr=False):
        listener = open_socket(options.host, options.port)
        with listener:
            service, lines = make_service(options)
            listen(listener)
            lines.append(Line("address", f"{address_of(listener)} (a page to try texts; /docs lists the paths)"))
            if options.server_token is None and not is_loopback(listener):
                lines.append(warning(f"--host {options.host}: anybody who reaches this port can send texts. Pass "
                                     "--token_file to require a token."))  # fmt: skip
            log_lines(lines, title="server")
            with texts_shown(False):
                serve(service, listener, log_ready)
        log_lines([Line("stopped", "all accepted requests were answered")])


def log_ready() -> None:
    log_lines([Line("ready", f"after {time.monotonic() - STARTED:.1f} s; Ctrl-C stops")])


def make_service(options: ServerOptions) -> tuple[Service, list[Line]]:
    """Load the model, and start the thread that owns it."""
    hub = HubAccess(options.cache_dir, options.model_revision, None, options.trust_remote_code)
    choice = ModelChoice(
        options.model, hub=hub, max_length=options.max_seq_length, truncation_strategy=options.truncation_strategy
    )
    classifier, lines = load_saved(
        choice, precision=options.precision, device=options.device, batch_tokens=options.batch_tokens
    )
    classifier = classifier.abstaining(options.abstain_below)
    check_probabilities(classifier.task, top_k=options.top_k)
    statistics = find_statistics(choice)
    limits = ServerLimits(
        options.max_texts, options.max_characters, options.max_body_bytes, options.queue_texts, options.queue_bytes,
        options.read_seconds, options.stop_seconds,
    )  # fmt: skip
    metrics = ServerMetrics()
    worker = BatchWorker(classifier, metrics, queue_texts=limits.queue_texts, batch_tokens=options.batch_tokens)
    worker.start()
    service = Service(
        classifier, worker, limits, metrics, None if statistics is None else statistics.has_pairs, options.top_k,
        options.server_token,
    )  # fmt: skip
    return service, lines


if __name__ == "__main__":
    run_light_command(main)
