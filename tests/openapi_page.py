"""Writes docs/openapi.yaml from the till's routes: `make openapi`. With --check: only compares."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import yaml
from aiohttp import web

from agent.api import server
from agent.api.openapi import document_of, entries

PAGE = Path(__file__).resolve().parents[1] / "docs" / "openapi.yaml"
HEAD = "# Made by `make openapi` from the types, docstrings and openapi_words.py of agent/api: mend those, not this.\n"


class _Dumper(yaml.SafeDumper):
    """Texts of several lines stand as they are; nothing is abbreviated."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def made() -> str:
    """The page as the code says it now."""
    app = web.Application()
    app.add_routes(server.ROUTES)
    document = document_of(entries(app.router.routes()))
    return HEAD + yaml.dump(
        document, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True, width=120
    )


def main() -> int:
    """0: the page is as made, or was written."""
    page = made()
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(page, encoding="utf-8")
        return 0
    if PAGE.read_text(encoding="utf-8") == page:
        return 0
    print(f"{PAGE.name} is not what the code says: run `make openapi`", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
