"""Report pages: whole plots, a whole table, nothing fetched from a network."""

import base64
import io
import re
from html.parser import HTMLParser

import pytest
from PIL import Image

from dass.evaluation.plots import Series, scatter
from dass.evaluation.report import page

SERIES = [
    Series(label="pool", x=[1.0, 2.0, 3.0], y=[2.0, 1.0, 4.0]),
    Series(label="chosen", x=[2.5], y=[3.0], marker="*"),
]


def drawn(**changes):
    return scatter(SERIES, x_label="x", y_label="y", title="t", **changes)


class Reader(HTMLParser):
    """Collects tags, cells and the addresses of everything that a browser would fetch."""

    def __init__(self):
        super().__init__()
        self.open, self.cells, self.addresses, self.texts = [], [], [], []

    def handle_starttag(self, tag, attrs):
        if tag not in {"meta", "img", "link"}:
            self.open.append(tag)
        self.addresses += [value for name, value in attrs if name in {"src", "href"}]

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.texts.append(data)
        if self.open and self.open[-1] in {"td", "th"}:
            self.cells.append(data)


def read(text):
    reader = Reader()
    reader.feed(text)
    reader.close()
    assert not reader.open, "every tag is closed"
    return reader


@pytest.mark.parametrize("diagonal", [False, True])
def test_a_scatter_is_a_png_that_shows_something(diagonal):
    picture = Image.open(io.BytesIO(drawn(diagonal=diagonal)))
    assert picture.format == "PNG" and min(picture.size) > 300
    assert len(picture.convert("RGB").getcolors(maxcolors=100_000)) > 20


def test_the_diagonal_is_drawn_only_when_asked():
    plain, lined = drawn(), drawn(diagonal=True)
    assert plain != lined and drawn() == plain


def test_a_page_holds_its_table_and_its_plots_and_fetches_nothing():
    png = drawn()
    rows = [["searched", "90 %"], ["random", "80 %"]]
    text = page(
        "Story", note="Plumbing.", head=["choice", "accuracy"], rows=rows, plots={"Plot": png}
    )
    reader = read(text)
    assert reader.cells == ["choice", "accuracy", "searched", "90 %", "random", "80 %"]
    (address,) = reader.addresses
    assert base64.b64decode(address.removeprefix("data:image/png;base64,")) == png
    assert not re.search(r"https?://|url\(|@import|<script", text)
    assert "Plumbing." in reader.texts and "Plot" in reader.texts


def test_a_page_shows_markup_as_text():
    hostile = '<script>alert("1")</script>&'
    text = page(hostile, note=hostile, head=[hostile], rows=[[hostile]], plots={hostile: b""})
    assert "<script>" not in text
    assert read(text).cells == [hostile, hostile]


def test_a_page_without_rows_or_plots_is_still_one():
    assert read(page("t", note="n", head=["a"], rows=[], plots={})).cells == ["a"]
