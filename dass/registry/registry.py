"""What a store holds, and under which keys. The one home of these names; which store is not known.

tasks/TASK.json                  a task and its role
recipes/RECIPE.json              how networks of that recipe are trained
teachers/TEACHER/                an artifact; its manifest may name another file of weights
deleted-teachers/TEACHER/MOMENT/ one that the service deleted and can restore
records/KEY.parquet              one measured student each
records/pack-HASH.parquet        many of them, compacted; nothing else is below records/
inheritance/TEACHER.json         what its students inherit, as `dass.registry.inherited` has it
predictors/NAME/                 an artifact
students/KEY/                    a trained student: an artifact and `model.onnx`
searches/NAME.json               a ranking
checkpoints/KEY.safetensors      a training under way; deleted when it ends
.../job.json, ....job.json       beside a result: the whole config of the job that made it
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, get_args

from safetensors.torch import save as save_tensors
from torch import Tensor

from dass.data.task_config import Role, TaskConfig
from dass.decoding import decode
from dass.errors import CorruptArtifact, UnknownName
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import StudentRecord, from_parquet, to_parquet
from dass.registry import artifacts, record_files, teacher_files
from dass.registry.embeddings import Embeddings, unpack_embeddings
from dass.registry.networks import pack_teacher, unpack_teacher
from dass.registry.predictors import pack_ensemble, unpack_ensemble
from dass.registry.rankings import pack_search
from dass.searching.evolution import Generation
from dass.store.store import Store
from dass.training.recipe import Recipe


@dataclass(frozen=True, slots=True)
class Registry:
    """Typed access to a store; a value, as the store is."""

    store: Store

    # --- tasks -----------------------------------------------------------------------------

    def put_task(self, task: TaskConfig, role: Role) -> None:
        """Publish a task, replacing its role if it had another."""
        text = json.dumps({"role": role} | task.to_dict(), indent=2)
        self.store.write(f"tasks/{task.name}.json", text.encode())

    def tasks(self) -> dict[str, tuple[TaskConfig, Role]]:
        """Return every task and its role, by name."""
        found = {}
        for key in self.store.list("tasks"):
            fields = json.loads(self.store.read(key))
            role = fields.pop("role")
            if role not in get_args(Role):
                raise CorruptArtifact(
                    f"the role in {self.store.url(key)} must be one of {get_args(Role)}, "
                    f"but is {role!r}"
                )
            task = TaskConfig.from_dict(fields)
            found[task.name] = task, role
        return found

    def roles(self) -> dict[str, Role]:
        """Return the role of every task, by its name."""
        return {name: role for name, (_, role) in self.tasks().items()}

    # --- recipes ---------------------------------------------------------------------------

    def put_recipe(self, recipe: Recipe) -> None:
        """Publish a recipe under its name."""
        self.store.write(f"recipes/{recipe.name}.json", json.dumps(recipe.to_dict()).encode())

    def recipe(self, name: str) -> Recipe:
        """Read a recipe.

        Raises:
            UnknownName: lists the recipes there are.
            CorruptArtifact: the file is broken.
        """
        known = [key.split("/")[-1].removesuffix(".json") for key in self.store.list("recipes")]
        if name not in known:
            raise self._unknown("recipes", name, known)
        plain = json.loads(self.store.read(f"recipes/{name}.json"))
        return decode(Recipe, plain, what=f"recipe {name}", error=CorruptArtifact)

    # --- teachers --------------------------------------------------------------------------

    def has_teacher(self, name: str) -> bool:
        """Return whether the teacher is published."""
        return self.store.exists(f"teachers/{name}/{artifacts.MANIFEST}")

    def put_teacher(self, teacher: Teacher, facts: Mapping[str, Any]) -> str:
        """Publish a teacher; return where."""
        return self._put(f"teachers/{teacher.name}", pack_teacher(teacher, facts))

    def create_teacher(self, teacher: Teacher, facts: Mapping[str, Any]) -> bool:
        """Publish a teacher under a name that none has; of several at once exactly one does."""
        return teacher_files.create(self.store, teacher, facts)

    def teacher(self, name: str) -> Teacher:
        """Read a teacher.

        Raises:
            UnknownName: lists the teachers there are.
            CorruptArtifact: its files are broken.
        """
        manifest = self._read("teachers", name, artifacts.MANIFEST)
        weights = self._read("teachers", name, teacher_files.weights_of(manifest))
        return unpack_teacher(
            {artifacts.MANIFEST: manifest, artifacts.WEIGHTS: weights}, where=f"teacher {name}"
        )

    def teacher_facts(self, name: str) -> dict[str, Any]:
        """Read what is written about a teacher, without its weights.

        Raises:
            UnknownName: lists the teachers there are.
            CorruptArtifact: its manifest is broken.
        """
        return artifacts.facts(self._read("teachers", name, artifacts.MANIFEST), kind="teacher")

    def drop_teacher(self, name: str) -> None:
        """Remove a teacher, the manifest first, so that no reader finds half of one."""
        teacher_files.drop(self.store, name)

    def teachers(self) -> list[str]:
        """Return the names of all teachers."""
        return self._names("teachers")

    def teachers_of(self, role: Role) -> dict[str, str]:
        """Return the teachers of tasks of a role: the task's name by the teacher's, in order.

        A teacher that came without images has no task, and is not among them. Manifests alone are
        read.

        Raises:
            CorruptArtifact: a manifest is broken.
        """
        roles, found = self.roles(), {}
        for name in self.teachers():
            task = self.teacher_facts(name).get("task")
            if task is not None:
                called = TaskConfig.from_dict(task).name
                if roles.get(called) == role:
                    found[name] = called
        return found

    # --- records ---------------------------------------------------------------------------

    def put_record(self, record: StudentRecord) -> str:
        """Publish a record; return where."""
        key = f"records/{record.key}.parquet"
        self.store.write(key, to_parquet([record]))
        return self.store.url(key)

    def has_record(self, key: str) -> bool:
        """Return whether a record of that key stands alone in the store, not compacted yet."""
        return self.store.exists(f"records/{key}.parquet")

    def record_keys(self) -> set[str]:
        """Return the keys of all records; of these only compacted ones are read."""
        return record_files.keys(self.store)

    def compact_records(self, *, pause: Callable[[], None] = lambda: None) -> int:
        """Merge all records into one file; return how many it holds. See `record_files`.

        Args:
            pause: called before anything is deleted: gives readers time to end what they began.
        """
        return record_files.compact(self.store, pause=pause)

    def record(self, key: str) -> StudentRecord:
        """Read one record.

        Raises:
            UnknownName: there is none of that key.
        """
        if self.has_record(key):
            (record,) = from_parquet(self.store.read(f"records/{key}.parquet"))
            return record
        for record in self.records():
            if record.key == key:
                return record
        raise UnknownName(f"a record of {self.store.root} must be named, but got {key!r}")

    def records(self) -> list[StudentRecord]:
        """Read all records, each once, in the order of their keys."""
        return record_files.read_all(self.store)

    # --- predictors ------------------------------------------------------------------------

    def has_predictor(self, name: str) -> bool:
        """Return whether the predictor is published."""
        return self.store.exists(f"predictors/{name}/{artifacts.MANIFEST}")

    def predictors(self) -> list[str]:
        """Return the names of all predictors."""
        return self._names("predictors")

    def put_predictor(self, name: str, ensemble: Ensemble, card: Mapping[str, Any]) -> str:
        """Publish a predictor and its card; return where."""
        return self._put(f"predictors/{name}", pack_ensemble(ensemble, card))

    def predictor(
        self, name: str, *, space: str | None = None, recipe: str | None = None
    ) -> tuple[Ensemble, dict[str, Any]]:
        """Read a predictor and its card, made for this space and recipe if they are given.

        Raises:
            UnknownName: lists the predictors there are.
            CorruptArtifact: its files are broken, or made for another space or recipe.
        """
        files = self._get("predictors", name)
        return unpack_ensemble(files, space=space, recipe=recipe, where=f"predictor {name}")

    # --- embeddings ------------------------------------------------------------------------

    def has_embeddings(self, name: str) -> bool:
        """Return whether embeddings of the students of this teacher are published."""
        return self.store.exists(f"embeddings/{name}/{artifacts.MANIFEST}")

    def embeddings(self, name: str) -> Embeddings:
        """Read the embeddings of a teacher's students.

        Raises:
            UnknownName: lists the teachers whose embeddings there are.
            CorruptArtifact: its files are broken.
        """
        return unpack_embeddings(self._get("embeddings", name), where=f"embeddings of {name}")

    # --- results ---------------------------------------------------------------------------

    def put_student(self, key: str, files: Mapping[str, bytes]) -> str:
        """Publish a trained student; return where."""
        return self._put(f"students/{key}", files)

    def has_student(self, key: str) -> bool:
        """Return whether the trained student is published."""
        return self.store.exists(f"students/{key}/{artifacts.MANIFEST}")

    def put_search(self, name: str, answer: Generation, facts: Mapping[str, Any]) -> str:
        """Publish a ranking; return where."""
        key = f"searches/{name}.json"
        self.store.write(key, pack_search(answer, facts))
        return self.store.url(key)

    # --- trainings under way ---------------------------------------------------------------

    def put_checkpoint(self, key: str, state: Mapping[str, Tensor]) -> None:
        """Publish where a training stands, replacing where it stood."""
        tensors = {name: t.detach().cpu().contiguous() for name, t in state.items()}
        self.store.write(f"checkpoints/{key}.safetensors", save_tensors(tensors))

    def checkpoint(self, key: str) -> dict[str, Tensor] | None:
        """Return where a training stood, or `None` if it is to start afresh."""
        try:
            data = self.store.read(f"checkpoints/{key}.safetensors")
        except LookupError:
            return None
        return artifacts.tensors(data, where=f"checkpoint {key}")

    def drop_checkpoint(self, key: str) -> None:
        """Forget a training that ended."""
        self.store.delete(f"checkpoints/{key}.safetensors")

    # --- artifacts -------------------------------------------------------------------------

    def _put(self, prefix: str, files: Mapping[str, bytes]) -> str:
        self.store.write_all(prefix, files, artifacts.MANIFEST)
        return self.store.url(prefix)

    def _get(self, kind: str, name: str) -> dict[str, bytes]:
        files = (artifacts.MANIFEST, artifacts.WEIGHTS)
        return {file: self._read(kind, name, file) for file in files}

    def _read(self, kind: str, name: str, file: str) -> bytes:
        try:
            return self.store.read(f"{kind}/{name}/{file}")
        except (LookupError, ValueError) as error:
            raise self._unknown(kind, name, self._names(kind)) from error

    def _unknown(self, kind: str, name: str, known: Sequence[str]) -> UnknownName:
        listed = ", ".join(known[:8]) or "of which there are none yet"
        more = f" (and {len(known) - 8} more)" if len(known) > 8 else ""
        return UnknownName(
            f"one of the {kind} in {self.store.root} must be named, {listed}{more}, but got "
            f"{name!r}"
        )

    def _names(self, kind: str) -> list[str]:
        end, keys = f"/{artifacts.MANIFEST}", self.store.list(kind)
        return [k.removeprefix(f"{kind}/").removesuffix(end) for k in keys if k.endswith(end)]
