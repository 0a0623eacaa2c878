"""Automata and mazes: pictures of processes on a grid, a rule or an algorithm a class."""

import numpy as np
from jaxtyping import Bool, Int64
from PIL import Image

from dass.data.rendered.canvas import SIZE, Picture, mask_of, tinted
from dass.data.rendered.domain import Domain

_RULES = (18, 22, 30, 45, 54, 60, 73, 90, 105, 106, 110, 126, 150, 154)
"""Elementary rules whose pictures from random cells do not die out."""

_LIFE: tuple[str, ...] = (
    "3/23",
    "36/23",
    "3678/34678",
    "35678/5678",
    "2/",
    "345/5",
    "368/245",
    "1357/1357",
)
_LIFE += ("3/012345678", "36/125", "3/45678", "234/")
"""Birth and survival of rules like Conway's, which is the first."""


def _grid(cells: np.ndarray, rng: np.random.Generator, *, flips: float) -> Picture:
    """Draw cells as squares of 3 to 5 pixels, some of them flipped."""
    cells = cells ^ (rng.random(cells.shape) < flips)
    side = int(rng.integers(14, 19))
    top, left = rng.integers(0, cells.shape[0] - side, 2)
    cut = Image.fromarray(255 * cells[top : top + side, left : left + side].astype(np.uint8))
    return tinted(mask_of(cut.resize((SIZE, SIZE), Image.Resampling.BOX)), rng, noise=0.08)


def _elementary(label: int, rng: np.random.Generator, test: bool) -> Picture:
    table = np.array([_RULES[label] >> place & 1 for place in range(8)], dtype=bool)
    rows = np.empty((48, 96), dtype=bool)
    rows[0] = rng.random(96) < rng.uniform(0.15, 0.6)
    for step in range(47):
        row = rows[step].astype(np.int64)
        rows[step + 1] = table[4 * np.roll(row, 1) + 2 * row + np.roll(row, -1)]
    return _grid(rows[:, :48], rng, flips=0.02)


def _lifelike(label: int, rng: np.random.Generator, test: bool) -> Picture:
    born, stays = (np.isin(np.arange(9), list(map(int, part))) for part in _LIFE[label].split("/"))
    cells = rng.random((40, 40)) < rng.uniform(0.2, 0.6)
    for _ in range(int(rng.integers(5, 12))):
        near = sum(
            np.roll(cells, (dy, dx), (0, 1)).astype(np.int64)
            for dy in (-1, 0, 1)
            for dx in (-1, 0, 1)
            if dy or dx
        )
        cells = np.where(cells, stays[near], born[near])
    return _grid(cells, rng, flips=0.02)


# --- mazes ---------------------------------------------------------------------------------

_CELLS = 10
_WAYS = ((0, 1), (1, 0), (0, -1), (-1, 0))
_MAZES: tuple[str, ...] = (
    "depth first",
    "random growth",
    "binary tree",
    "sidewinder",
    "spanning tree",
)
_MAZES += ("division", "braided", "rooms", "long corridors", "half of the walls")


def _open(walls: Bool[np.ndarray, "r c"], cell: tuple[int, int], way: tuple[int, int]) -> None:
    row, column = 2 * cell[0] + 1, 2 * cell[1] + 1
    walls[row, column] = walls[row + way[0], column + way[1]] = False
    walls[row + 2 * way[0], column + 2 * way[1]] = False


def _grow(walls: Bool[np.ndarray, "r c"], rng: np.random.Generator, *, name: str) -> None:
    """Grow a tree of passages: from the newest cell, from any, or straight on where it can."""
    active = [(int(rng.integers(_CELLS)), int(rng.integers(_CELLS)))]
    seen, last = set(active), _WAYS[0]
    while active:
        place = int(rng.integers(len(active))) if name == "random growth" else len(active) - 1
        row, column = active[place]
        ways = [
            way
            for way in _WAYS
            if (row + way[0], column + way[1]) not in seen
            and 0 <= row + way[0] < _CELLS
            and 0 <= column + way[1] < _CELLS
        ]
        if not ways:
            active.pop(place)
            continue
        way = ways[int(rng.integers(len(ways)))]
        if name == "long corridors" and last in ways and rng.random() < 0.9:
            way = last
        _open(walls, (row, column), way)
        seen.add((row + way[0], column + way[1]))
        active.append((row + way[0], column + way[1]))
        last = way


def _rows(walls: Bool[np.ndarray, "r c"], rng: np.random.Generator, *, name: str) -> None:
    """Carve row by row: a way up or right of each cell, or one way up of each run of cells."""
    for row in range(_CELLS):
        start = 0
        for column in range(_CELLS):
            right = column < _CELLS - 1 and (row == 0 or rng.random() < 0.5)
            if right:
                _open(walls, (row, column), (0, 1))
            elif row:
                up = column if name == "binary tree" else int(rng.integers(start, column + 1))
                _open(walls, (row, up), (-1, 0))
            if not right:
                start = column + 1


def _spanning(walls: Bool[np.ndarray, "r c"], rng: np.random.Generator) -> None:
    """Join cells in random order wherever they are not joined yet (Kruskal)."""
    parent: Int64[np.ndarray, " n"] = np.arange(_CELLS**2)
    edges = [(r, c, w) for r in range(_CELLS) for c in range(_CELLS) for w in _WAYS[:2]]
    for place in rng.permutation(len(edges)):
        row, column, way = edges[place]
        other = row + way[0], column + way[1]
        if max(other) < _CELLS:
            first, second = parent[row * _CELLS + column], parent[other[0] * _CELLS + other[1]]
            if first != second:
                parent[parent == first] = second
                _open(walls, (row, column), way)


def _divide(walls: Bool[np.ndarray, "r c"], rng: np.random.Generator) -> None:
    """Halve open space by walls with one gap each, again and again."""
    walls[1:-1, 1:-1] = False
    spaces = [(0, 0, _CELLS, _CELLS)]
    while spaces:
        top, left, height, width = spaces.pop()
        if min(height, width) < 2:
            continue
        if height > width or (height == width and rng.random() < 0.5):
            cut = int(rng.integers(1, height))
            row, gap = 2 * (top + cut), 2 * (left + int(rng.integers(width))) + 1
            walls[row, 2 * left : 2 * (left + width) + 1] = True
            walls[row, gap] = False
            spaces += [(top, left, cut, width), (top + cut, left, height - cut, width)]
        else:
            cut = int(rng.integers(1, width))
            column, gap = 2 * (left + cut), 2 * (top + int(rng.integers(height))) + 1
            walls[2 * top : 2 * (top + height) + 1, column] = True
            walls[gap, column] = False
            spaces += [(top, left, height, cut), (top, left + cut, height, width - cut)]


def _maze(label: int, rng: np.random.Generator, test: bool) -> Picture:
    name = _MAZES[label]
    walls = np.ones((2 * _CELLS + 1, 2 * _CELLS + 1), dtype=bool)
    if name in ("binary tree", "sidewinder"):
        _rows(walls, rng, name=name)
        walls = np.rot90(walls, int(rng.integers(4))).copy()
    elif name == "spanning tree":
        _spanning(walls, rng)
    elif name == "division":
        _divide(walls, rng)
    else:
        _grow(walls, rng, name=name)
    if name in ("braided", "rooms", "half of the walls"):
        share = {"braided": 0.15, "rooms": 0.0, "half of the walls": 0.5}[name]
        walls[1:-1, 1:-1] &= rng.random((2 * _CELLS - 1, 2 * _CELLS - 1)) >= share
    if name == "rooms":
        for row, column in rng.integers(1, 2 * _CELLS - 5, (4, 2)):
            walls[row : row + 5, column : column + 5] = False
    picture = Image.fromarray(255 * walls.astype(np.uint8)).resize(
        (SIZE, SIZE), Image.Resampling.BOX
    )
    return tinted(mask_of(picture), rng, noise=0.1)


DOMAINS = (
    Domain(
        name="automata",
        class_names=tuple(f"rule {rule}" for rule in _RULES),
        draw=_elementary,
    ),
    Domain(
        name="lifelike",
        class_names=tuple(_LIFE),
        draw=_lifelike,
    ),
    Domain(
        name="mazes",
        class_names=_MAZES,
        draw=_maze,
    ),
)
