"""docs/openapi.yaml as a judge: does a real answer, or a body, fit it?"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]  # has no types
from jsonschema.exceptions import best_match  # type: ignore[import-untyped]  # as above

PAGE = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"
METHODS = ("get", "put", "post", "delete")


class Contract:
    """The document, read once."""

    def __init__(self) -> None:
        self.document: dict[str, Any] = yaml.safe_load(PAGE.read_text(encoding="utf-8"))
        self.seen: set[tuple[str, str, int]] = set()
        self._validators: dict[str, Any] = {}

    def operations(self) -> dict[tuple[str, str], dict[str, Any]]:
        """(method, path template) -> operation."""
        return {
            (method, path): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method in METHODS
        }

    def schema(self, name: str) -> dict[str, Any]:
        found = self.document["components"]["schemas"][name]
        assert isinstance(found, dict)
        return found

    def resolve(self, node: dict[str, Any]) -> dict[str, Any]:
        """The node itself, or what its $ref names."""
        while "$ref" in node:
            target: Any = self.document
            for step in node["$ref"].removeprefix("#/").split("/"):
                target = target[step]
            node = target
        return node

    def fault(self, schema: dict[str, Any], value: Any) -> str | None:
        """Why the value does not fit the schema; None when it does."""
        key = json.dumps(schema, sort_keys=True)
        if key not in self._validators:
            whole = schema | {"components": self.document["components"]}  # so that references resolve
            self._validators[key] = Draft202012Validator(whole, format_checker=FormatChecker())
        error = best_match(self._validators[key].iter_errors(value))
        return None if error is None else f"{error.json_path}: {error.message}"

    def template(self, method: str, path: str) -> str:
        """The documented path that this address is one of."""
        bare = path.partition("?")[0]
        for known, template in self.operations():
            if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", template), bare):
                return template
        raise AssertionError(f"{method} {bare} is not in the document")

    def check(self, method: str, path: str, status: int, content_type: str, raw: bytes) -> None:
        """A real answer: its status is one that the document names there, and its body fits."""
        method = method.lower()
        template = self.template(method, path)
        responses = self.operations()[method, template]["responses"]
        assert str(status) in responses, f"{method} {template} answered {status}: not in the document"
        self.seen.add((method, template, status))
        content = self.resolve(responses[str(status)]).get("content")
        if content is None:
            assert raw == b""
            return
        kind = content_type.partition(";")[0]
        assert kind in content, f"{method} {template} answered {kind}"
        said = raw.decode() if kind.startswith("text/") else json.loads(raw)
        fault = self.fault(content[kind]["schema"], said)
        assert fault is None, f"{method} {template} {status}: {fault}"


def examples(node: Any) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """(schema, example) for each media type below `node`; examples may be references."""
    found: list[tuple[dict[str, Any], dict[str, Any]]] = []
    if isinstance(node, dict):
        if "schema" in node:
            found += [(node["schema"], example) for example in node.get("examples", {}).values()]
        node = list(node.values())
    if isinstance(node, list):
        for child in node:
            found += examples(child)
    return found
