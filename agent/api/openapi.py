"""The API document (OpenAPI 3.1), made from the routes: their entries, docstrings and types, and the table of errors.

`make openapi` writes it to docs/openapi.yaml; the till serves it. What no type or docstring says stands in
`agent.api.openapi_words`.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from agent.api.answers import Problem as ProblemShape
from agent.api.errors import PROBLEMS, Handler
from agent.api.openapi_docs import described, docs_of
from agent.api.openapi_words import (
    DESCRIPTIONS,
    EXAMPLES,
    IDEMPOTENCY_KEY,
    INFO,
    LINKS,
    PATH_PARAMETERS,
    SECURITY,
    SERVERS,
    TAGS,
)
from agent.api.operation import JSON, OPERATIONS, Answer, Operation
from sync.wire import PROBLEM_TYPE

_REF = "#/components/schemas/{name}"
_BODY_IGNORED = "The body is ignored and may be empty, but Content-Type must be application/json."
_NAMES = {
    "VerdictAnswer": "Verdict",
    "SaleNow": "Sale",
    "RetryBody": "Retry",
}
"""Types whose name in the document is another."""


class Entry(NamedTuple):
    """A route of the document. path: with its {parameters}."""

    method: str
    path: str
    handler: Handler


def entries(routes: Iterable[web.AbstractRoute]) -> list[Entry]:
    """Those of an application's routes that are documented."""
    return [
        Entry(route.method.lower(), route.resource.canonical, route.handler)
        for route in routes
        if route.resource is not None and route.handler in OPERATIONS and route.method != "HEAD"
    ]


def document_of(routes: Iterable[Entry]) -> dict[str, Any]:
    """The document of these routes, in their order."""
    paths: dict[str, Any] = {}
    shapes: list[Any] = [ProblemShape]
    made = []
    for entry in routes:
        told = OPERATIONS[entry.handler]
        shapes += [shape for answer in told.answers.values() for shape in _shapes(answer)]
        shapes += [told.body] if told.body is not None else []
        made.append((entry, told))
    schemas, components = msgspec.json.schema_components(shapes, ref_template=_REF)
    of_shape = dict(zip(map(id, shapes), schemas, strict=True))
    shared: dict[str, Any] = {}
    for entry, told in made:
        item = paths.setdefault(entry.path, _path_item(entry.path))
        item[entry.method] = _operation(entry, told, of_shape, shared)
    docs = docs_of(shapes)
    whole = {
        "openapi": "3.1.0",
        "info": INFO,
        "servers": SERVERS,
        "security": SECURITY["asked"],
        "tags": TAGS,
        "paths": paths,
        "components": {
            "securitySchemes": SECURITY["schemes"],
            "headers": {
                "RetryAfter": {
                    "description": "Seconds to wait before asking again.",
                    "schema": {"type": "integer", "minimum": 1},
                }
            },
            "responses": dict(sorted(shared.items())),
            "parameters": {"IdempotencyKey": IDEMPOTENCY_KEY},
            "schemas": {
                name: described(schema, docs.get(name, ""), DESCRIPTIONS.get(name))
                for name, schema in sorted(components.items())
            },
        },
    }
    mended: dict[str, Any] = _mended(whole)
    return mended


def _shapes(answer: Answer) -> tuple[Any, ...]:
    if answer.shape is None:
        return ()
    return answer.shape if isinstance(answer.shape, tuple) else (answer.shape,)


def _path_item(path: str) -> dict[str, Any]:
    names = re.findall(r"\{(\w+)\}", path)
    return {"parameters": [PATH_PARAMETERS[name] for name in names]} if names else {}


def _operation(
    entry: Entry, told: Operation, of_shape: dict[int, Any], shared: dict[str, Any]
) -> dict[str, Any]:
    """shared: answers that several operations give, by the name under which they refer to them; added to."""
    summary, _, description = inspect.cleandoc(entry.handler.__doc__ or "").partition("\n\n")
    ignores = entry.method in ("post", "put") and told.body is None
    parts = [description, _BODY_IGNORED if ignores else ""]
    made: dict[str, Any] = {
        "operationId": told.name,
        "tags": [told.tag],
        "summary": " ".join(summary.split()),
    }
    if any(parts):
        made["description"] = "\n\n".join(filter(None, parts))
    parameters: list[Any] = [
        {"name": one.name, "in": "query", "description": one.about, "schema": dict(one.schema)}
        for one in told.query
    ]
    if told.key:
        parameters.insert(0, {"$ref": "#/components/parameters/IdempotencyKey"})
    if parameters:
        made["parameters"] = parameters
    examples = EXAMPLES.get(told.name, {})
    if told.body is not None:
        content = _media(of_shape[id(told.body)], examples.get("body"))
        made["requestBody"] = {"required": True, "content": {JSON: content}}
    elif ignores:
        made["requestBody"] = {
            "required": True,
            "content": {JSON: {"schema": {}, "examples": {"nothing": {"value": {}}}}},
        }
    responses = {
        str(status): _answer(one, of_shape, examples.get(status)) for status, one in told.answers.items()
    }
    for status, links in LINKS.get(told.name, {}).items():
        responses[str(status)]["links"] = links
    codes_of = _by_status((*told.errors, *(("json_needed",) if entry.method in ("post", "put") else ())))
    for status, codes in codes_of.items():
        assert str(status) not in responses, f"{told.name} answers {status} otherwise"
        error = _errors(status, codes, examples.get(status))
        if status not in examples:
            name = ".".join(codes)
            shared[name] = error
            error = {"$ref": f"#/components/responses/{name}"}
        responses[str(status)] = error
    made["responses"] = dict(sorted(responses.items()))
    return made


def _by_status(codes: Iterable[str]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = {}
    for code in sorted(set(codes)):
        found.setdefault(PROBLEMS[code].status, []).append(code)
    return found


def _media(schema: Any, examples: Any) -> dict[str, Any]:
    return {"schema": schema} | ({"examples": examples} if examples else {})


def _answer(answer: Answer, of_shape: dict[int, Any], examples: Any) -> dict[str, Any]:
    made: dict[str, Any] = {"description": answer.about}
    schemas = [of_shape[id(shape)] for shape in _shapes(answer)]
    if schemas:
        schema = schemas[0] if len(schemas) == 1 else {"anyOf": schemas}
        made["content"] = {answer.kind: _media(schema, examples)}
    return made


def _errors(status: int, codes: list[str], examples: Any) -> dict[str, Any]:
    """An answer that is a problem with one of these codes."""
    said = [f"`{code}`: {PROBLEMS[code].en.removesuffix(': {reason}')}." for code in codes]
    made: dict[str, Any] = {"description": "\n".join(said)}
    if any(PROBLEMS[code].retry for code in codes):
        made["headers"] = {"Retry-After": {"$ref": "#/components/headers/RetryAfter"}}
    if status == 401:
        made["headers"] = {"WWW-Authenticate": {"schema": {"const": "Bearer"}}}
    schema = {"$ref": _REF.format(name="Problem"), "properties": {"code": {"enum": codes}}}
    made["content"] = {PROBLEM_TYPE: _media(schema, examples)}
    return made


def _mended(node: Any) -> Any:
    """Names as the document has them, and patterns as JSON Schema has them: of ECMA 262, where \\A and \\Z are not."""
    if isinstance(node, dict):
        made = {_NAMES.get(key, key): _mended(value) for key, value in node.items()}
        if isinstance(found := made.get("pattern"), str):
            made["pattern"] = _ecma(found)
        if isinstance(found := made.get("$ref"), str):
            head, _, name = found.rpartition("/")
            made["$ref"] = f"{head}/{_NAMES.get(name, name)}"
        return made
    if isinstance(node, list):
        return [_mended(one) for one in node]
    return node


def _ecma(pattern: str) -> str:
    wide = re.sub(r"\\U([0-9a-f]{8})", lambda found: chr(int(found[1], 16)), pattern)
    return wide.replace(r"\A", "^").replace(r"\Z", r"(?![\s\S])")
