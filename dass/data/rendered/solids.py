"""Solids: shapes of signed distance functions, seen by marching rays, in random pose and light."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from dass.data.rendered.canvas import (
    SIZE,
    Picture,
    backdrop,
    colour,
    finish,
    mesh,
)
from dass.data.rendered.domain import Domain

Points = Float[np.ndarray, "n 3"]
Distances = Float[np.ndarray, " n"]


def _length(*parts: np.ndarray) -> np.ndarray:
    return np.asarray(np.sqrt(sum(part * part for part in parts)))


def _box(p: Points, *half: float) -> Distances:
    q = np.abs(p) - np.array(half)
    return np.asarray(_length(*np.maximum(q, 0).T) + np.minimum(q.max(1), 0))


def _cylinder(p: Points, radius: float, half: float) -> Distances:
    q = np.stack([_length(p[:, 0], p[:, 2]) - radius, np.abs(p[:, 1]) - half], 1)
    return np.asarray(_length(*np.maximum(q, 0).T) + np.minimum(q.max(1), 0))


def _torus(p: Points, radius: float, tube: float) -> Distances:
    return _length(_length(p[:, 0], p[:, 2]) - radius, p[:, 1]) - tube


def _cone(p: Points, sides: int = 0) -> Distances:
    radius = _length(p[:, 0], p[:, 2])
    if sides:
        angle = np.arctan2(p[:, 2], p[:, 0])
        sector = 2 * np.pi / sides
        radius = radius * np.cos((angle + sector / 2) % sector - sector / 2)
    return np.maximum((radius + 0.5 * p[:, 1] - 0.4) * 0.8, -p[:, 1] - 0.7)


def _prism(p: Points, sides: int) -> Distances:
    radius, angle = _length(p[:, 0], p[:, 2]), np.arctan2(p[:, 2], p[:, 0])
    sector = 2 * np.pi / sides
    across = radius * np.cos((angle + sector / 2) % sector - sector / 2) - 0.5
    return np.asarray(np.maximum(across, np.abs(p[:, 1]) - 0.6))


def _capsule(p: Points) -> Distances:
    y = p[:, 1] - np.clip(p[:, 1], -0.55, 0.55)
    return _length(p[:, 0], y, p[:, 2]) - 0.35


SHAPES: dict[str, Callable[[Points], Distances]] = {
    "ball": lambda p: _length(*p.T) - 0.75,
    "cube": lambda p: _box(p, 0.55, 0.55, 0.55),
    "cylinder": lambda p: _cylinder(p, 0.5, 0.6),
    "capsule": _capsule,
    "torus": lambda p: _torus(p, 0.6, 0.22),
    "cone": _cone,
    "pyramid": lambda p: _cone(p, 4),
    "triangular prism": lambda p: _prism(p, 3),
    "octahedron": lambda p: (np.abs(p).sum(1) - 0.95) * 0.577,
    "tube": lambda p: np.maximum(_cylinder(p, 0.6, 0.6), 0.38 - _length(p[:, 0], p[:, 2])),
    "cross": lambda p: np.minimum.reduce(
        [_box(p, 0.8, 0.25, 0.25), _box(p, 0.25, 0.8, 0.25), _box(p, 0.25, 0.25, 0.8)]
    ),
    "dumb-bell": lambda p: np.minimum(
        _length(p[:, 0], np.abs(p[:, 1]) - 0.55, p[:, 2]) - 0.36, _cylinder(p, 0.14, 0.55)
    ),
}
"""Distance to each shape, negative inside; a bound where the true one is not known."""


def _pose(rng: np.random.Generator) -> Float[np.ndarray, "3 3"]:
    q = rng.standard_normal((3, 3))
    basis, upper = np.linalg.qr(q)
    return np.asarray(basis * np.sign(np.diag(upper)))


def _march(shape: Callable[[Points], Distances], start: Points, along: Points) -> Distances:
    """Return how far each ray goes to the shape, 3 and more where it passes by."""
    depth = np.zeros(len(start))
    for _ in range(22):
        depth = np.minimum(depth + shape(start + depth[:, None] * along), 3.5)
    return depth


def _solid(label: int, rng: np.random.Generator, test: bool) -> Picture:
    shape = tuple(SHAPES.values())[label]
    x, y = mesh(SIZE // 2)
    dx, dy = rng.uniform(-0.15, 0.15, 2)
    zoom = rng.uniform(0.95, 1.3)
    stretch = rng.uniform(0.85, 1.15, 3)
    turn = _pose(rng)
    start = np.stack([zoom * (x - dx).ravel(), zoom * (y - dy).ravel(), np.full(x.size, -1.6)], 1)
    start, along = (start @ turn) / stretch, np.tile((turn[2] / stretch), (x.size, 1))
    along /= np.linalg.norm(along, axis=1, keepdims=True)
    depth = _march(shape, start, along)
    hit = depth < 3.2
    at = start + depth[:, None] * along
    steps = 1e-3 * np.eye(3)
    normal = np.stack([shape(at + step) - shape(at - step) for step in steps], 1)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True) + 1e-9
    light = rng.standard_normal(3)
    light -= 1.5 * turn[2] * np.sign(light @ turn[2]) * (light @ turn[2] > 0)
    shade = 0.25 + 0.75 * np.clip(normal @ (light / np.linalg.norm(light)), 0, 1)
    body = 0.6 + 0.4 * colour(rng)
    ground = backdrop(rng, 0.4 * colour(rng), strength=0.25)
    side = SIZE // 2
    seen = (shade[:, None] * body).reshape(side, side, 3).repeat(2, 0).repeat(2, 1)
    hit = hit.reshape(side, side, 1).repeat(2, 0).repeat(2, 1)
    return finish(np.where(hit, seen, ground), rng, noise=0.04)


DOMAINS = (
    Domain(
        name="solids",
        class_names=tuple(SHAPES),
        draw=_solid,
    ),
)
