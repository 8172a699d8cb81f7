"""The paths of the server as a FastAPI application: /predict, /health, /metrics, and the page at /."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import Depends, FastAPI
from fastapi.params import Depends as Dependency
from fastapi.security import HTTPBearer
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.types import Receive

from classification.inference.answers import Answer, decide, typed_answers
from classification.inference.classifier import NO_TOKENS, Classifier, Outputs
from classification.serving.batch_worker import BatchWorker
from classification.serving.http_guard import HttpGuard, refused
from classification.serving.refusals import JSON, ClientGone, Refusal, json_bytes
from classification.serving.request_body import BodyRoom, check_kind, check_token, has_token, read_body
from classification.serving.request_models import (
    EXAMPLES,
    Asked,
    ErrorAnswer,
    PredictAnswer,
    PredictRequest,
    answer_fields,
    read_request,
)
from classification.serving.server_limits import ServerLimits
from classification.serving.server_metrics import ServerMetrics
from classification.serving.try_page import page_response

LARGE = 2000  # an answer with more probabilities is written in another thread
CLOSE_SECONDS = 1.0  # for a batch that nobody waits for any more
ERRORS: dict[int | str, dict[str, Any]] = {
    400: {"description": "The body is wrong; the error names the place."},
    401: {"description": "The token is missing or wrong."},
    408: {"description": "The body did not arrive in time."},
    413: {"description": "The body, a text, or the number of texts is too large."},
    415: {"description": "The body is not plain JSON."},
    429: {"description": "The queue is full. The header Retry-After is a number of seconds."},
    500: {"description": "The model failed on this request."},
    503: {"description": "The server is stopping, or the model does not compute any more."},
}
TEXT: dict[str, Any] = {"description": "Metrics in Prometheus's text format.", "content": {"text/plain": {}}}
REQUEST_BODY = {
    "required": True,
    "content": {JSON: {"schema": PredictRequest.model_json_schema() | {"examples": EXAMPLES}}},  # in their order
}


@dataclass
class Service:
    """What all paths use.

    Args:
        reads_pairs: whether the model was trained on pairs; None where that is not known.
        top_k: for requests without their own; None for all labels.
        token: the token that requests must have; None for none.
        is_stopping: set when a signal has come.
    """

    classifier: Classifier
    worker: BatchWorker
    limits: ServerLimits
    metrics: ServerMetrics
    reads_pairs: bool | None = None
    top_k: int | None = None
    token: str | None = None
    is_stopping: bool = False

    def __post_init__(self) -> None:
        self.room = BodyRoom(self.limits.queue_bytes)

    @property
    def status(self) -> str:
        """`ready`, `stopping` or `failing`."""
        if self.is_stopping or self.worker.is_closed:
            return "stopping"
        return "ready" if self.worker.is_working else "failing"

    @property
    def security(self) -> list[Dependency]:
        """What openapi.json says about the token; `check_token` checks it."""
        return [Depends(HTTPBearer(auto_error=False))] if self.token else []

    def description(self) -> dict[str, object]:
        """What `/health` says about the model."""
        model = self.classifier
        precision = getattr(model.engine, "precision", None) if hasattr(model.model, "parameters") else None
        return {
            "model": Path(model.name).name or model.name,
            "task": model.task.describe(),
            "labels": list(model.task.names),
            "device": str(getattr(model.model, "device", "cpu")),
            "engine": model.engine.name,
            "precision": getattr(precision, "name", None),  # None for an ONNX model: its graph has its own
            "pairs": self.reads_pairs,
            "max_texts": self.limits.max_texts,
            "max_characters": self.limits.max_characters,
        }


def make_app(service: Service) -> FastAPI:
    """The application of a service. The worker must have been started; it is stopped at shutdown."""

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        yield
        await asyncio.to_thread(service.worker.close, CLOSE_SECONDS)

    # docs_url: FastAPI's page loads its scripts from another host. Ours lists the paths.
    app = FastAPI(
        title="Text classifier", version="1", lifespan=lifespan, docs_url=None, redoc_url=None, redirect_slashes=False
    )
    app.add_middleware(HttpGuard, metrics=service.metrics)
    app.add_exception_handler(Refusal, refused)
    app.add_exception_handler(HTTPException, refused)
    add_predict(app, service)
    add_status(app, service)
    add_pages(app)
    return app


def add_predict(app: FastAPI, service: Service) -> None:
    errors = {status: {"model": ErrorAnswer} | facts for status, facts in ERRORS.items()}
    errors[200] = {"model": PredictAnswer, "description": "One answer per text, in their order."}

    @app.post(
        "/predict", summary="Classify texts or pairs of texts", responses=errors,
        openapi_extra={"requestBody": REQUEST_BODY}, dependencies=service.security,
    )  # fmt: skip
    async def predict(request: Request) -> Response:
        check_token(request, service.token)
        check_kind(request)
        limits = service.limits
        with service.room.held() as take:
            body = await read_body(request, limits.max_body_bytes, limits.read_seconds, take)
            asked = read_request(body, limits, reads_pairs=service.reads_pairs)
            outputs = await outputs_of(asked, service.worker, request.receive)
        if len(asked.texts) * service.classifier.task.num_labels > LARGE:  # others go on meanwhile
            content = await asyncio.to_thread(answer_body, outputs, service, asked)
        else:
            content = answer_body(outputs, service, asked)
        service.metrics.texts.inc(len(asked.texts))
        return Response(content, media_type=JSON)


async def outputs_of(asked: Asked, worker: BatchWorker, receive: Receive) -> Outputs | None:
    """The model's outputs, None for no texts.

    Raises:
        Refusal: the queue is full, or the model fails.
        ClientGone: the client has left; what is not computed yet will not be.
    """
    if not asked.texts:
        return None
    answered = asyncio.wrap_future(worker.submit(asked.texts, asked.pairs).future)
    left = asyncio.ensure_future(until_left(receive))
    both: list[asyncio.Future[Any]] = [answered, left]
    try:
        await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        if not answered.done():
            raise ClientGone
        return answered.result()
    finally:
        left.cancel()
        answered.cancel()


async def until_left(receive: Receive) -> None:
    """Wait until the client has closed its connection. The body has been read."""
    while (await receive())["type"] != "http.disconnect":
        pass


def answer_body(outputs: Outputs | None, service: Service, asked: Asked) -> bytes:
    """The body of the answer; raises the Refusals of `answers_of`."""
    answers = [] if outputs is None else answers_of(outputs, service.classifier, asked)
    top_k = asked.top_k or service.top_k
    return json_bytes({"answers": [answer_fields(answer, top_k) for answer in answers]})


def answers_of(outputs: Outputs, classifier: Classifier, asked: Asked) -> list[Answer]:
    """The answers, by the decision rule of `predict.py`.

    Raises:
        Refusal: 400 for a text of which the tokenizer leaves nothing, 500 for an output that is no number.
    """
    for row, is_finite in enumerate(outputs.is_finite.tolist()):
        if not is_finite:
            problem = outputs.problem(row)
            if problem == NO_TOKENS:
                raise Refusal(400, f"{asked.place(row)}: {problem}. Send a text with words, or leave it out.")
            raise Refusal(500, f"{asked.place(row)}: {problem}. Send the other texts without it.")
    decided = decide(outputs.logits, classifier.task, classifier.abstain_below)
    return typed_answers(decided, outputs.tokens, outputs.full_tokens)


def add_status(app: FastAPI, service: Service) -> None:
    @app.get(
        "/health", summary="Whether the model answers, and which model it is",
        responses={200: {"description": "The model answers."}, 503: ERRORS[503]},
    )  # fmt: skip
    @app.head("/health", include_in_schema=False)  # as some monitors ask
    async def health(request: Request) -> Response:
        facts: dict[str, object] = {"status": service.status}
        if has_token(request, service.token):
            facts |= service.description()
        return Response(json_bytes(facts), 200 if service.status == "ready" else 503, media_type=JSON)

    @app.get("/metrics", summary="Metrics for Prometheus", responses={200: TEXT}, dependencies=service.security)
    async def metrics(request: Request) -> Response:
        check_token(request, service.token)
        return Response(service.metrics.text(), headers={"Content-Type": CONTENT_TYPE_LATEST})


def add_pages(app: FastAPI) -> None:
    @app.get("/", include_in_schema=False)
    @app.head("/", include_in_schema=False)
    async def page() -> Response:
        return page_response()

    @app.get("/docs", include_in_schema=False)
    async def docs() -> Response:
        return RedirectResponse("./#interface")
