"""Read typed, bounded fields out of a decoded map: one place for the checks, one wording for the errors."""

from __future__ import annotations

from collections.abc import Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

T = TypeVar("T")
_REQUIRED: Any = object()


class FieldError(ValueError):
    """A field that is missing, unknown, of the wrong type or out of range. The text names it and what is allowed.

    what, name, wrong: the map, its field and what is wrong with it, where one field is at fault; no name where the
    whole of `what` is at fault.
    """

    def __init__(self, text: str, what: str = "", name: str = "", wrong: str = "") -> None:
        super().__init__(text)
        self.what, self.name, self.wrong = what, name, wrong


class Fields:
    """The fields of one map. Each reader takes a field once; `done` refuses what nobody asked for."""

    def __init__(self, value: Any, what: str) -> None:
        self._what = what
        if not isinstance(value, Mapping):
            raise FieldError(f"{what} is not a map", what, "", "is not a map")
        self._left = dict(value)
        self._asked: list[str] = []

    def error(self, name: str, wrong: str) -> FieldError:
        return FieldError(f"{self._what}.{name} {wrong}", self._what, name, wrong)

    def _take(self, name: str, default: Any) -> Any:
        self._asked.append(name)
        if name in self._left:
            return self._left.pop(name)
        if default is _REQUIRED:
            raise self.error(name, "is missing")
        return default

    def integer(self, name: str, least: int, greatest: int, default: Any = _REQUIRED) -> int:
        value = self._take(name, default)
        if type(value) is not int or not least <= value <= greatest:
            raise self.error(name, f"is not an integer from {least} to {greatest}")
        return value

    def has(self, name: str) -> bool:
        """True while the field is there and not taken yet: how an optional one is told from one of any value."""
        return name in self._left

    def boolean(self, name: str, default: Any = _REQUIRED) -> bool:
        value = self._take(name, default)
        if type(value) is not bool:
            raise self.error(name, "is not true or false")
        return value

    def text(self, name: str, longest: int, *, least: int = 0, default: Any = _REQUIRED) -> str:
        value = self._take(name, default)
        if type(value) is not str or not least <= len(value) <= longest or not value.isprintable():
            raise self.error(name, f"is not a printable text of {least} to {longest} characters")
        return value

    def texts(self, name: str, least: int, most: int, longest: int, default: Any = _REQUIRED) -> list[str]:
        value = self._take(name, default)
        if type(value) not in (list, tuple) or not least <= len(value) <= most:
            raise self.error(name, f"is not a list of {least} to {most} texts")
        if any(
            type(item) is not str or not 0 < len(item) <= longest or not item.isprintable() for item in value
        ):
            raise self.error(name, f"holds something else than printable texts of 1 to {longest} characters")
        return list(value)

    def octets(self, name: str, least: int, most: int) -> bytes:
        value = self._take(name, _REQUIRED)
        if type(value) is not bytes or not least <= len(value) <= most:
            raise self.error(name, f"is not a byte string of {least} to {most} bytes")
        return value

    def items(self, name: str, most: int) -> list[Any]:
        value = self._take(name, _REQUIRED)
        if type(value) is not list or len(value) > most:
            raise self.error(name, f"is not a list of at most {most}")
        return value

    def mapping(self, name: str, default: Any = _REQUIRED) -> Any:
        value = self._take(name, default)
        if value is not default and value is not None and not isinstance(value, Mapping):
            raise self.error(name, "is not a map")
        return value

    def anything(self, name: str) -> Any:
        """A field of any form, None if it is absent; the caller judges it."""
        return self._take(name, None)

    def number_set(self, name: str, greatest: int) -> frozenset[int] | None:
        """A set of numbers from 0 to `greatest`; null or absent means: no limit."""
        value = self._take(name, None)
        if value is None:
            return None
        if type(value) is not list or any(
            type(item) is not int or not 0 <= item <= greatest for item in value
        ):
            raise self.error(name, f"is not a list of integers from 0 to {greatest}")
        return frozenset(value)

    def choice(self, name: str, allowed: Mapping[str, T]) -> T:
        value = self._take(name, _REQUIRED)
        if type(value) is not str or value not in allowed:
            raise self.error(name, f"is not one of {', '.join(allowed)}")
        return allowed[value]

    def done(self) -> None:
        """Refuse fields that were not asked for: a rule we do not know is not ours to ignore."""
        if self._left:
            name = min(map(str, self._left))[:40]
            near = get_close_matches(name, self._asked, n=1)
            raise self.error(name, "is not known here" + (f": {near[0]}?" if near else ""))
