"""Where commands look for a till's configuration if nobody says where."""

from __future__ import annotations

from pathlib import Path

DEFAULT_CONFIG = Path("/etc/redeemd/till.toml")
