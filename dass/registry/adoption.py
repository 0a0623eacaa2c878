"""Adoption: a user's own weights become a teacher of a store, once and under one digest.

Knows nothing of where the weights come from, nor of how their accuracy was measured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from dass.errors import InvalidArchitecture, NameTaken
from dass.networks.family import space_of_state_dict
from dass.networks.resnet import ResNet
from dass.networks.state_dicts import Misfit, bare, unwrapped
from dass.networks.teacher import Teacher
from dass.registry import artifacts
from dass.registry.registry import Registry
from dass.space.space import Space
from dass.space.spaces import SPACES, by_name

RECIPE = "own"
"""What a manifest says of how an adopted teacher was trained: by its user."""

ABOUT = ("dataset", "class_names", "note", "created")
"""What a manifest may say of a teacher beside: all text, `created` in ISO 8601."""

SHORT = 8
"""Digits of the digests in manifests that earlier versions wrote."""


def read_weights(data: bytes, *, space: Space, num_classes: int, where: str) -> ResNet:
    """Read a user's own state dict of the largest member of a space.

    Prefixes of wrappers, a dict nested in a checkpoint, tied tensors and half precision are
    understood.

    Args:
        data: a safetensors file with the parameter names of `ResNet`.
        space: whose largest member it is.
        num_classes: rows of its classifier.
        where: its name, for errors.

    Raises:
        CorruptArtifact: names the cause, then the names and shapes that are not met.
    """
    network = ResNet(space, space.largest, num_classes=num_classes)
    given, expected = artifacts.tensors(data, where=where), network.state_dict()
    weights = unwrapped(given, expected)
    cause = _of_another_space(given, space=space) if Misfit(weights, expected) else None
    called = f"{where} (as {space.name}'s largest member)"
    artifacts.fill(network, weights, where=called, cause=cause)
    return network.eval()


def _of_another_space(weights: Mapping[str, Tensor], *, space: Space) -> str | None:
    """Return what to say of weights that are another space's largest member."""
    for other in map(by_name, SPACES):
        with torch.device("meta"):
            expected = ResNet(other, other.largest, num_classes=1).state_dict()
        got = unwrapped(weights, expected)
        head = {name: tensor for name, tensor in got.items() if name.startswith("fc.")}
        if other.name != space.name and not Misfit(got, expected | head):
            return f"are of space {other.name!r}; name that space"
    try:
        derived = space_of_state_dict(bare(weights), image_size=space.image_size)
    except InvalidArchitecture:
        return None
    if derived.name == space.name:  # but for its number of classes
        return None
    return f"are of space {derived.name!r}; name that space"


def digest_of(data: bytes) -> str:
    """Return the SHA-256 of a weights file, in 64 hexadecimal digits."""
    return hashlib.sha256(data).hexdigest()


def adopt_teacher(
    registry: Registry, teacher: Teacher, data: bytes, *, about: Mapping[str, Any] | None = None
) -> None:
    """Publish a teacher made of a user's own weights; the same one again is fine.

    What is written about the same teacher stays, but for a task that it lacked.

    Args:
        registry: where it goes.
        teacher: the network that `read_weights` made, its accuracy and, if known, its task.
        data: the weights as the user gave them.
        about: what else its user says of it, by `ABOUT`.

    Raises:
        NameTaken: another teacher has that name.
    """
    facts = {"recipe": RECIPE, "weights_sha256": digest_of(data)} | dict(about or {})
    # Looking first saves the writing of weights that the name is not free for.
    if not registry.has_teacher(teacher.name) and registry.create_teacher(teacher, facts):
        return
    there = registry.teacher_facts(teacher.name)
    if not _same(there, teacher, facts["weights_sha256"]):
        raise NameTaken(
            f"a name must be free or stand for the same teacher, but {teacher.name!r} is "
            "another one; delete that first or take another name"
        )
    if teacher.task is not None and there.get("task") is None:
        registry.put_teacher(teacher, facts | {n: there[n] for n in ABOUT if n in there})


def _same(there: Mapping[str, Any], teacher: Teacher, digest: str) -> bool:
    """Return whether a manifest is one of this teacher."""
    wanted = {
        "recipe": RECIPE,
        "accuracy": teacher.accuracy,
        "num_classes": teacher.network.num_classes,
        "space": teacher.network.space.name,
    }
    return there.get("weights_sha256") in (digest, digest[:SHORT]) and all(
        there.get(name) == value for name, value in wanted.items()
    )
