"""Every error a user can meet. Knows nothing of what raises it.

A message says what must hold, what was got, and what to do. All of them cross process borders:
they pickle, since their constructors take exactly what `Exception.__init__` gets.
"""


class DassError(Exception):
    """Base of all errors meant for the user."""


class InvalidConfig(DassError, ValueError):
    """A setting is outside its range, or two settings contradict each other."""


class InvalidArchitecture(DassError, ValueError):
    """An architecture does not parse, or is not a member of its space."""


class InvalidData(DassError, ValueError):
    """A dataset cannot be read, or cannot be split as asked."""


class UnknownName(DassError, LookupError):
    """A space, task, teacher, dataset or recipe of that name does not exist."""


class NoPredictor(UnknownName):
    """A store has no predictor of that name, and the shipped one is for another space."""


class NameTaken(DassError, ValueError):
    """A name must be free or stand for the same thing, but stands for another."""


class InfeasibleBudget(DassError, ValueError):
    """No architecture of the space fits the budget."""


class CorruptArtifact(DassError, ValueError):
    """A stored network or predictor is broken, foreign, or made for another space or recipe."""


class UnfitTeacher(DassError, ValueError):
    """A teacher does not know the images: near chance, or its classes or pixels are mixed up."""


class DivergedTraining(DassError, ArithmeticError):
    """A training run produced a loss that is not a number."""


class StorageError(DassError):
    """The store could not do what was asked, after every retry that could have helped."""


class StoreUnavailable(StorageError):
    """The store does not answer, however often it is asked; later it may."""

    blameless = True
    """Whoever asked did nothing wrong: what failed for want of the store may be done again."""


class InvalidKey(StorageError, ValueError):
    """A key or root is not of the form every store can hold."""


class MissingKey(StorageError, LookupError):
    """There is nothing under the key."""


class ReadOnlyStore(StorageError, PermissionError):
    """The store was opened for reading alone."""
