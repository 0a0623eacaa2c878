"""Charts, and plots of functions of several families: drawn by Pillow, no text on them."""

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw

from dass.data.rendered.canvas import SIZE, Picture, finish
from dass.data.rendered.domain import Domain

_SIDE = 2 * SIZE
_CHARTS: tuple[str, ...] = (
    "bars",
    "bars across",
    "stacked bars",
    "grouped bars",
    "line",
    "two lines",
    "steps",
)
_CHARTS += ("area", "pie", "ring", "scatter", "bubbles", "radar", "heat map", "boxes", "stems")

Values = Float[np.ndarray, " n"]


class _Sheet:
    """A picture that is being drawn: its pen, its frame and its colours."""

    def __init__(self, rng: np.random.Generator) -> None:
        paper, self.dark = rng.integers(150, 256, 3), bool(rng.random() < 0.3)
        self.rng = rng
        self.paper = tuple(map(int, 255 - paper if self.dark else paper))
        self.picture = Image.new("RGB", (_SIDE, _SIDE), self.paper)
        self.pen = ImageDraw.Draw(self.picture)
        self.left, self.top, self.right, self.bottom = map(
            int, (*rng.integers(6, 30, 2), *rng.integers(_SIDE - 30, _SIDE - 6, 2))
        )
        if rng.random() < 0.6:
            ink = self.ink()
            self.pen.line([(self.left, self.top), (self.left, self.bottom)], fill=ink, width=2)
            self.pen.line([(self.left, self.bottom), (self.right, self.bottom)], fill=ink, width=2)
        if rng.random() < 0.4:
            for y in np.linspace(self.top, self.bottom, int(rng.integers(3, 7))):
                self.pen.line([(self.left, y), (self.right, y)], fill=self.ink(), width=1)

    def ink(self) -> tuple[int, ...]:
        """Draw a colour that can be told from the paper."""
        low, high = (110, 256) if self.dark else (0, 170)
        return tuple(map(int, self.rng.integers(low, high, 3)))

    def x(self, share: float) -> float:
        """Return the column at a share of the frame's width."""
        return self.left + share * (self.right - self.left)

    def y(self, share: float) -> float:
        """Return the row at a share of the frame's height, from its bottom."""
        return self.bottom - share * (self.bottom - self.top)

    def box(self, low: tuple[float, float], high: tuple[float, float]) -> None:
        """Fill a box between two corners, in shares of the frame."""
        self.pen.rectangle(
            [self.x(low[0]), self.y(high[1]), self.x(high[0]), self.y(low[1])], fill=self.ink()
        )

    def path(self, values: Values) -> list[tuple[float, float]]:
        """Return the points of values that stand side by side."""
        places = np.linspace(0, 1, len(values))
        return [(self.x(p), self.y(v)) for p, v in zip(places, values, strict=True)]

    def dot(self, place: tuple[float, float], radius: float) -> None:
        """Draw a filled circle; its radius is in pixels."""
        x, y = self.x(place[0]), self.y(place[1])
        self.pen.ellipse([x - radius, y - radius, x + radius, y + radius], fill=self.ink())

    def done(self) -> Picture:
        """Return the picture, reduced, with noise."""
        small = self.picture.resize((SIZE, SIZE), Image.Resampling.BOX)
        return finish(np.asarray(small) / 255, self.rng, noise=0.08)


def _bars(sheet: _Sheet, name: str, values: Values) -> None:
    edges = np.linspace(0, 1, len(values) + 1).tolist()
    fill = sheet.rng.uniform(0.5, 0.95)
    for low, value in zip(edges, values.tolist(), strict=False):
        high = low + fill / len(values)
        if name == "bars across":
            sheet.box((0.0, low), (value, high))
        elif name == "stacked bars":
            cut = value * sheet.rng.uniform(0.3, 0.7)
            sheet.box((low, 0.0), (high, cut))
            sheet.box((low, cut), (high, value))
        elif name == "grouped bars":
            middle = (low + high) / 2
            sheet.box((low, 0.0), (middle, value))
            sheet.box((middle, 0.0), (high, sheet.rng.uniform(0.15, 1)))
        elif name == "boxes":
            middle, half = (low + high) / 2, sheet.rng.uniform(0.08, 0.2)
            line = [(sheet.x(middle), sheet.y(value - 0.15)), (sheet.x(middle), sheet.y(value))]
            sheet.pen.line(line, fill=sheet.ink(), width=2)
            sheet.box((low, value - half - 0.1), (high, value - 0.1))
        elif name == "stems":
            middle = (low + high) / 2
            line = [(sheet.x(middle), sheet.y(0.0)), (sheet.x(middle), sheet.y(value))]
            sheet.pen.line(line, fill=sheet.ink(), width=2)
            sheet.dot((middle, value), 4.0)
        else:
            sheet.box((low, 0.0), (high, value))


def _round(sheet: _Sheet, name: str, values: Values) -> None:
    box = (sheet.left, sheet.top, sheet.right, sheet.bottom)
    if name == "radar":
        angles = np.linspace(0, 2 * np.pi, len(values), endpoint=False) + sheet.rng.uniform(0, 1)
        rims = [
            [
                (sheet.x(0.5 + r * np.cos(a) / 2), sheet.y(0.5 + r * np.sin(a) / 2))
                for r, a in pairs
            ]
            for pairs in (zip(np.ones_like(values), angles), zip(values, angles))  # noqa: B905
        ]
        sheet.pen.polygon(rims[0], outline=sheet.ink(), width=2)
        sheet.pen.polygon(rims[1], fill=sheet.ink())
        return
    ends = sheet.rng.uniform(0, 360) + 360 * np.cumsum(values) / values.sum()
    for start, end in zip(np.roll(ends, 1), ends, strict=True):
        sheet.pen.pieslice(box, start, end if end > start else end + 360, fill=sheet.ink())
    if name == "ring":
        hole, shrink = 0.5 - sheet.rng.uniform(0.15, 0.3), 0.5
        low, high = hole, 2 * shrink - hole
        sheet.pen.ellipse(
            [sheet.x(low), sheet.y(high), sheet.x(high), sheet.y(low)], fill=sheet.paper
        )


def _chart(label: int, rng: np.random.Generator, test: bool) -> Picture:
    name, sheet = _CHARTS[label], _Sheet(rng)
    values = rng.uniform(0.15, 1, int(rng.integers(4, 9)))
    if name in ("line", "two lines"):
        for _ in range(1 + (name == "two lines")):
            sheet.pen.line(sheet.path(rng.uniform(0, 1, len(values))), fill=sheet.ink(), width=3)
    elif name == "steps":
        points = [
            p
            for a, b in zip(sheet.path(values), sheet.path(values)[1:], strict=False)
            for p in (a, (b[0], a[1]))
        ]
        sheet.pen.line(points, fill=sheet.ink(), width=3)
    elif name == "area":
        corners = [(sheet.x(1.0), sheet.y(0.0)), (sheet.x(0.0), sheet.y(0.0))]
        sheet.pen.polygon([*sheet.path(values), *corners], fill=sheet.ink())
    elif name in ("pie", "ring", "radar"):
        _round(sheet, name, values)
    elif name in ("scatter", "bubbles"):
        few = name == "bubbles"
        for place in rng.uniform(0, 1, (len(values) if few else 30, 2)):
            sheet.dot((place[0], place[1]), rng.uniform(5, 14) if few else 2.5)
    elif name == "heat map":
        rows, columns = rng.integers(3, 7, 2)
        for row in range(rows):
            for column in range(columns):
                low = (column / columns, row / rows)
                sheet.box(low, (low[0] + 1 / columns, low[1] + 1 / rows))
    else:
        _bars(sheet, name, values)
    return sheet.done()


_FUNCTIONS: tuple[str, ...] = (
    "sine",
    "damped sine",
    "growing sine",
    "chirp",
    "beat",
    "square wave",
    "triangle wave",
)
_FUNCTIONS += (
    "saw",
    "bell",
    "two bells",
    "logistic",
    "exponential",
    "parabola",
    "cubic",
    "quartic",
)
_FUNCTIONS += ("random walk", "noise", "hyperbola", "rectified sine", "steps up")


def _values(name: str, x: Values, rng: np.random.Generator) -> Values:
    """Return a function of a family at places 0 to 1."""
    rate, phase = rng.uniform(14, 34), rng.uniform(0, 6.3)
    sine = np.sin(rate * x + phase)
    low, high, width = rng.uniform(0.15, 0.4), rng.uniform(0.6, 0.85), rng.uniform(0.05, 0.12)
    turn, t = rng.uniform(0.3, 0.7), 2 * x - 1
    cycle = (rate * x + phase) / (2 * np.pi) % 1
    found: dict[str, Values] = {
        "sine": sine,
        "damped sine": sine * np.exp(-rng.uniform(2.5, 5) * x),
        "growing sine": sine * np.exp(rng.uniform(2.5, 5) * (x - 1)),
        "chirp": np.sin(phase + rate * x * (0.3 + 1.2 * x)),
        "beat": sine * np.sin(rng.uniform(3, 6) * x + phase),
        "square wave": np.sign(sine),
        "triangle wave": np.abs(2 * cycle - 1),
        "saw": cycle,
        "bell": np.exp(-(((x - turn) / width) ** 2) / 2),
        "two bells": np.exp(-(((x - low) / width) ** 2) / 2)
        + rng.uniform(0.5, 1.2) * np.exp(-(((x - high) / width) ** 2) / 2),
        "logistic": 1 / (1 + np.exp(-rng.uniform(10, 25) * (x - turn))),
        "exponential": np.exp(rng.uniform(3, 6) * x),
        "parabola": (x - turn) ** 2,
        "cubic": t**3 - rng.uniform(0.4, 0.8) * t,
        "quartic": t**4 - rng.uniform(0.6, 1) * t**2 + rng.uniform(-0.1, 0.1) * t,
        "random walk": np.cumsum(rng.standard_normal(len(x))),
        "noise": rng.standard_normal(len(x)),
        "hyperbola": 1 / (x + rng.uniform(0.05, 0.15)),
        "rectified sine": np.abs(sine),
        "steps up": np.floor(x * rng.uniform(3, 7)),
    }
    return found[name]


def _function(label: int, rng: np.random.Generator, test: bool) -> Picture:
    sheet = _Sheet(rng)
    values = _values(_FUNCTIONS[label], np.linspace(0, 1, 70), rng)
    values = (values - values.min()) / (np.ptp(values) + 1e-9) * rng.choice([-1.0, 1.0])
    values = values - values.min() + rng.normal(0, rng.uniform(0, 0.06), len(values))
    sheet.pen.line(sheet.path(values), fill=sheet.ink(), width=int(rng.integers(2, 5)))
    return sheet.done()


DOMAINS = (
    Domain(
        name="charts",
        class_names=_CHARTS,
        draw=_chart,
    ),
    Domain(
        name="functions",
        class_names=_FUNCTIONS,
        draw=_function,
    ),
)
