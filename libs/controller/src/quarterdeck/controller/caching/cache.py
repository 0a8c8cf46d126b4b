"""Objects by name and by indexes; decides what a new state means: added, changed, replaced or nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from quarterdeck.controller.objects import (
    Object,
    ObjectKey,
    controlling_owner,
    key_of,
    labels_of,
    uid_of,
    version_of,
)

Index = Callable[[Object], Iterable[str]]
"""Says under which words an object is found."""

BY_UID = "uid"
BY_OWNER = "owner"
BY_NAMESPACE = "namespace"


def _owner(thing: Object) -> Iterable[str]:
    owner = controlling_owner(thing)
    return (owner.uid,) if owner else ()


STANDARD: Mapping[str, Index] = {
    BY_UID: lambda thing: (uid_of(thing),),
    BY_OWNER: _owner,
    BY_NAMESPACE: lambda thing: (key_of(thing).namespace,),
}


def label_index(label: str) -> Index:
    """Returns an index by the value of one label; objects without it are in no row."""

    def words(thing: Object) -> Iterable[str]:
        value = labels_of(thing).get(label)
        return () if value is None else (value,)

    return words


@dataclass(frozen=True, slots=True)
class Change:
    """What became of an object: `old` is None for an addition, `new` for a deletion; equal for a resync.

    Attributes:
        missed: the deletion happened unseen, so `old` need not be the object's last state.
    """

    old: Object | None
    new: Object | None
    missed: bool = False

    @property
    def object(self) -> Object:
        """The latest state that is known."""
        thing = self.new if self.new is not None else self.old
        assert thing is not None
        return thing


class ObjectCache:
    """See the module. What it hands out is shared: read it, and copy before you change it.

    Args:
        indexes: more of them, besides those by UID, by the UID of the controlling owner and by namespace.
    """

    def __init__(self, indexes: Mapping[str, Index] | None = None) -> None:
        self._indexes: dict[str, Index] = {**STANDARD, **(indexes or {})}
        self._objects: dict[ObjectKey, Object] = {}
        self._rows: dict[str, dict[str, dict[ObjectKey, None]]] = {name: {} for name in self._indexes}

    def __len__(self) -> int:
        return len(self._objects)

    def __iter__(self) -> Iterator[Object]:
        return iter(list(self._objects.values()))

    def keys(self) -> set[ObjectKey]:
        """Returns the names of all objects."""
        return set(self._objects)

    def get(self, key: ObjectKey) -> Object | None:
        """Returns an object, or None if there is none of that name."""
        return self._objects.get(key)

    def find(self, index: str, word: str) -> list[Object]:
        """Returns the objects that an index files under `word`. Raises KeyError for an unknown index."""
        return [self._objects[key] for key in self._rows[index].get(word, ())]

    def put(self, thing: Object) -> list[Change]:
        """Takes an object's state. Nothing changed if it is the one that we have.

        A new UID under an old name is a deletion that was missed and an addition.
        """
        key = key_of(thing)
        old = self._objects.get(key)
        if old is not None and uid_of(old) != uid_of(thing):
            return self.drop(key, missed=True) + self.put(thing)
        if old is not None and version_of(old) == version_of(thing):
            return []
        if old is not None:
            self._unfile(key, old)
        self._objects[key] = thing
        self._file(key, thing)
        return [Change(old, thing)]

    def drop(self, key: ObjectKey, last: Object | None = None, *, missed: bool = False) -> list[Change]:
        """Takes an object's deletion.

        Args:
            last: its last state, if it was told.
        """
        old = self._objects.pop(key, None)
        if old is None:
            return []
        self._unfile(key, old)
        return [Change(last or old, None, missed)]

    def add_index(self, name: str, index: Index) -> None:
        """Adds an index, over what is there already, too. Raises ValueError if the name is taken."""
        if name in self._indexes:
            raise ValueError(f"there is an index {name!r} already")
        self._indexes[name] = index
        self._rows[name] = {}
        for key, thing in self._objects.items():
            for word in index(thing):
                self._rows[name].setdefault(word, {})[key] = None

    def _file(self, key: ObjectKey, thing: Object) -> None:
        for name, index in self._indexes.items():
            for word in index(thing):
                self._rows[name].setdefault(word, {})[key] = None

    def _unfile(self, key: ObjectKey, thing: Object) -> None:
        for name, index in self._indexes.items():
            rows = self._rows[name]
            for word in index(thing):
                row = rows.get(word)
                if row is None:
                    continue
                row.pop(key, None)
                if not row:
                    del rows[word]
