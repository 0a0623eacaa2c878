"""Embeddings at rest: what a predictor reads of a teacher's labelled students.

Half precision, for a meta-dataset whose teachers are too large to ship. Embedding anew differs
from them by rounding only.

Dimension letters: n students, c h w an embedding.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float
from torch import Tensor

from dass.decoding import decode
from dass.errors import CorruptArtifact
from dass.networks.teacher import Teacher
from dass.predictor.embed import embed
from dass.predictor.episode import Episode
from dass.predictor.records import StudentRecord
from dass.registry.artifacts import Files, pack, unpack
from dass.space.architecture import Architecture
from dass.space.spaces import by_name

KIND, MAPS = "embeddings", "maps"


@dataclass(frozen=True, kw_only=True, slots=True)
class EmbeddingsManifest:
    """The manifest: everything but the tensors."""

    space: str
    teacher: str
    accuracy: float
    num_classes: int
    architectures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, slots=True)
class Embeddings:
    """The feature maps of a teacher and of some of its students."""

    space: str
    """Name of the search space."""
    teacher: str
    """Name of the teacher."""
    accuracy: float
    """The teacher's on the validation part, a fraction."""
    num_classes: int
    """Classes of its task."""
    architectures: tuple[str, ...]
    """Ids of the students, in the order of their feature maps."""
    feature_maps: Float[Tensor, "n1 c h w"]
    """The teacher's own, then those of the n students."""

    def of(self, architectures: Sequence[str]) -> Embeddings:
        """Return the feature maps of the teacher and of some of the students.

        Raises:
            CorruptArtifact: one of them is not here.
        """
        rows = self._rows(architectures)
        return replace(
            self,
            architectures=tuple(architectures),
            feature_maps=self.feature_maps[[0, *rows]],
        )

    def _rows(self, architectures: Sequence[str]) -> list[int]:
        """Return where the students' feature maps are."""
        rows = {a: i + 1 for i, a in enumerate(self.architectures)}
        missing = sorted(set(architectures) - set(rows))
        if missing:
            raise CorruptArtifact(
                f"embeddings of {self.teacher} must hold every labelled student, but lack "
                f"{missing[:3]}; publish them again"
            )
        return [rows[architecture] for architecture in architectures]

    def episode(self, records: Sequence[StudentRecord], *, heard: bool = True) -> Episode:
        """Return what `dass.predictor.episode.episode` does, for students that are all here.

        Args:
            records: of the students.
            heard: whether anything reads the students' own feature maps; these are NaN else, and
                the students need not be here.

        Raises:
            CorruptArtifact: a record's student is not here.
        """
        space = by_name(self.space)
        if heard:
            maps = self.feature_maps[self._rows([record.architecture for record in records])]
        else:
            own = self.feature_maps.shape[1:]
            maps = self.feature_maps.new_full((len(records), *own), torch.nan)
        asked = [Architecture.parse(record.architecture) for record in records]
        return Episode(
            teacher_feature_map=self.feature_maps[0],
            feature_maps=maps,
            encodings=space.encode(asked),
            accuracies=torch.tensor([r.validation_accuracy for r in records]),
            support_feature_maps=self.feature_maps[:1],
            support_encodings=space.encode([space.largest]),
            support_accuracies=torch.tensor([self.accuracy]),
        )


def embeddings_of(teacher: Teacher, architectures: Sequence[str]) -> Embeddings:
    """Embed a teacher's students."""
    space = teacher.network.space
    members = [Architecture.parse(text) for text in architectures]
    return Embeddings(
        space=space.name,
        teacher=teacher.name,
        accuracy=teacher.accuracy,
        num_classes=teacher.network.num_classes,
        architectures=tuple(architectures),
        feature_maps=embed(teacher.network, [space.largest, *members]),
    )


def pack_embeddings(embeddings: Embeddings) -> dict[str, bytes]:
    """Make an artifact of them, in half precision."""
    facts = {field.name: getattr(embeddings, field.name) for field in fields(EmbeddingsManifest)}
    return pack(KIND, facts, {MAPS: embeddings.feature_maps.half()})


def unpack_embeddings(files: Files, *, where: str = KIND) -> Embeddings:
    """Read what `pack_embeddings` made.

    Raises:
        CorruptArtifact: the files are broken, or feature maps and names do not fit each other.
    """
    config, tensors = unpack(files, kind=KIND, where=where)
    facts = decode(EmbeddingsManifest, config, what=where, error=CorruptArtifact, extra=True)
    if MAPS not in tensors:
        raise CorruptArtifact(f"{where} must have {MAPS}, but has only {sorted(tensors)}")
    found = Embeddings(
        space=facts.space,
        teacher=facts.teacher,
        accuracy=facts.accuracy,
        num_classes=facts.num_classes,
        architectures=facts.architectures,
        feature_maps=tensors[MAPS].float(),
    )
    wanted = (len(found.architectures) + 1, *by_name(found.space).feature_map_shape)
    if tuple(found.feature_maps.shape) != wanted:
        shape = tuple(found.feature_maps.shape)
        raise CorruptArtifact(f"maps of {where} must have the shape {wanted}, but have {shape}")
    return found
