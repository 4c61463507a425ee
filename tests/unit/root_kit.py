"""A root of two of three keys and the one that follows it, for tests of what they sign."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from agent.domain.bundle import BundleError, Root
from tests.unit.domain_kit import NOON, key

ROOT_KEYS = [key(11), key(12), key(13)]
SIGNER, NEXT_SIGNER = key(14), key(15)
DAY = timedelta(days=1)
ROOT = Root(
    1,
    NOON - 30 * DAY,
    2,
    {signer.kid: signer.public_key for signer in ROOT_KEYS},
    {SIGNER.kid: SIGNER.public_key},
)
ROOT_2 = replace(ROOT, epoch=2, issued=NOON, manifest_keys={NEXT_SIGNER.kid: NEXT_SIGNER.public_key})


def code_of(action: Callable[..., Any], *arguments: Any) -> str:
    """The code with which a document is refused."""
    with pytest.raises(BundleError) as caught:
        action(*arguments)
    return caught.value.code
