"""Teachers, students and predictors as files: `weights.safetensors` and, last, `config.json`.

An artifact is a mapping from file name to bytes, so that any store can hold it; `config.json` is
the manifest, and its existence means that the artifact is whole. Nothing is ever pickled, and no
pickle is ever loaded. Where artifacts lie is not known here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_tensors
from safetensors.torch import save as save_tensors
from torch import Tensor, nn

from dass.data.task import TaskConfig
from dass.errors import CorruptArtifact, DassError, InvalidConfig, UnknownName
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.network import Predictor, PredictorConfig
from dass.predictor.ood import Reference
from dass.space.architecture import Architecture
from dass.space.space import by_name

FORMAT = 1
"""Raised when an old reader could misread a new file."""

MANIFEST = "config.json"
WEIGHTS = "weights.safetensors"

Files = Mapping[str, bytes]
"""An artifact: bytes by file name, in the order of writing."""


def pack(kind: str, config: Mapping[str, Any], weights: Mapping[str, Tensor]) -> dict[str, bytes]:
    """Make an artifact of JSON values and tensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in weights.items()}
    manifest = {"format": FORMAT, "kind": kind} | dict(config)
    text = json.dumps(manifest, indent=2, allow_nan=False)
    return {WEIGHTS: save_tensors(tensors), MANIFEST: text.encode()}


def unpack(
    files: Files, *, kind: str, where: str = "artifact"
) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Read an artifact's config and tensors.

    Raises:
        CorruptArtifact: a file is missing, broken or of another kind or format.
    """
    for name in (MANIFEST, WEIGHTS):
        if name not in files:
            raise CorruptArtifact(f"{where} must have {name}, but has only {sorted(files)}")
    config = facts(files[MANIFEST], kind=kind, where=where)
    return config, tensors(files[WEIGHTS], where=where)


def facts(manifest: bytes, *, kind: str, where: str = "artifact") -> dict[str, Any]:
    """Read an artifact's manifest alone.

    Raises:
        CorruptArtifact: it is no JSON, or of another kind or format.
    """
    try:
        config = json.loads(manifest)
    except ValueError as error:
        raise CorruptArtifact(f"{MANIFEST} of {where} must be JSON, but got: {error}") from error
    if not isinstance(config, dict) or config.get("format") != FORMAT:
        found = config.get("format") if isinstance(config, dict) else type(config).__name__
        raise CorruptArtifact(
            f"{where} must have format {FORMAT}, but has {found!r}; it was written by another "
            "version of this project"
        )
    if config.get("kind") != kind:
        raise CorruptArtifact(f"{where} must be a {kind}, but is a {config.get('kind')!r}")
    return config


def tensors(data: bytes, *, where: str = "the file") -> dict[str, Tensor]:
    """Read a safetensors file whose floating-point tensors are all finite.

    Raises:
        CorruptArtifact: it is a pickle, is truncated, or holds NaN or infinity.
    """
    # A length comes first, whose lowest byte may well be a pickle's first; then a brace.
    if data[8:9] != b"{" and (data[:1] == b"\x80" or data[:2] == b"PK"):
        raise CorruptArtifact(
            f"weights of {where} must be safetensors, but are a pickle, which could run any code; "
            "convert them where you trust them: safetensors.torch.save_file(state_dict, path)"
        )
    try:
        loaded = load_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CorruptArtifact(
            f"weights of {where} must be a whole safetensors file, but got {len(data)} bytes that "
            f"are truncated or something else: {error}"
        ) from error
    for name, tensor in loaded.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CorruptArtifact(
                f"weights of {where} must be finite, but {name!r} has NaN or infinity"
            )
    return loaded


def fill(module: nn.Module, weights: Mapping[str, Tensor], *, where: str) -> None:
    """Load weights into a module, all of them and no others.

    Raises:
        CorruptArtifact: lists the names that are missing, unknown or of another shape.
    """
    expected = module.state_dict()
    # Counters of batch norms steer nothing at a fixed momentum; many exporters drop them.
    optional = {name for name in expected if name.endswith("num_batches_tracked")}
    problems = [f"{n} is missing" for n in expected if n not in weights and n not in optional]
    problems += [f"{n} is unknown" for n in weights if n not in expected]
    problems += [
        f"{n} must be {tuple(t.shape)} but is {tuple(weights[n].shape)}"
        for n, t in expected.items()
        if n in weights and weights[n].shape != t.shape
    ]
    if problems:
        more = f" and {len(problems) - 6} more" if len(problems) > 6 else ""
        raise CorruptArtifact(
            f"weights of {where} must have the names and shapes of {type(module).__name__}: "
            f"{'; '.join(problems[:6])}{more}"
        )
    module.load_state_dict(expected | dict(weights))


def _need(config: Mapping[str, Any], name: str, kinds: type | tuple[type, ...], where: str) -> Any:
    if not isinstance(config.get(name), kinds):
        raise CorruptArtifact(
            f"{MANIFEST} of {where} must have `{name}`, but got {config.get(name)!r}"
        )
    return config[name]


# --- networks ------------------------------------------------------------------------------


def pack_network(network: ResNet, *, kind: str, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Make an artifact of a network and facts about it (JSON values)."""
    config = {
        "space": network.space.name,
        "architecture": str(network.architecture),
        "num_classes": network.num_classes,
    }
    return pack(kind, config | dict(facts), network.state_dict())


def unpack_network(files: Files, *, kind: str, where: str) -> tuple[ResNet, dict[str, Any]]:
    """Read a network and the facts about it.

    Raises:
        CorruptArtifact: the files are broken, or the weights do not fit the architecture.
    """
    config, weights = unpack(files, kind=kind, where=where)
    try:
        network = ResNet(
            by_name(_need(config, "space", str, where)),
            Architecture.parse(_need(config, "architecture", str, where)),
            num_classes=_need(config, "num_classes", int, where),
        )
    except CorruptArtifact:
        raise
    except (DassError, TypeError, RuntimeError) as error:  # torch on absurd `num_classes`
        raise CorruptArtifact(f"{MANIFEST} of {where} must fit its space: {error}") from error
    fill(network, weights, where=where)
    return network.eval(), config


def pack_student(network: ResNet, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Make an artifact of a trained student; `facts` is its record."""
    return pack_network(network, kind="student", facts=facts)


def unpack_student(files: Files, *, where: str = "student") -> tuple[ResNet, dict[str, Any]]:
    """Read a trained student and its facts."""
    return unpack_network(files, kind="student", where=where)


def pack_teacher(teacher: Teacher, facts: Mapping[str, Any] | None = None) -> dict[str, bytes]:
    """Make an artifact of a teacher."""
    own = {
        "name": teacher.name,
        "accuracy": teacher.accuracy,
        "test_accuracy": teacher.test_accuracy,
        "task": None if teacher.task is None else teacher.task.to_dict(),
    }
    return pack_network(teacher.network, kind="teacher", facts=own | dict(facts or {}))


def unpack_teacher(files: Files, *, where: str = "teacher") -> Teacher:
    """Read a teacher.

    Raises:
        CorruptArtifact: the files are broken, or no largest member of a space.
    """
    network, config = unpack_network(files, kind="teacher", where=where)
    task, test = config.get("task"), config.get("test_accuracy")
    try:
        return Teacher(
            name=_need(config, "name", str, where),
            network=network,
            accuracy=float(_need(config, "accuracy", (int, float), where)),
            test_accuracy=None if test is None else float(test),
            task=None if task is None else TaskConfig.from_dict(task),
        )
    except CorruptArtifact:
        raise
    except (DassError, AttributeError, TypeError, ValueError) as error:
        raise CorruptArtifact(f"{MANIFEST} of {where} is unusable: {error}") from error


# --- predictors ----------------------------------------------------------------------------


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
    members: list[Predictor] = []
    unread = set(weights)
    for index, member in enumerate(_need(config, "members", list, where)):
        try:
            shape = PredictorConfig(**_settings(member, where))
            predictor = Predictor(shape, generator=torch.Generator())
        except (InvalidConfig, UnknownName, RuntimeError) as error:  # torch on absurd sizes
            raise CorruptArtifact(f"member {index} of {where} is unusable: {error}") from error
        prefix = f"{index}."
        own = {n.removeprefix(prefix): t for n, t in weights.items() if n.startswith(prefix)}
        fill(predictor, own, where=f"member {index} of {where}")
        unread -= {prefix + name for name in own}
        members.append(predictor.eval())
    if not members or unread:
        raise CorruptArtifact(
            f"{where} must have members, at least one, and weights of theirs only, but has "
            f"{len(members)} members and {sorted(unread)[:6]} besides"
        )
    _check_purpose(members, space=space, recipe=recipe, where=where)
    try:
        known = config.get("known")
        reference = None if known is None else Reference.from_plain(known)
        ensemble = Ensemble(tuple(members), float(config.get("noise", 0.0)), reference)
    except (DassError, TypeError, ValueError) as error:
        raise CorruptArtifact(
            f"`noise` must be a number and `known` what `dass.predictor.ood` writes in {where}, "
            f"but: {error}"
        ) from error
    return ensemble, config.get("card", {})


def _settings(member: object, where: str) -> dict[str, Any]:
    """Check that a member has every setting, each of the type its default has."""
    types = {n: type(v) for n, v in asdict(PredictorConfig(space="micro", recipe="")).items()}
    if not isinstance(member, dict) or set(member) != set(types):
        raise CorruptArtifact(f"members of {where} must have the settings {sorted(types)}")
    for name, kind in types.items():
        if type(member[name]) is not kind and not (kind is float and type(member[name]) is int):
            raise CorruptArtifact(
                f"`{name}` of a member of {where} must be a {kind.__name__}, "
                f"but got {member[name]!r}"
            )
    return member


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


# --- folders -------------------------------------------------------------------------------


def save_folder(folder: Path, files: Files) -> None:
    """Write an artifact to a local folder, the manifest last."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, data in sorted(files.items(), key=lambda item: item[0] == MANIFEST):
        (folder / name).write_bytes(data)


def load_folder(folder: Path) -> dict[str, bytes]:
    """Read an artifact from a local folder.

    Raises:
        CorruptArtifact: there is no manifest, so the artifact is not there or not whole.
    """
    if not (folder / MANIFEST).exists():
        raise CorruptArtifact(f"{folder} must hold {MANIFEST}, but does not")
    return {
        name: (folder / name).read_bytes()
        for name in (WEIGHTS, MANIFEST)
        if (folder / name).exists()
    }
