"""Lines: closed curves by formula, and characters of an invented script written by hand."""

import numpy as np
from jaxtyping import Float
from PIL import Image, ImageDraw
from scipy.interpolate import CubicSpline

from dass.data.rendered.canvas import (
    SIZE,
    Field,
    Picture,
    backdrop,
    finish,
    mask_of,
    paper_and_ink,
)
from dass.data.rendered.domain import Domain

Line = Float[np.ndarray, "n 2"]


def _ink(lines: list[Line], rng: np.random.Generator, *, width: float) -> Field:
    """Draw lines, in coordinates of -1 to 1, twice as large and reduced."""
    picture = Image.new("L", (2 * SIZE, 2 * SIZE))
    pen = ImageDraw.Draw(picture)
    for line in lines:
        points = [(float(x), float(y)) for x, y in SIZE * (line + 1)]
        pen.line(points, fill=255, width=max(2, round(2 * width)), joint="curve")
    return mask_of(picture.resize((SIZE, SIZE), Image.Resampling.BOX))


def _posed(line: Line, rng: np.random.Generator, *, turn: float) -> Line:
    angle = rng.uniform(-turn, turn)
    cos, sin = np.cos(angle), np.sin(angle)
    matrix = np.array([[cos, -sin], [sin, cos]]) * rng.uniform(0.55, 0.85)
    return line @ (matrix @ np.diag(rng.uniform(0.8, 1.2, 2))) + rng.uniform(-0.15, 0.15, 2)


def _on_paper(ink: Field, rng: np.random.Generator) -> Picture:
    first, second = paper_and_ink(rng)
    ground = backdrop(rng, first, strength=0.1)
    weight = ink[..., None] * rng.uniform(0.7, 1)
    return finish((1 - weight) * ground + weight * second, rng, noise=0.03)


_CURVES = tuple(
    f"{kind} {p}:{q}"
    for kind in ("lissajous", "rose", "hypotrochoid", "torus knot")
    for p, q in ((1, 2), (2, 3), (3, 4), (3, 5), (2, 5))
)


def _curve(label: int, rng: np.random.Generator, test: bool) -> Picture:
    kind, _, ratio = _CURVES[label].rpartition(" ")
    p, q = map(int, ratio.split(":"))
    t = np.linspace(0, 2 * np.pi * q, 240)
    if kind == "lissajous":
        t = t / q
        line = np.stack([np.sin(p * t + rng.uniform(0.3, 1.2)), np.sin(q * t)], 1)
    elif kind == "rose":
        radius = np.cos(p * t / q) + rng.uniform(0, 0.2)
        line = np.stack([radius * np.cos(t), radius * np.sin(t)], 1)
    elif kind == "hypotrochoid":
        share, arm = p / (p + q), rng.uniform(0.35, 0.65)
        t = np.linspace(0, 2 * np.pi * p, 240)
        line = (1 - arm) * np.stack([np.cos(t), np.sin(t)], 1)
        line += arm * np.stack([np.cos(t / share - t), -np.sin(t / share - t)], 1)
    else:
        t = np.linspace(0, 2 * np.pi, 240)
        radius = 0.65 + rng.uniform(0.2, 0.35) * np.cos(q * t)
        line = np.stack([radius * np.cos(p * t), radius * np.sin(p * t)], 1)
    line = _posed(line, rng, turn=np.pi) + rng.normal(0, 0.01, line.shape)
    return _on_paper(_ink([line], rng, width=rng.uniform(2, 3.5)), rng)


LETTERS = 24
"""Classes of `strokes`."""


def _letter(label: int) -> list[Line]:
    """Return the knots of each stroke of a letter."""
    kind = np.random.default_rng([13, label])
    return [kind.uniform(-0.9, 0.9, (int(kind.integers(3, 6)), 2)) for _ in range(1 + label % 3)]


def _written(label: int, rng: np.random.Generator, test: bool) -> Picture:
    slant = np.array([[1, rng.uniform(-0.3, 0.3)], [0, 1]])
    lines = []
    for knots in _letter(label):
        shaken = knots + rng.normal(0, 0.08, knots.shape)
        spline = CubicSpline(np.arange(len(knots)), shaken)
        lines.append(spline(np.linspace(0, len(knots) - 1, 30)) @ slant)
    middle = np.concatenate(lines).mean(0)
    spread = max(np.abs(np.concatenate(lines) - middle).max(), 1e-6)
    turn, shift = rng.uniform(-0.2, 0.2), rng.uniform(-0.08, 0.12, 2)
    cos, sin = np.cos(turn), np.sin(turn)
    matrix = np.array([[cos, -sin], [sin, cos]]) * rng.uniform(0.65, 0.9) / spread
    ink = _ink(
        [(line - middle) @ matrix + shift for line in lines], rng, width=rng.uniform(2.5, 4.5)
    )
    return _on_paper(ink, rng)


DOMAINS = (
    Domain(
        name="curves",
        class_names=_CURVES,
        draw=_curve,
    ),
    Domain(
        name="strokes",
        class_names=tuple(f"letter {i:02d}" for i in range(LETTERS)),
        draw=_written,
    ),
)
