"""Turn results into pages: plots drawn once, inlined, readable without a network connection.

Knows what a point and a row are, and nothing of how they were measured.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence

STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .25rem .75rem; text-align: right }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #f4f4f4 }
img { max-width: 100% } figure { margin: 1rem 0 } .note { color: #555 }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd } tr:nth-child(even) { background: #242424 }
  .note { color: #aaa }
}
"""


def page(
    title: str,
    *,
    note: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    plots: Mapping[str, bytes],
) -> str:
    """Return one HTML page of a note, a table and PNG plots by caption."""
    escape = html.escape
    header = "".join(f"<th>{escape(cell)}</th>" for cell in head)
    body = "\n".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    figures = "\n".join(
        f'<figure><img alt="{escape(caption)}" '
        f'src="data:image/png;base64,{base64.b64encode(png).decode()}">'
        f"<figcaption>{escape(caption)}</figcaption></figure>"
        for caption, png in plots.items()
    )
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
        f"<style>{STYLE}</style></head><body><h1>{escape(title)}</h1>"
        f'<p class="note">{escape(note)}</p>'
        f"<table><thead><tr>{header}</tr></thead><tbody>\n{body}\n</tbody></table>\n"
        f"{figures}</body></html>\n"
    )
