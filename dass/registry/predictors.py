"""Predictors as artifacts: ensembles, their reference and surrogate, and a card.

A card says how a predictor came about. Knows nothing of where they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Any

import torch
from torch import Tensor

from dass.decoding import decode
from dass.errors import CorruptArtifact, DassError, InvalidConfig, UnknownName
from dass.predictor.ensemble import Ensemble
from dass.predictor.network import Predictor
from dass.predictor.network_config import PredictorConfig
from dass.predictor.ood import Reference
from dass.registry.artifacts import Files, fill, pack, unpack
from dass.registry.surrogates import PREFIX, pack_surrogate, unpack_surrogate


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictorManifest:
    """The manifest of a predictor, by its names on disk."""

    members: tuple[dict[str, Any], ...]
    noise: float = 0.0
    known: dict[str, Any] | None = None
    surrogate: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)


def pack_ensemble(ensemble: Ensemble, card: Mapping[str, Any]) -> dict[str, bytes]:
    """Make an artifact of a predictor; `card` says how it was trained and what it reached."""
    weights = {
        f"{index}.{name}": tensor
        for index, member in enumerate(ensemble.members)
        for name, tensor in member.state_dict().items()
    }
    members = [asdict(member.config) for member in ensemble.members]
    known = None if ensemble.reference is None else ensemble.reference.to_plain()
    config = {"members": members, "noise": ensemble.noise, "known": known, "card": dict(card)}
    if ensemble.surrogate is not None:
        config["surrogate"], tensors = pack_surrogate(ensemble.surrogate)
        weights |= tensors
    return pack("predictor", config, weights)


def unpack_ensemble(
    files: Files, *, space: str | None = None, recipe: str | None = None, where: str = "predictor"
) -> tuple[Ensemble, dict[str, Any]]:
    """Read a predictor and its card.

    Args:
        files: the artifact.
        space: name of the space it is wanted for, if any.
        recipe: name of the student recipe it is wanted for, if any.
        where: its name, for errors.

    Raises:
        CorruptArtifact: the files are broken, or made for another space or recipe.
    """
    config, weights = unpack(files, kind="predictor", where=where)
    facts = decode(PredictorManifest, config, what=where, error=CorruptArtifact, extra=True)
    unread = {name for name in weights if not (facts.surrogate and name.startswith(PREFIX))}
    members = []
    for index, settings in enumerate(facts.members):
        prefix = f"{index}."
        own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
        members.append(_member(settings, own, where=f"member {index} of {where}"))
        unread -= {prefix + name for name in own}
    if not members or unread:
        raise CorruptArtifact(
            f"{where} must have members, at least one, and weights of theirs only, but has "
            f"{len(members)} members and {sorted(unread)[:6]} besides"
        )
    _check_purpose(members, space=space, recipe=recipe, where=where)
    try:
        reference = None if facts.known is None else Reference.from_plain(facts.known)
        ensemble = Ensemble(tuple(members), facts.noise, reference)
    except DassError as error:
        raise CorruptArtifact(
            f"`noise` must be a number and `known` what `dass.predictor.ood` writes in {where}, "
            f"but: {error}"
        ) from error
    if facts.surrogate:
        surrogate = unpack_surrogate(facts.surrogate, weights, where=where)
        ensemble = replace(ensemble, surrogate=surrogate)
    return ensemble, facts.card


def _member(
    settings: Mapping[str, Any], weights: Mapping[str, Tensor], *, where: str
) -> Predictor:
    """Return a predictor of these settings, each of which must be there, and weights."""
    names = sorted(f.name for f in fields(PredictorConfig))
    if sorted(settings) != names:
        raise CorruptArtifact(
            f"{where} must have the settings {names}, but has {sorted(settings)}"
        )
    try:
        shape = decode(PredictorConfig, settings, what=where, error=CorruptArtifact)
        predictor = Predictor(shape, generator=torch.Generator())
    except (InvalidConfig, UnknownName, RuntimeError) as error:  # torch on absurd sizes
        raise CorruptArtifact(f"{where} is unusable: {error}") from error
    fill(predictor, weights, where=where)
    return predictor.eval()


def _check_purpose(
    members: Sequence[Predictor], *, space: str | None, recipe: str | None, where: str
) -> None:
    for name, wanted in (("space", space), ("recipe", recipe)):
        found = sorted({getattr(member.config, name) for member in members})
        if wanted is not None and found != [wanted]:
            raise CorruptArtifact(
                f"a predictor for {name} {wanted!r} is needed, but {where} was trained for "
                f"{', '.join(map(repr, found))}; train one with `python -m jobs.train`"
            )
