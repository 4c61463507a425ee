"""What the API document says of a route, beside the route itself; `agent.api.openapi` makes the document from it.

The summary and the description are the handler's docstring: its first paragraph, and the rest. Statuses of errors
follow from the codes and the table of `agent.api.errors`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from agent.api.errors import Handler

JSON = "application/json"
ALWAYS = ("token_needed", "foreign_origin", "wrong_host", "internal")
WITH_BODY = ("bad_body", "bad_request", "body_timeout", "too_large")
WITH_KEY = ("key_missing", "key_form", "key_reused", "still_running")
OF_LEDGER = ("ledger_unavailable", "result_unknown")


@dataclass(frozen=True, slots=True)
class Answer:
    """shape: the type of the body, a tuple where it is one of several, None for none. about: one sentence. kind: the
    body's media type."""

    shape: Any
    about: str
    kind: str = JSON


@dataclass(frozen=True, slots=True)
class Query:
    """A parameter of the address. schema: as JSON Schema."""

    name: str
    about: str
    schema: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Operation:
    """name: the operationId. body: its type; without one, a POST's body is ignored. key: it takes an Idempotency-Key.

    errors: every code that it can answer with.
    """

    name: str
    tag: str
    answers: Mapping[int, Answer]
    body: type | None
    key: bool
    errors: tuple[str, ...]
    query: tuple[Query, ...]


OPERATIONS: dict[Handler, Operation] = {}
"""Of every handler in the document."""

H = TypeVar("H", bound=Handler)


def operation(
    name: str,
    tag: str,
    answers: Mapping[int, Answer],
    *,
    body: type | None = None,
    key: bool = False,
    ledger: bool = False,
    errors: Iterable[str] = (),
    query: tuple[Query, ...] = (),
) -> Callable[[H], H]:
    """Enter the handler. errors: the codes that are its own; those of every route, of bodies, keys and (ledger) of the
    database are added."""
    codes = (
        *ALWAYS,
        *(WITH_BODY if body is not None else ()),
        *(WITH_KEY if key else ()),
        *(OF_LEDGER if ledger else ()),
        *errors,
    )

    def entered(handler: H) -> H:
        OPERATIONS[handler] = Operation(name, tag, answers, body, key, codes, query)
        return handler

    return entered


def limit(most: int, default: int) -> Query:
    """The `limit` of a list, as `wire.read_limit` reads it."""
    return Query(
        "limit",
        "How many at most.",
        {"type": "integer", "minimum": 1, "maximum": most, "default": default},
    )
