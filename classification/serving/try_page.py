"""The page at `/`, to try texts in a browser: one file that loads nothing from elsewhere."""

from __future__ import annotations

import base64
import hashlib
import re
from functools import cache
from pathlib import Path

from starlette.responses import HTMLResponse, Response

PAGE = Path(__file__).parent / "page" / "try_texts.html"
INLINE = re.compile(r"<(script|style)>(.*?)</\1>", re.DOTALL)


def page_response() -> Response:
    html, policy = read_page()
    headers = {"Content-Security-Policy": policy, "Referrer-Policy": "no-referrer"}
    return HTMLResponse(html, headers=headers)


@cache
def read_page() -> tuple[str, str]:
    """The page, and the policy that lets a browser run only what is in this file and talk only to this server."""
    html = PAGE.read_text(encoding="utf-8")
    hashes: dict[str, list[str]] = {"script": [], "style": []}
    for kind, content in INLINE.findall(html):
        digest = base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()
        hashes[kind].append(f"'sha256-{digest}'")
    return html, (
        f"default-src 'none'; script-src {' '.join(hashes['script'])}; style-src {' '.join(hashes['style'])}; "
        "connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
