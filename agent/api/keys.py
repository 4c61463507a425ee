"""What handlers find in the application."""

from __future__ import annotations

from aiohttp import web

from agent.till import Till

TILL = web.AppKey("till", Till)
