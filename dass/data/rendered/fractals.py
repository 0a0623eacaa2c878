"""Fractals: iterated function systems, and Julia sets of neighbouring constants.

Each class is a formula; its pictures differ in constants near it, pose, colours and noise.
"""

import numpy as np
from jaxtyping import Float

from dass.data.rendered.canvas import SIZE, Picture, placed, tinted, unit
from dass.data.rendered.domain import Domain

SYSTEMS = 24
"""Classes of `fractals`."""

_POINTS, _STEPS = 500, 24


def _system(label: int) -> Float[np.ndarray, "k 2 3"]:
    """Return the affine maps of a class: contractions that do not shrink all to a point."""
    rng = np.random.default_rng([7, label])
    maps = []
    for _ in range(2 + label % 3):
        left, right = rng.uniform(0, 2 * np.pi, 2)
        scales = rng.uniform(0.45, 0.85), rng.uniform(0.2, 0.75)
        turn = np.array([[np.cos(left), -np.sin(left)], [np.sin(left), np.cos(left)]])
        back = np.array([[np.cos(right), -np.sin(right)], [np.sin(right), np.cos(right)]])
        linear = turn @ np.diag(scales) @ back
        maps.append(np.column_stack([linear, rng.uniform(-1, 1, 2)]))
    return np.array(maps)


def _attractor(label: int, rng: np.random.Generator, test: bool) -> Picture:
    maps = _system(label)
    maps = maps + rng.normal(0, 0.06, maps.shape)
    areas = np.abs(np.linalg.det(maps[:, :, :2])) + 0.03
    chosen = rng.choice(len(maps), size=(_STEPS, _POINTS), p=areas / areas.sum())
    points = rng.uniform(-1, 1, (_POINTS, 2))
    kept = []
    for step, each in enumerate(chosen):
        points = np.einsum("nij,nj->ni", maps[each, :, :2], points) + maps[each, :, 2]
        points = np.clip(points, -9, 9)
        if step >= 8:
            kept.append(points)
    cloud = np.concatenate(kept)
    cloud = (cloud - cloud.mean(0)) / (2.2 * cloud.std() + 1e-9)
    angle = rng.uniform(-0.6, 0.6)
    spin = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cloud = cloud @ spin * rng.uniform(0.7, 1.1) + rng.uniform(-0.15, 0.15, 2)
    counts, _, _ = np.histogram2d(
        cloud[:, 0], cloud[:, 1], bins=SIZE, range=((-1.0, 1.0), (-1.0, 1.0))
    )
    return tinted(np.minimum(unit(np.log1p(counts)) * 1.5, 1), rng, noise=0.08)


_CONSTANTS: tuple[complex, ...] = (
    -0.8 + 0.156j,
    -0.4 + 0.6j,
    0.285 + 0.01j,
    -0.7269 + 0.1889j,
    0.355 + 0.355j,
)
_CONSTANTS += (-0.54 + 0.54j, 0.37 + 0.1j, -0.1 + 0.651j, -1.0 + 0.2j, -0.194 + 0.6557j)
_CONSTANTS += (-0.62 + 0.43j, 0.0 + 0.8j, -1.25 + 0.05j, -0.22 - 0.7j, 0.32 - 0.45j)


def _julia(label: int, rng: np.random.Generator, test: bool) -> Picture:
    constant = _CONSTANTS[label] + complex(*rng.normal(0, 0.02, 2))
    x, y = placed(rng, shift=0.7, low=0.6, high=1.4)
    z = 1.3 * (x + 1j * y)
    ages = np.zeros(z.shape)
    for _ in range(32):
        z = z * z + constant
        inside = np.abs(z) < 2
        ages += inside
        z = np.where(inside, z, 2)
    waves = rng.uniform(0.5, 1.5)
    return tinted(0.5 - 0.5 * np.cos(np.pi * waves * np.log1p(ages)), rng, noise=0.08)


DOMAINS = (
    Domain(
        name="fractals",
        class_names=tuple(f"system {i:02d}" for i in range(SYSTEMS)),
        draw=_attractor,
    ),
    Domain(
        name="julia",
        class_names=tuple(f"c = {c:.3f}" for c in _CONSTANTS),
        draw=_julia,
    ),
)
