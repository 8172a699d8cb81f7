"""A page in headless Chromium, and what must be true of it: nothing is loaded, cut off, overlapping or faint."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

CHECKS = Path(__file__).parent / "report" / "page" / "page_checks"  # in JavaScript
WIDTHS = {1440: 900, 390: 844}  # of a desktop and of a phone, with their heights
SCHEMES = ("light", "dark")
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def started_browser() -> Iterator[Any]:
    """Chromium of this machine, driven by playwright; without either the test is skipped with the reason."""
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed (requirements-dev.txt)")
    program = next((path for name in NAMES if (path := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium is installed (on Debian: apt-get install chromium)")
    flags = ["--disable-dev-shm-usage", *(["--no-sandbox"] if os.geteuid() == 0 else [])]
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=flags)
        yield browser
        browser.close()


@dataclass
class Opened:
    """A page in the browser; `messages` are warnings and errors of its console, `requests` the addresses it loaded."""

    page: Any
    address: str
    messages: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def faults(self, check: str) -> list[str]:
        """What a check (`layout`, `contrast` or `structure`) finds."""
        scripts = ((CHECKS / f"{name}.js").read_text(encoding="utf-8") for name in ("common", check))
        return self.page.evaluate("\n".join(scripts))

    def assert_alone(self) -> None:
        """No request but that of the file itself, no error, no warning."""
        assert self.requests == [self.address] and not self.messages, (self.requests, self.messages)

    def assert_readable(self) -> None:
        """Nothing is cut off, overlaps or has too little contrast, at this width and in these colours."""
        assert not (found := self.faults("layout")), found
        assert not (found := self.faults("contrast")), found

    def assert_accessible(self) -> None:
        assert not (found := self.faults("structure")), found


@contextmanager
def open_page(
    browser, file: Path, width: int = 1440, scheme: str = "light", *, scripts: bool = True
) -> Iterator[Opened]:
    """A file in a tab of its own, at one of `WIDTHS`."""
    context = browser.new_context(
        viewport={"width": width, "height": WIDTHS[width]}, color_scheme=scheme, java_script_enabled=scripts
    )
    page = context.new_page()
    opened = Opened(page, Path(file).absolute().as_uri())
    page.on("console", lambda message: opened.messages.append(message.text))
    page.on("pageerror", lambda error: opened.messages.append(str(error)))
    page.on("request", lambda request: opened.requests.append(request.url))
    page.goto(opened.address)
    yield opened
    context.close()
