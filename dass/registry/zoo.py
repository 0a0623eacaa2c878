"""What the project ships: measured students, their teachers, and the predictor.

    from dass import zoo
    zoo.records()
    predictor, card = zoo.predictor()

A folder of files that is only read: the checkout's `zoo/`, or what a wheel has of it. Knows
nothing of how they were made.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from dass.errors import InvalidData, NoPredictor, UnknownName
from dass.networks.teacher import Teacher
from dass.predictor.ensemble import Ensemble
from dass.predictor.records import to_frame
from dass.registry.registry import Registry
from dass.registry.zoo_root import ROOT, SHIPPED
from dass.space.names import NAMES
from dass.store.store import Store
from dass.training.recipe import Recipe

if TYPE_CHECKING:
    import pandas


def registry(root: Path | str = ROOT) -> Registry:
    """Return typed access to the shipped files, or to another folder of that layout.

    Raises:
        InvalidData: there is no such folder; says where the files come from.
    """
    if not Path(root).is_dir():
        raise InvalidData(
            f"the shipped files must lie in {root}, but there is no such folder; a checkout of "
            "the project has all of them in `zoo`, and a wheel built from one has the predictor, "
            "the labels and the teacher of the first run"
        )
    return Registry(Store(str(root), read_only=True))


def records(root: Path | str = ROOT) -> pandas.DataFrame:
    """Return the meta-dataset: a row per measured student."""
    return to_frame(registry(root).records())


def predictor(name: str = SHIPPED, root: Path | str = ROOT) -> tuple[Ensemble, dict[str, Any]]:
    """Return a shipped predictor and its card.

    Raises:
        UnknownName: lists the predictors there are.
    """
    return registry(root).predictor(name)


def predictor_for(
    store: Registry, name: str, *, space: str
) -> tuple[Ensemble, dict[str, Any], bool]:
    """Return a store's predictor, or the shipped one for a space where the store has none at all.

    A store whose predictor is for another space has none either, if one for this space is shipped.

    Returns:
        The predictor, its card, and whether it is the shipped one.

    Raises:
        NoPredictor: the store has none, and none for this space is shipped; says what to do.
        UnknownName: the store has others; lists them.
        CorruptArtifact: its files are broken, or made for another space.
    """
    root = root_of(space)
    if name != SHIPPED or (store.predictors() and not _of_another(store, space, root=root)):
        return *store.predictor(name, space=space), False
    ensemble, card = predictor(root=root)
    if ensemble.config.space != space:
        raise NoPredictor(
            f"{store.store.root} must have a predictor for space {space!r}, but has none, and the "
            f"shipped one is for space {ensemble.config.space!r}; label students "
            f"(`dass build {space}`) and train one (`dass train {space}`) there"
        )
    return ensemble, card, True


def _of_another(store: Registry, space: str, *, root: Path) -> bool:
    """Return whether one for this space is shipped in its own folder, and the store's is not."""
    if root == ROOT or not store.has_predictor(SHIPPED):
        return False
    return store.predictor(SHIPPED)[0].config.space != space


def root_of(space: str) -> Path:
    """Return which folder of shipped files has what is for a space: one of its own, or the whole.

    A space that nothing is shipped for has the whole too.
    """
    own = ROOT / space
    return own if Registry(Store(str(own), read_only=True)).has_predictor(SHIPPED) else ROOT


def recipe_for(store: Registry, name: str) -> Recipe:
    """Return a recipe of a store, or the shipped one of that name.

    Raises:
        UnknownName: neither has it; lists those of the store.
    """
    try:
        return store.recipe(name)
    except UnknownName:
        for root in (ROOT, *(root_of(space) for space in NAMES)):
            shipped = registry(root)
            if shipped.store.exists(f"recipes/{name}.json"):
                return shipped.recipe(name)
        raise


def teachers(root: Path | str = ROOT) -> list[str]:
    """Return the names of the shipped teachers."""
    return registry(root).teachers()


def teacher(name: str, root: Path | str = ROOT) -> Teacher:
    """Return a shipped teacher; its weights are half precision made single.

    Raises:
        UnknownName: lists the teachers there are.
    """
    return registry(root).teacher(name)
