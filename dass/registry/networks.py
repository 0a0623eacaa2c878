"""Teachers and students as artifacts.

Knows nothing of where they are kept.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dass.data.task_config import TaskConfig
from dass.decoding import decode
from dass.errors import CorruptArtifact, DassError
from dass.networks.resnet import ResNet
from dass.networks.teacher import Teacher
from dass.networks.usage import usage
from dass.registry.artifacts import Files, fill, pack, unpack
from dass.space.architecture import Architecture
from dass.space.spaces import by_name


@dataclass(frozen=True, kw_only=True, slots=True)
class NetworkManifest:
    """What the manifest of every network has."""

    space: str
    architecture: str
    num_classes: int


@dataclass(frozen=True, kw_only=True, slots=True)
class TeacherManifest:
    """What the manifest of a teacher has besides."""

    name: str
    accuracy: float
    test_accuracy: float | None = None
    task: dict[str, Any] | None = None


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
    facts = decode(NetworkManifest, config, what=where, error=CorruptArtifact, extra=True)
    try:
        network = ResNet(
            by_name(facts.space),
            Architecture.parse(facts.architecture),
            num_classes=facts.num_classes,
        )
    except (DassError, TypeError, RuntimeError) as error:  # torch on absurd `num_classes`
        raise CorruptArtifact(f"the manifest of {where} must fit its space: {error}") from error
    fill(network, weights, where=where)
    return network.eval(), config


def pack_student(network: ResNet, facts: Mapping[str, Any]) -> dict[str, bytes]:
    """Make an artifact of a trained student, and of how it is used.

    Args:
        network: the student.
        facts: its record, and what else is known, the names of its classes say.
    """
    return pack_network(network, kind="student", facts=usage(network) | dict(facts))


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
    facts = decode(TeacherManifest, config, what=where, error=CorruptArtifact, extra=True)
    try:
        return Teacher(
            name=facts.name,
            network=network,
            accuracy=facts.accuracy,
            test_accuracy=facts.test_accuracy,
            task=None if facts.task is None else TaskConfig.from_dict(facts.task),
        )
    except DassError as error:
        raise CorruptArtifact(f"the manifest of {where} is unusable: {error}") from error
