"""The catalogue of rendered domains: what each shows, how much of it, and what it needs.

Plain facts that command lines ask for; how pictures are drawn stands in the modules beside, which
are slow to import. Knows nothing of drawing.
"""

import difflib
from dataclasses import dataclass

from dass.errors import UnknownName


@dataclass(frozen=True, kw_only=True, slots=True)
class Facts:
    """What is known of a domain without drawing it."""

    group: str
    """Origin: domains of one group resemble each other, and are left out together."""
    shows: str
    """What its pictures show, in a few words."""
    classes: int
    """Number of classes."""
    train: int
    """Images of each class in the train part."""
    test: int
    """Images of each class in the test part."""
    flip: bool = False
    """Does a mirrored picture stay in its class?"""
    needs: str = ""
    """What must be installed, as Debian calls it; empty if nothing must."""


def _script(*, fonts: int, others: int, needs: str) -> Facts:
    return Facts(
        group="glyphs",
        shows=f"20 characters, {fonts} fonts in training, {others} others in test",
        classes=20,
        train=75,
        test=30,
        needs=needs,
    )


CATALOGUE: dict[str, Facts] = {
    "devanagari": _script(fonts=8, others=4, needs="fonts-noto-core fonts-noto-extra"),
    "ethiopic": _script(fonts=8, others=4, needs="fonts-noto-core fonts-noto-extra"),
    "thai": _script(fonts=8, others=4, needs="fonts-noto-core fonts-noto-extra"),
    "arabic": _script(fonts=8, others=2, needs="fonts-noto-core fonts-noto-extra"),
    "hangul": _script(fonts=3, others=1, needs="fonts-noto-cjk"),
    "hanzi": _script(fonts=3, others=1, needs="fonts-noto-cjk"),
    "words": Facts(
        group="glyphs",
        shows="English words a letter or two apart, in either case; other fonts in test",
        classes=22,
        train=60,
        test=30,
        needs="fonts-dejavu-core fonts-freefont-ttf fonts-noto-core fonts-noto-extra",
    ),
    "faces": Facts(
        group="icons",
        shows="thirty faces of emoji",
        classes=30,
        train=45,
        test=24,
        needs="fonts-noto-color-emoji",
    ),
    "emoji": Facts(
        group="icons",
        shows="emoji of animals, food, vehicles, houses",
        classes=40,
        train=32,
        test=18,
        flip=True,
        needs="fonts-noto-color-emoji",
    ),
    "pictograms": Facts(
        group="icons",
        shows="signs of an icon font, small or large, with clutter",
        classes=30,
        train=45,
        test=24,
        needs="fonts-material-design-icons-iconfont",
    ),
    "curves": Facts(
        group="lines",
        shows="Lissajous figures, roses, hypotrochoids and torus knots, a ratio a class",
        classes=20,
        train=55,
        test=35,
    ),
    "strokes": Facts(
        group="glyphs",
        shows="letters of an invented script, each of one to three shaken strokes",
        classes=24,
        train=60,
        test=30,
    ),
    "charts": Facts(
        group="charts",
        shows="charts of sixteen kinds without text",
        classes=16,
        train=70,
        test=40,
    ),
    "functions": Facts(
        group="charts",
        shows="plots of functions of twenty families, upright or upside down",
        classes=20,
        train=60,
        test=35,
    ),
    "gabor": Facts(
        group="textures",
        shows="patches of two to four waves, their directions and lengths a class",
        classes=20,
        train=60,
        test=35,
    ),
    "noises": Facts(
        group="textures",
        shows="noise of fifteen kinds: spectral, Worley, ridged, marble, wood, foam",
        classes=15,
        train=80,
        test=45,
    ),
    "turing": Facts(
        group="textures",
        shows="patterns of activator and inhibitor, by their reach and balance",
        classes=12,
        train=100,
        test=55,
    ),
    "moire": Facts(
        group="textures",
        shows="two gratings on each other: lines, circles, rays, waves, spirals",
        classes=15,
        train=80,
        test=45,
    ),
    "fractals": Facts(
        group="fractals",
        shows="attractors of affine iterated function systems, a system a class",
        classes=24,
        train=50,
        test=30,
    ),
    "julia": Facts(
        group="fractals",
        shows="cuttings of Julia sets, a constant a class",
        classes=15,
        train=90,
        test=45,
    ),
    "automata": Facts(
        group="grids",
        shows="elementary cellular automata from random cells, time downwards",
        classes=14,
        train=100,
        test=50,
    ),
    "lifelike": Facts(
        group="grids",
        shows="two-dimensional automata after 5 to 11 steps, by births and survivals",
        classes=12,
        train=100,
        test=55,
        flip=True,
    ),
    "mazes": Facts(
        group="grids",
        shows="mazes, by the algorithm that made them",
        classes=10,
        train=120,
        test=60,
    ),
    "solids": Facts(
        group="solids",
        shows="one shaded solid in any pose and light on a cloudy ground",
        classes=12,
        train=120,
        test=60,
        flip=True,
    ),
    "cells": Facts(
        group="microscopy",
        shows="cells under a microscope, by form and by what fills them",
        classes=16,
        train=80,
        test=40,
        flip=True,
    ),
    "galaxies": Facts(
        group="sky",
        shows="galaxies of twelve kinds between stars",
        classes=12,
        train=110,
        test=50,
        flip=True,
    ),
    "land": Facts(
        group="land",
        shows="land from above: fields, towns, water, woods",
        classes=16,
        train=70,
        test=40,
        flip=True,
    ),
    "tartans": Facts(
        group="textures",
        shows="tartans, a sett a class, the dyes of each bolt a little different",
        classes=30,
        train=40,
        test=24,
        flip=True,
    ),
    "weaves": Facts(
        group="textures",
        shows="weaves near by, a draft a class, turned and bent",
        classes=12,
        train=110,
        test=50,
    ),
    "flags": Facts(
        group="emblems",
        shows="flags in the wind in any colours, a layout a class",
        classes=14,
        train=100,
        test=50,
    ),
    "instruments": Facts(
        group="sound by formula",
        shows="spectrograms of a note or three of sixteen synthetic instruments, in noise",
        classes=16,
        train=70,
        test=40,
    ),
    "signals": Facts(
        group="sound by formula",
        shows="spectrograms of modulated carriers in heavy noise",
        classes=16,
        train=100,
        test=40,
    ),
    "birdsong": Facts(
        group="sound by formula",
        shows="spectrograms of invented birds, each with three syllables",
        classes=20,
        train=60,
        test=35,
    ),
    "commands": Facts(
        group="speech",
        shows="spectrograms of twenty spoken words; other voices in test",
        classes=20,
        train=65,
        test=30,
        needs="espeak-ng",
    ),
    "accents": Facts(
        group="speech",
        shows="spectrograms of the same words in twelve languages' accents; other voices in test",
        classes=12,
        train=120,
        test=50,
        needs="espeak-ng",
    ),
}
"""Every domain, by the name after `rendered:`."""


def facts(name: str) -> Facts:
    """Return the facts of a domain.

    Raises:
        UnknownName: None is called that.
    """
    if name not in CATALOGUE:
        close = difflib.get_close_matches(name, CATALOGUE, n=3) or sorted(CATALOGUE)
        raise UnknownName(
            f"`rendered:NAME` must name a domain that can be drawn, but got {name!r}: "
            f"try {', '.join(close)}"
        )
    return CATALOGUE[name]
