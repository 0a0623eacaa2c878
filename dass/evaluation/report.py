"""Turn results into pages: plots drawn once, inlined, readable without a network connection.

Knows what a point and a row are, and nothing of how they were measured.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence

from jinja2 import Environment

PAGE = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True).from_string("""\
<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>{{ title }}</title>
<style>
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
table { border-collapse: collapse } td, th { padding: .25rem .75rem; text-align: right }
td:first-child, th:first-child { text-align: left } tr:nth-child(even) { background: #f4f4f4 }
img { max-width: 100% } figure { margin: 1rem 0 } .note { color: #555 }
@media (prefers-color-scheme: dark) {
  body { background: #181818; color: #ddd } tr:nth-child(even) { background: #242424 }
  .note { color: #aaa }
}
</style>
</head>
<body>
<h1>{{ title }}</h1>
<p class="note">{{ note }}</p>
{% for caption, head, rows in tables %}
{% if caption %}<h2>{{ caption }}</h2>{% endif %}

<table>
<thead><tr>{% for cell in head %}<th>{{ cell }}</th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</tbody>
</table>
{% endfor %}
{% for caption, png in pictures.items() %}
<figure>
<img alt="{{ caption }}" src="data:image/png;base64,{{ png }}">
<figcaption>{{ caption }}</figcaption>
</figure>
{% endfor %}
</body>
</html>
""")

Table = tuple[str, Sequence[str], Sequence[Sequence[str]]]
"""Caption, head and rows."""


def page(
    title: str,
    *,
    note: str,
    head: Sequence[str],
    rows: Sequence[Sequence[str]],
    plots: Mapping[str, bytes],
    more: Sequence[Table] = (),
) -> str:
    """Return one HTML page of a note, a table, further ones, and PNG plots by caption."""
    pictures = {caption: base64.b64encode(png).decode() for caption, png in plots.items()}
    tables = [("", head, rows), *more]
    return PAGE.render(title=title, note=note, tables=tables, pictures=pictures)
