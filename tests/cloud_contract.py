"""docs/cloud-openapi.yaml as a judge of every answer that a cloud gives in a test: status, media type, body.

`hold(app)` before the cloud listens, and at the end its list is empty: so every test over HTTP is one of the document.
"""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from aiohttp import web
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]  # has no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # as above

from cloud.api import page

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cloud-openapi.yaml"
LINES_HELD = 20
"""Of a body of lines, so many are held against the document."""
NOWHERE = {404: "not_found", 405: "method_not_allowed"}
"""What an address that is not in the document is answered: status and code."""
_PAGES = {route.handler for route in page.ROUTES if isinstance(route, web.RouteDef)}


@functools.cache
def document() -> dict[str, Any]:
    loaded = yaml.load(PAGE.read_text("utf-8"), getattr(yaml, "CSafeLoader", yaml.SafeLoader))
    assert isinstance(loaded, dict)
    return loaded


def resolve(node: dict[str, Any]) -> dict[str, Any]:
    """The node itself, or what its $ref names."""
    while "$ref" in node:
        target: Any = document()
        for step in node["$ref"].removeprefix("#/").split("/"):
            target = target[step]
        node = target
    return node


def fault(schema: dict[str, Any], value: Any) -> str | None:
    """Why the value does not fit the schema; None when it does."""
    error = best_match(_validator(json.dumps(schema, sort_keys=True)).iter_errors(value))
    return None if error is None else f"{error.json_path}: {error.message}"


@functools.cache
def _validator(schema: str) -> Any:
    return Draft202012Validator(_closed(json.loads(schema) | {"components": document()["components"]}))


_ALTERNATIVES = ("allOf", "anyOf", "oneOf", "if", "then", "else", "not")


def _closed(node: Any) -> Any:
    """The schema in which an object has no member that the document does not name: the cloud's answers have none."""
    if isinstance(node, list):
        return [_closed(one) for one in node]
    if not isinstance(node, dict):
        return node
    made = {name: one if name in _ALTERNATIVES else _closed(one) for name, one in node.items()}
    if made.get("type") == "object" and "properties" in made and "additionalProperties" not in made:
        made["unevaluatedProperties"] = False
    return made


def answer_fault(
    method: str, path: str, status: int, headers: Any, content_type: str, body: bytes | None
) -> str | None:
    """Why this answer is none of the document's. path: as the document has it. body: None for one that is streamed."""
    operation = document()["paths"].get(path, {}).get(method)
    if operation is None:
        return "the document has no such operation"
    if str(status) not in operation["responses"]:
        return "the document has no such status"
    response = resolve(operation["responses"][str(status)])
    missing = [
        name
        for name, header in response.get("headers", {}).items()
        if resolve(header).get("required") and name not in headers
    ]
    if missing:
        return f"without {missing}"
    content = response.get("content")
    if content is None:
        return "it has a body" if body else None
    if content_type not in content:
        return f"of media type {content_type}"
    schema = content[content_type].get("schema")
    if schema is None or body is None:
        return None
    return _body_fault(schema, content_type, body)


def _body_fault(schema: dict[str, Any], content_type: str, body: bytes) -> str | None:
    if content_type == "application/x-ndjson":
        lines = body.splitlines()[:LINES_HELD]
        return next((found for line in lines if (found := fault(schema, json.loads(line)))), None)
    return fault(schema, _read(body) if "json" in content_type else body.decode())


def _read(body: bytes) -> Any:
    """What it holds; None, which no answer is, where it is no JSON."""
    try:
        return json.loads(body)
    except ValueError:
        return None


class Seen(NamedTuple):
    """An answer. path: as the document has it, or as it was asked for where there is `nowhere` such.

    body: None for one that is streamed.
    """

    method: str
    path: str
    nowhere: bool
    status: int
    headers: dict[str, str]
    content_type: str
    body: bytes | None


def seen(request: web.Request, response: web.StreamResponse) -> Seen | None:
    """What is to be judged; None for the operator page, which is no API."""
    route = request.match_info.route
    if request.method == "HEAD" or route.handler in _PAGES:
        return None
    body = (response.body or b"") if isinstance(response, web.Response) else None
    assert body is None or isinstance(body, bytes | bytearray), "answers are made whole, or streamed"
    nowhere = route.resource is None
    path = request.path if route.resource is None else route.resource.canonical
    return Seen(
        request.method, path, nowhere, response.status, dict(response.headers), response.content_type,
        None if body is None else bytes(body),
    )  # fmt: skip


def seen_fault(answer: Seen) -> str | None:
    """Why this answer is none of the document's, for people."""
    method, path, nowhere, status, headers, content_type, body = answer
    if nowhere:
        why = _nowhere_fault(status, body)
    else:
        why = answer_fault(method.lower(), path, status, headers, content_type, body)
    return None if why is None else f"{method} {path} {status}: {why}; {(body or b'')[:400]!r}"


def hold(app: web.Application) -> list[str]:
    """Hold every answer of this application against the document; the faults are added to the list as they come."""
    found: list[str] = []

    async def judge(request: web.Request, response: web.StreamResponse) -> None:
        answer = seen(request, response)
        if answer is not None and (why := seen_fault(answer)):
            found.append(why)

    app.on_response_prepare.append(judge)
    return found


def _nowhere_fault(status: int, body: bytes | None) -> str | None:
    if status not in NOWHERE:
        return "an address that is nowhere is answered 404 or 405"
    said: Any = None if body is None else _read(body)
    wrong = fault({"$ref": "#/components/schemas/Problem"}, said)
    return wrong or (None if said["code"] == NOWHERE[status] else f"code {said['code']}")
