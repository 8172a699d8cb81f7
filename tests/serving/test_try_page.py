"""The page in a browser: it loads nothing from elsewhere, shows texts as text, and works with tokens and pairs."""

from __future__ import annotations

import re
from contextlib import contextmanager

import pytest
from browsing import SCHEMES, WIDTHS, Opened, started_browser
from made_classifiers import tiny_classifier
from served import served

from classification.data.label_hints import LabelHints
from classification.data.tasks import infer_task
from classification.serving.try_page import PAGE, read_page

EVIL = "<img src=x onerror=\"document.title='broken'\">"


@pytest.fixture(scope="module")
def browser():
    with started_browser() as found:
        yield found


@contextmanager
def opened(browser, server, width: int = 1440, scheme: str = "light"):
    context = browser.new_context(viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme)
    page = context.new_page()
    found = Opened(page, f"http://127.0.0.1:{server.port}/")
    page.on("console", lambda message: found.messages.append(message.text))
    page.on("pageerror", lambda error: found.messages.append(str(error)))
    page.on("request", lambda request: found.requests.append(request.url))
    page.goto(found.address)
    page.wait_for_selector("#paths pre")
    yield found
    context.close()


def classify(found: Opened, text: str, pair: str | None = None) -> str:
    """What the page shows below the form."""
    found.page.fill("#text", text)
    if pair is not None:
        found.page.fill("#pair", pair)
    found.page.click("#send")
    found.page.wait_for_selector("#answers > *")
    return found.page.inner_text("#answers")


def test_the_page_names_nothing_elsewhere_and_its_policy_fits_its_content():
    html, policy = read_page()
    assert not re.findall(r"(?:https?:)?//[\w.]+\.\w+", html) and html == PAGE.read_text(encoding="utf-8")
    assert "innerHTML" not in html and "eval(" not in html and "style=" not in html and " onclick" not in html
    assert policy.count("'sha256-") == 2 and "default-src 'none'" in policy and "frame-ancestors 'none'" in policy


def test_the_list_of_paths_is_where_docs_leads():
    with served() as server:
        reply = server.ask("GET", "/docs")
        assert reply.status == 307 and reply.headers["location"] == "./#interface"
        assert 'id="interface"' in server.ask("GET", "/").text
        description = server.ask("GET", "/openapi.json").json
        assert set(description["paths"]) == {"/predict", "/health", "/metrics"}
        body = description["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]["schema"]
        for example in body["examples"]:
            assert server.predict(example).answers


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("scheme", SCHEMES)
def test_a_text_is_tried(browser, width, scheme):
    with (
        served(tiny_classifier(infer_task(["negative", EVIL]))) as server,
        opened(browser, server, width, scheme) as found,
    ):
        shown = classify(found, f"good film {EVIL}")
        assert EVIL in shown and "negative" in shown and "tokens" in shown
        assert found.page.locator("#answers img").count() == 0 and found.page.title() == "made"
        assert found.page.locator("#answers meter").count() == 2 and found.page.locator("tr.chosen").count() == 1
        assert all(request.startswith(found.address) for request in found.requests) and not found.messages
        found.assert_readable()
        found.assert_accessible()


def test_several_texts_pairs_and_a_text_that_is_refused(browser):
    with served(reads_pairs=True) as server, opened(browser, server) as found:
        assert "Authorization" not in found.page.inner_text("#paths") and "400" in classify(found, "good")
        assert "bad film" in classify(found, "good", "bad film")
        found.page.check("#lines")
        classify(found, "good\n\nbad\n", "film\nfilm")
        found.page.wait_for_function("document.querySelectorAll('.answer').length === 2")


def test_the_token_is_typed_in(browser):
    with served(token="0123456789abcdef") as server, opened(browser, server) as found:
        assert "-H 'Authorization: Bearer TOKEN' -d" in found.page.inner_text("#paths pre >> nth=0")
        assert "401" in classify(found, "good")
        found.page.fill("#token", "0123456789abcdef")
        assert "401" not in classify(found, "good")
        found.page.wait_for_function("document.title === 'made'")


def test_several_labels_and_a_number(browser):
    several = tiny_classifier(infer_task([["a"], ["b", "c"], []]))
    with served(several) as server, opened(browser, server) as found:
        classify(found, "good")
        chosen = found.page.locator("tr.chosen").count()
        assert chosen == len(several("good").label)
    number = tiny_classifier(infer_task([1.5, 2.5], LabelHints(do_regression=True)))
    with served(number, reads_pairs=False) as server, opened(browser, server) as found:
        assert str(number("good").label)[:5] in classify(found, "good")
        assert not found.page.is_visible("#pair") and found.page.locator("meter").count() == 0
        assert not found.page.is_visible("#token")
