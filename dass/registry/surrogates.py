"""Surrogates at rest: tensors of the process, and plain numbers of everything else.

They are part of a predictor's artifact, under the prefix `surrogate.`. Knows nothing of where
that is kept.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from torch import Tensor

from dass.decoding import decode
from dass.errors import CorruptArtifact
from dass.predictor.level import LevelModel, Line
from dass.predictor.process import Hyperparameters, Process
from dass.predictor.surrogate import Fidelity, Surrogate

PREFIX = "surrogate."
_PROCESS = ("inducing", "mean", "factor")
_INPUTS = ("centre", "scale")
_PER_INPUT = ("shared_lengths", "own_lengths", "shared_slopes", "own_slopes")


@dataclass(frozen=True, kw_only=True, slots=True)
class _Manifest:
    """The plain numbers; fidelities are triples of epochs, ratio and noise."""

    level: dict[str, Any]
    spread: dict[str, Any]
    fidelities: tuple[tuple[float, ...], ...]
    widening: tuple[float, ...]


def pack_surrogate(surrogate: Surrogate) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a surrogate as values of JSON and tensors by name."""
    process = surrogate.process
    tensors = process.hyperparameters.tensors()
    tensors |= {name: getattr(process, name) for name in _PROCESS}
    tensors |= {name: getattr(surrogate, name) for name in _INPUTS}
    plain = {
        "level": asdict(surrogate.level.level),
        "spread": asdict(surrogate.level.spread),
        "fidelities": [
            [epochs, one.ratio, one.noise] for epochs, one in sorted(surrogate.fidelities.items())
        ],
        "widening": list(surrogate.widening),
    }
    return plain, {PREFIX + name: tensor for name, tensor in tensors.items()}


def unpack_surrogate(
    plain: Mapping[str, Any], weights: Mapping[str, Tensor], *, where: str
) -> Surrogate:
    """Read what `pack_surrogate` made.

    Raises:
        CorruptArtifact: something is missing, of another shape, or not finite.
    """
    facts = decode(_Manifest, plain, what=f"the surrogate of {where}", error=CorruptArtifact)
    tensors = {n.removeprefix(PREFIX): t for n, t in weights.items() if n.startswith(PREFIX)}
    _check(facts, tensors, where=where)
    names = list(Hyperparameters.usual(1).tensors())
    process = Process(
        Hyperparameters(*(tensors[name] for name in names)),
        *(tensors[name] for name in _PROCESS),
    )
    return Surrogate(
        process=process,
        level=LevelModel(*(_line(one, where=where) for one in (facts.level, facts.spread))),
        centre=tensors["centre"],
        scale=tensors["scale"],
        fidelities={int(e): Fidelity(ratio, noise) for e, ratio, noise in facts.fidelities},
        widening=(facts.widening[0], facts.widening[1]),
    )


def _line(plain: Mapping[str, Any], *, where: str) -> Line:
    line = decode(Line, plain, what=f"a line of {where}", error=CorruptArtifact)
    if len(line.slopes) != 2 or not all(map(math.isfinite, (line.offset, line.std, *line.slopes))):
        raise CorruptArtifact(
            f"a line of {where} must have two slopes and finite numbers, but has {line}"
        )
    return line


def _check(facts: _Manifest, tensors: Mapping[str, Tensor], *, where: str) -> None:
    if "inducing" not in tensors or tensors["inducing"].dim() != 2:
        raise CorruptArtifact(f"the surrogate of {where} must have a matrix of inducing points")
    m, d = tensors["inducing"].shape
    shapes = {
        **{name: (d,) for name in (*_PER_INPUT, *_INPUTS)},
        **{name: () for name in ("shared_variance", "own_variance", "noise_variance")},
        **{"inducing": (m, d), "mean": (m + d,), "factor": (m + d, m + d)},
    }
    found = {name: tuple(tensor.shape) for name, tensor in tensors.items()}
    if found != shapes:
        raise CorruptArtifact(
            f"tensors of the surrogate of {where} must have the shapes {shapes}, but have {found}"
        )
    if len(facts.widening) != 2 or any(len(triple) != 3 for triple in facts.fidelities):
        raise CorruptArtifact(
            f"the surrogate of {where} must have two factors of width and triples of fidelities, "
            f"but has {facts.widening} and {facts.fidelities}"
        )
