"""Cloth: tartans by their sett, weaves by their draft; and flags by their layout."""

import numpy as np
from jaxtyping import Float
from scipy import ndimage

from dass.data.rendered.canvas import (
    SIZE,
    Field,
    Picture,
    finish,
    mesh,
    smooth_noise,
    tinted,
    turned,
    two_colours,
    warp,
)
from dass.data.rendered.domain import Domain

SETTS = 30
"""Classes of `tartans`."""


def _tartan(label: int, rng: np.random.Generator, test: bool) -> Picture:
    kind = np.random.default_rng([17, label])
    palette = kind.uniform(0, 1, (3 + label % 3, 3))
    order = kind.integers(0, len(palette), 7)
    widths = kind.integers(1, 8, 7).astype(float)
    palette = palette[:, :] * rng.uniform(0.6, 1.2) + rng.normal(0, 0.13, 3)
    edges = np.cumsum(widths / widths.sum())
    x, y = mesh()
    x, y = turned(x, y, angle=rng.normal(0, 0.35))
    bend = rng.uniform(0, 0.12)
    x = x + bend * np.sin(3 * y + rng.uniform(0, 6))
    repeat = rng.uniform(0.7, 1.3)
    threads = []
    for axis in (x, y):
        place = np.abs((axis / repeat + rng.uniform(0, 2)) % 2 - 1)
        threads.append(palette[order[np.minimum(np.searchsorted(edges, place), 6)]])
    u, v = np.indices((SIZE, SIZE)) // 2
    over = ((u + v) % 4 < 2)[..., None]
    shade = 0.75 + 0.4 * smooth_noise(rng, 9.0)
    return finish(np.where(over, *threads) * shade[..., None], rng, noise=0.12)


def _draft(name: str) -> Float[np.ndarray, "h w"]:
    """Return where the warp lies over the weft in one repeat of a weave."""
    n = {"plain": 2, "basket": 4, "rib": 4, "satin": 5, "twill 2/2": 4, "twill 3/1": 4}.get(
        name, 8
    )
    i, j = np.indices((n, n))
    found = {
        "plain": (i + j) % 2,
        "basket": (i // 2 + j // 2) % 2,
        "rib": (i // 2 + j) % 2,
        "satin": (j - 2 * i) % 5 == 0,
        "twill 2/2": (i + j) % 4 < 2,
        "twill 3/1": (i + j) % 4 < 3,
        "herringbone": np.where(j < 4, (i + j) % 4 < 2, (i - j - 1) % 4 < 2),
        "diamond": (np.abs(i - 3.5) + np.abs(j - 3.5)) % 4 < 2,
        "houndstooth": (i < 4) ^ (j < 4),
        "honeycomb": np.abs(i - 3.5) > np.abs(j - 3.5),
        "broken twill": (j + np.array([0, 1, 3, 2] * 2)[i]) % 4 < 2,
        "steep twill": (2 * i + j) % 8 < 4,
    }
    return np.asarray(found[name].astype(float))


_WEAVES: tuple[str, ...] = (
    "plain",
    "basket",
    "rib",
    "satin",
    "twill 2/2",
    "twill 3/1",
    "herringbone",
    "diamond",
)
_WEAVES += ("houndstooth", "honeycomb", "broken twill", "steep twill")


def _weave(label: int, rng: np.random.Generator, test: bool) -> Picture:
    draft = _draft(_WEAVES[label])
    pitch = rng.uniform(3.2, 5.0)
    rows, columns = np.mgrid[:SIZE, :SIZE] / pitch
    columns, rows = turned(columns, rows, angle=rng.uniform(-0.5, 0.5))
    rows, columns = rows + rng.uniform(0, 8), columns + rng.uniform(0, 8)
    over = draft[rows.astype(int) % len(draft), columns.astype(int) % len(draft)]
    round_ = np.where(over > 0, np.sin(np.pi * (columns % 1)), np.sin(np.pi * (rows % 1)))
    field = warp(np.where(over > 0, 0.55, 0.1) + 0.4 * np.abs(round_), rng, strength=2.0)
    field = np.asarray(ndimage.gaussian_filter(field, rng.uniform(0.4, 0.9)))
    return tinted(field + 0.3 * (smooth_noise(rng, 6.0) - 0.5), rng, noise=0.1)


# --- flags ---------------------------------------------------------------------------------

_FLAGS: tuple[str, ...] = ("three across", "three upright", "two across", "two upright", "cross")
_FLAGS += ("four quarters", "saltire", "disc", "canton", "triangle", "bend", "border", "lozenge")
_FLAGS += ("crescent",)


def _layout(name: str, x: Field, y: Field) -> Field:
    """Return the number of the colour at each place of a flag of -1 to 1."""
    wide = 0.22
    found: dict[str, Field] = {
        "three across": np.digitize(y, (-1 / 3, 1 / 3)),
        "three upright": np.digitize(x, (-1 / 3, 1 / 3)),
        "two across": y > 0,
        "two upright": x > 0,
        "four quarters": (y > 0) * 2 + (x > 0),
        "cross": (np.abs(x) < wide) | (np.abs(y) < wide),
        "saltire": (np.abs(x - y) < 1.4 * wide) | (np.abs(x + y) < 1.4 * wide),
        "disc": np.hypot(x, y) < 0.55,
        "canton": (x < 0) & (y < 0),
        "triangle": np.where(x + np.abs(y) < -0.05, 2, y > 0),
        "bend": np.abs(x - y) < 0.4,
        "border": np.maximum(np.abs(x), np.abs(y)) > 0.7,
        "lozenge": np.abs(x) + np.abs(y) < 0.8,
        "crescent": (np.hypot(x, y) < 0.6) & (np.hypot(x - 0.25, y) > 0.5),
    }
    return np.asarray(found[name], dtype=np.float64)


def _flag(label: int, rng: np.random.Generator, test: bool) -> Picture:
    x, y = mesh()
    x, y = x - rng.uniform(-0.1, 0.1), y - rng.uniform(-0.1, 0.1)
    x, y = turned(x, y, angle=rng.normal(0, 0.15))
    y = y + rng.uniform(0.02, 0.1) * np.sin(rng.uniform(2, 6) * x + rng.uniform(0, 6))
    x = x / rng.uniform(0.75, 0.95)
    y = y / rng.uniform(0.6, 0.85)
    colours = np.stack([*two_colours(rng, apart=0.4), *rng.uniform(0, 1, (3, 3))])
    place = _layout(_FLAGS[label], x, y).astype(int)
    outside = (np.abs(x) > 1) | (np.abs(y) > 1)
    light = 0.8 + 0.4 * smooth_noise(rng, 7.0)
    flag = np.where(outside[..., None], colours[4], colours[place])
    return finish(flag * light[..., None], rng, noise=0.08)


DOMAINS = (
    Domain(
        name="tartans",
        class_names=tuple(f"sett {i:02d}" for i in range(SETTS)),
        draw=_tartan,
    ),
    Domain(
        name="weaves",
        class_names=_WEAVES,
        draw=_weave,
    ),
    Domain(
        name="flags",
        class_names=_FLAGS,
        draw=_flag,
    ),
)
