"""The two pages of somebody who has no session, and the files of the operator's page."""

from __future__ import annotations

import html
from pathlib import Path

STATIC = Path(__file__).resolve().parent / "static"
TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def notice(title: str, text: str, command: str) -> str:
    """A page with one message and the command that helps."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>EdgeVLA: {html.escape(title)}</title>"
        '<link rel="stylesheet" href="/static/page.css"><main><section class="card">'
        f"<h1>{html.escape(title)}</h1><p>{html.escape(text)}</p>"
        f"<p><code>{html.escape(command)}</code></p></section></main></html>"
    )


def static_file(name: str) -> tuple[bytes, str] | None:
    """A file of the page and its media type; None when there is no such file. Only names that are there are opened."""
    found = {path.name: path for path in STATIC.iterdir() if path.suffix in TYPES and path.is_file()}.get(name)
    return (found.read_bytes(), TYPES[found.suffix]) if found is not None else None
