"""Simulated instruments: cells under a microscope, galaxies in a telescope, land from above."""

import numpy as np
from scipy import ndimage
from scipy.spatial import cKDTree

from dass.data.rendered.canvas import (
    SIZE,
    Field,
    Picture,
    colour,
    finish,
    mesh,
    paint,
    smooth_noise,
    tinted,
    turned,
    unit,
)
from dass.data.rendered.domain import Domain

# --- cells ---------------------------------------------------------------------------------

_FORMS = ("round", "rods", "crescents", "lobed")
_FILLS = ("filled", "rimmed", "nucleated", "granular")
_CELLS = tuple(f"{form}, {fill}" for form in _FORMS for fill in _FILLS)


def _distance(form: str, x: Field, y: Field, *, size: float) -> Field:
    """Return a distance that is 1 at the rim of a cell about the origin."""
    if form == "rods":
        return np.asarray(np.hypot(np.maximum(np.abs(x) - 0.8 * size, 0), y) / (0.55 * size))
    radius = np.hypot(x, y)
    if form == "crescents":
        return np.asarray(
            np.maximum(radius / size, 2 - np.hypot(x - 0.55 * size, y) / (0.75 * size))
        )
    if form == "lobed":
        return np.asarray(radius / (size * (1 + 0.3 * np.cos(4 * np.arctan2(y, x)))))
    return np.asarray(radius / size)


def _cells(label: int, rng: np.random.Generator, test: bool) -> Picture:
    form, fill = _CELLS[label].split(", ")
    x, y = mesh()
    tissue = 0.15 * smooth_noise(rng, 5.0)
    grains = smooth_noise(rng, 1.0)
    for _ in range(int(rng.integers(4, 10))):
        size = rng.uniform(0.14, 0.26)
        dx, dy = rng.uniform(-0.95, 0.95, 2)
        u, v = turned(x - dx, y - dy, angle=rng.uniform(0, 2 * np.pi))
        far = _distance(form, u, v * rng.uniform(0.85, 1.2), size=size)
        body = np.clip(4 * (1 - far), 0, 1) * rng.uniform(0.5, 0.9)
        if fill == "rimmed":
            body = body * (0.3 + 0.7 * (far > 0.65))
        elif fill == "nucleated":
            body = 0.5 * body + 0.6 * np.clip(4 * (0.5 - far), 0, 1)
        elif fill == "granular":
            body = body * (grains > 0.52)
        tissue = np.maximum(tissue, body)
    blurred = np.asarray(ndimage.gaussian_filter(tissue, rng.uniform(0.4, 1.3)))
    counts = rng.poisson(np.clip(blurred, 0, 1) * rng.uniform(12, 40) + 1)
    return tinted(np.clip(counts / 30, 0, 1), rng, noise=0.06)


# --- galaxies ------------------------------------------------------------------------------

_GALAXIES: tuple[str, ...] = (
    "round",
    "elliptical",
    "edge on",
    "two arms",
    "two tight arms",
    "three arms",
    "barred",
)
_GALAXIES += ("ring", "pair", "irregular", "star cluster", "dust lane")


def _galaxy_light(name: str, rng: np.random.Generator, *, x: Field, y: Field) -> Field:
    radius, angle = np.hypot(x, y), np.arctan2(y, x)
    core = np.exp(-radius / 0.12)
    if name.endswith("arms"):
        arms = 3 if name.startswith("three") else 2
        wind = rng.uniform(7, 10) if "tight" in name else rng.uniform(2.5, 4.5)
        wave = np.cos(arms * angle - wind * np.log(radius + 0.05) * rng.choice([-1, 1]))
        return np.asarray(core + 0.8 * np.exp(-radius / 0.4) * (0.5 + 0.5 * wave) ** 2)
    if name == "barred":
        bar = np.exp(-np.abs(x) / 0.3 - np.abs(y) / 0.06)
        wave = np.cos(2 * angle - 3 * np.log(radius + 0.05))
        return np.asarray(
            bar + 0.6 * np.exp(-radius / 0.4) * (radius > 0.3) * (0.5 + 0.5 * wave) ** 2
        )
    if name == "ring":
        return np.asarray(0.7 * core + np.exp(-(((radius - 0.5) / 0.09) ** 2)))
    if name == "pair":
        dx = rng.uniform(0.3, 0.5)
        return np.asarray(
            np.exp(-np.hypot(x - dx, y) / 0.14) + np.exp(-np.hypot(x + dx, y * 1.5) / 0.14)
        )
    if name == "irregular":
        return np.asarray(np.exp(-((radius / 0.5) ** 2)) * smooth_noise(rng, 4.0) ** 2 * 2)
    if name == "star cluster":
        stars = rng.random((SIZE, SIZE)) < 0.35 * np.exp(-radius / 0.25)
        return np.asarray(ndimage.gaussian_filter(stars.astype(float), 0.7)) * 2
    if name in ("edge on", "dust lane"):
        disc = np.exp(-np.abs(x) / 0.35 - np.abs(y) / 0.09) + 0.5 * core
        return np.asarray(disc * (np.abs(y) > 0.035) if name == "dust lane" else disc)
    return np.asarray(np.exp(-radius / 0.22))


def _galaxy(label: int, rng: np.random.Generator, test: bool) -> Picture:
    name = _GALAXIES[label]
    x, y = mesh()
    x, y = x - rng.uniform(-0.25, 0.25), y - rng.uniform(-0.25, 0.25)
    x, y = turned(x, y, angle=rng.uniform(0, 2 * np.pi))
    low, high = (0.4, 0.65) if name == "elliptical" else (0.75, 1)
    scale = rng.uniform(0.65, 1.2)
    light = _galaxy_light(name, rng, x=x / scale, y=y / scale / rng.uniform(low, high))
    stars = (rng.random((SIZE, SIZE)) < 0.006) * rng.uniform(0.5, 5, (SIZE, SIZE))
    sky = np.asarray(ndimage.gaussian_filter(light + stars, rng.uniform(0.6, 1.2)))
    sky = np.clip(rng.uniform(0.7, 1.6) * sky, 0, 1) ** rng.uniform(0.6, 1)
    return finish(paint(sky, 0.15 * colour(rng), 0.5 + 0.5 * colour(rng)), rng, noise=0.12)


# --- land ----------------------------------------------------------------------------------

_LAND: tuple[str, ...] = (
    "fields",
    "strip fields",
    "terraces",
    "orchard",
    "forest",
    "river",
    "delta",
    "lakes",
)
_LAND += (
    "town grid",
    "old town",
    "suburb",
    "motorway",
    "dunes",
    "coast",
    "round fields",
    "mountains",
)


def _patches(rng: np.random.Generator, *, points: int, flat: float) -> tuple[Field, Field]:
    """Return Voronoi cells, each of a random light, and the lines between them."""
    x, y = mesh()
    tree = cKDTree(rng.uniform(-1.3, 1.3, (points, 2)) * (1, flat))
    near, which = tree.query(np.stack([x.ravel(), y.ravel() * flat], 1), k=2)
    light = rng.uniform(0, 1, points)[which[:, 0]].reshape(SIZE, SIZE)
    return light, (near[:, 1] - near[:, 0]).reshape(SIZE, SIZE)


def _blocks(rng: np.random.Generator, name: str, *, x: Field, y: Field) -> Field:
    """Return roofs between streets."""
    if name == "old town":
        light, gap = _patches(rng, points=int(rng.integers(60, 100)), flat=1.0)
        return np.where(gap > 0.07, 0.4 + 0.6 * light, 0.1)
    step = rng.uniform(0.25, 0.4)
    u, v = (x + 0.15 * np.sin(2 * y) * (name == "suburb")) / step, y / step
    inside = (u % 1 > 0.25) & (v % 1 > 0.25)
    if name == "suburb":
        houses = (np.hypot(u % 1 - 0.6, v % 1 - 0.6) < 0.25) & (smooth_noise(rng, 2.0) > 0.4)
        return np.asarray(0.35 + 0.2 * smooth_noise(rng, 2.0) + 0.45 * houses)
    return np.where(inside, 0.4 + 0.6 * smooth_noise(rng, 2.0), 0.15)


def _orderly(rng: np.random.Generator, name: str, *, x: Field, y: Field) -> Field:
    """Return land in rows: strips, terraces, trees, dunes, a motorway, round fields."""
    rate = rng.uniform(12, 22)
    bend = smooth_noise(rng, 9.0)
    if name == "strip fields":
        light = rng.uniform(0, 1, 64)
        return np.asarray(light[np.floor((x + 2) * rate / 3).astype(int) % 64])
    if name == "terraces":
        return np.floor(5 * (bend + 0.3 * x)) % 2 * 0.6 + 0.2 * bend
    if name == "orchard":
        return 0.5 + 0.5 * np.sin(rate * x) * np.sin(rate * y)
    if name == "dunes":
        return (rate * x / 6.3 + 1.5 * bend + rng.uniform()) % 1
    if name == "round fields":
        step = rng.uniform(0.5, 0.8)
        u, v = (x / step) % 1 - 0.5, (y / step) % 1 - 0.5
        light = rng.uniform(0.3, 1, 64)
        place = (np.floor(x / step) * 5 + np.floor(y / step)).astype(int) % 64
        return np.where(np.hypot(u, v) < 0.46, light[place], 0.15)
    road = np.abs(x - 0.2 * np.sin(1.5 * y + rng.uniform(0, 6)))
    light, _ = _patches(rng, points=30, flat=1.0)
    return np.where(road < 0.12, np.where(road < 0.02, 0.3, 0.95), 0.5 * light)


def _wild(rng: np.random.Generator, name: str, *, x: Field, y: Field) -> Field:
    """Return land that nobody laid out: woods, water, sand, mountains."""
    rough, fine = smooth_noise(rng, 8.0), smooth_noise(rng, 1.2)
    if name == "forest":
        return unit(fine + 0.3 * rough)
    if name == "mountains":
        height = smooth_noise(rng, 6.0) + 0.4 * smooth_noise(rng, 2.5)
        return unit(np.gradient(height, axis=1) + np.gradient(height, axis=0))
    ground = 0.5 + 0.3 * fine
    if name == "river":
        water = np.abs(x - 0.35 * np.sin(3 * y + rng.uniform(0, 6))) < rng.uniform(0.06, 0.12)
    elif name == "delta":
        water = np.abs(smooth_noise(rng, 4.0) - 0.5) < 0.045
    elif name == "lakes":
        water = smooth_noise(rng, 5.0) > 0.72
    else:
        water = x + 0.8 * (rough - 0.5) > rng.uniform(-0.3, 0.3)
    return np.where(water, 0.05, ground)


def _land(label: int, rng: np.random.Generator, test: bool) -> Picture:
    name = _LAND[label]
    x, y = mesh()
    x, y = turned(x, y, angle=rng.uniform(0, 2 * np.pi))
    if name == "fields":
        light, gap = _patches(rng, points=int(rng.integers(12, 30)), flat=rng.uniform(0.6, 1.5))
        field = np.where(gap > 0.03, light, 0)
    elif name in ("town grid", "old town", "suburb"):
        field = _blocks(rng, name, x=x, y=y)
    elif name in ("strip fields", "terraces", "orchard", "dunes", "round fields", "motorway"):
        field = _orderly(rng, name, x=x, y=y)
    else:
        field = _wild(rng, name, x=x, y=y)
    haze = 0.25 * (smooth_noise(rng, 6.0) - 0.5)
    dark = np.array([0.15, 0.2, 0.15]) + 0.25 * colour(rng)
    light = np.array([0.6, 0.55, 0.4]) + 0.4 * colour(rng)
    return finish(paint(field + haze, dark, light), rng, noise=0.1)


DOMAINS = (
    Domain(
        name="cells",
        class_names=_CELLS,
        draw=_cells,
    ),
    Domain(
        name="galaxies",
        class_names=_GALAXIES,
        draw=_galaxy,
    ),
    Domain(
        name="land",
        class_names=_LAND,
        draw=_land,
    ),
)
