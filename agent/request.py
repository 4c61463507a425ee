"""What is asked of a till once: a scan or a POS's call, and how it is told from another."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field

from agent.domain.eligibility import Member
from agent.domain.online import Checked
from agent.domain.sale import Sale
from agent.members import NOBODY, Customer
from agent.records import ENCODE


@dataclass(frozen=True, slots=True)
class Request:
    """One thing to judge. request_id: the caller's idempotency key; the same key gives the same answer. supervisor:
    the text of a badge that is shown with it. checked: what the cloud said of it, where it was asked."""

    text: str
    source: str
    sale: Sale | None = None
    request_id: str | None = None
    customer: Customer = NOBODY
    supervisor: str = ""
    checked: Checked | None = None
    scan_id: str = field(default_factory=lambda: os.urandom(16).hex())

    @property
    def member(self) -> Member | None:
        return self.customer.member

    @property
    def sale_id(self) -> str:  # without a sale each request is one
        return self.sale.sale_id if self.sale else self.request_id or self.scan_id

    def fingerprint(self, key: bytes) -> str:
        """What must be equal for two requests to be the same request. Keyed: a short code could be guessed from it."""
        text = self.text.encode("utf-8", "surrogatepass")
        text += b"\0" + ENCODE(self.sale)
        if self.customer.told is not None:
            text += b"\0" + ENCODE(self.customer.told)
        if self.supervisor:
            text += b"\0supervisor\0" + self.supervisor.encode("utf-8", "surrogatepass")
        return hashlib.blake2b(text, key=key, digest_size=32).hexdigest()


class KeyReused(Exception):
    """The idempotency key was used for another request."""
