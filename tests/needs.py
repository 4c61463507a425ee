"""What some tests need of the system, each with the package that brings it; without it they are skipped."""

from __future__ import annotations

import pytest


def _has_zbar() -> bool:
    try:
        from pyzbar import pyzbar  # noqa: F401  (it looks for the shared library when it is imported)
    except (ImportError, OSError):
        return False
    return True


needs_zbar = pytest.mark.skipif(not _has_zbar(), reason="libzbar is missing (apt-get install libzbar0)")
