"""A bundle's parts of status lists: for each campaign one snapshot and what became of it since, in deltas.

status/ISSUER/CAMPAIGN        the snapshot
delta/ISSUER/CAMPAIGN/PLACE   the deltas on it: 1 goes on from the snapshot, 2 from 1, and so on
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from agent.domain import cbor, status, status_delta
from agent.domain.bundle import PART_BYTES_MAX, BundleError
from agent.domain.fields import FieldError, Fields
from agent.domain.status import StatusFault, StatusList
from agent.domain.status_delta import Delta, decode_gaps, encode_gaps
from agent.domain.token import UINT32_MAX

SNAPSHOTS = "status/"
DELTAS = "delta/"
DELTAS_MAX = 32
DELTAS_BYTES_MAX = 1024 * 1024
"""One list's deltas in all: a publisher makes a new snapshot long before."""
_ITEMS_MAX = 16
"""CBOR items of a snapshot or a delta."""
LISTS_MAX = 1900
"""Lists of one bundle: a manifest names 2000 parts, and has others to name."""
LISTS_BYTES_MAX = 64 * 1024 * 1024
"""All lists of one bundle, inflated: 268 million coupons. In memory, and twice while one bundle follows another."""

Coupons = tuple[str, int]
"""(issuer, campaign): whose coupons a list is about."""


def snapshot_name(issuer: str, campaign: int) -> str:
    return f"{SNAPSHOTS}{issuer}/{campaign}"


def delta_name(issuer: str, campaign: int, place: int) -> str:
    """place: 1 for the delta on the snapshot."""
    return f"{DELTAS}{issuer}/{campaign}/{place}"


def snapshot_to_wire(issuer: str, campaign: int, listed: StatusList) -> dict[str, Any]:
    """The content of a snapshot."""
    return {"issuer": issuer, "campaign": campaign, "count": listed.count, "bits": status.compress(listed)}


def delta_to_wire(delta: Delta) -> dict[str, Any]:
    """The content of a delta."""
    wire = {
        "issuer": delta.issuer,
        "campaign": delta.campaign,
        "base": delta.base,
        "target": delta.target,
        "used": encode_gaps(delta.used),
        "revoked": encode_gaps(delta.revoked),
    }
    return wire | {"valid": encode_gaps(delta.valid)} if delta.valid else wire


def list_bytes(count: int) -> int:
    """What a list of `count` coupons counts for within LISTS_BYTES_MAX."""
    return (count + 3) // 4


def read_lists(parts: Mapping[str, bytes]) -> dict[Coupons, StatusList]:
    """Every status list of checked `parts`, brought up to date by its deltas. BundleError names the part."""
    lists: dict[Coupons, StatusList] = {}
    room = LISTS_BYTES_MAX
    deltas_left = {name for name in parts if name.startswith(DELTAS)}
    for snapshot in sorted(name for name in parts if name.startswith(SNAPSHOTS)):
        name, size, place = snapshot, 0, 1
        try:
            coupons, listed = _read_snapshot(name, parts[name], room)
            room -= list_bytes(listed.count)
            while (name := delta_name(*coupons, place)) in deltas_left:
                size += len(parts[name])
                if place > DELTAS_MAX or size > DELTAS_BYTES_MAX:
                    sentence = (
                        f"at most {DELTAS_MAX} deltas of {DELTAS_BYTES_MAX} bytes in all follow a snapshot"
                    )
                    raise StatusFault("too_large", sentence)
                listed = status_delta.apply(listed, _read_delta_of(coupons, parts[name]))
                deltas_left.remove(name)
                place += 1
        except StatusFault as error:
            raise BundleError(error.code, f"part {name}: {error}") from None
        except (cbor.CborError, FieldError) as error:
            raise BundleError("malformed", f"part {name}: {error}") from None
        lists[coupons] = listed
    for name in sorted(deltas_left):
        raise BundleError("wrong_base", f"part {name}: the delta follows no snapshot or delta of its list")
    return lists


def _read_snapshot(name: str, content: bytes, room: int) -> tuple[Coupons, StatusList]:
    fields = Fields(cbor.decode(content, max_items=_ITEMS_MAX), "status")
    coupons = fields.text("issuer", 32, least=1), fields.integer("campaign", 0, UINT32_MAX)
    # Under another name a second list of a campaign could give back what the first one revoked.
    if name != snapshot_name(*coupons):
        raise FieldError(f"holds the list of {snapshot_name(*coupons)}")
    count = fields.integer("count", 1, status.COUNT_MAX)
    if (
        list_bytes(count) > room
    ):  # a list of nothing but valid coupons is a few kilobytes here and megabytes inflated
        raise StatusFault("too_large", f"the lists hold more than {LISTS_BYTES_MAX} bytes")
    listed = status.inflate(count, fields.octets("bits", 1, PART_BYTES_MAX))
    fields.done()
    return coupons, listed


def _read_delta_of(coupons: Coupons, content: bytes) -> Delta:
    delta = read_delta(content)
    if (delta.issuer, delta.campaign) != coupons:
        raise StatusFault("wrong_base", "the delta is of another list")
    return delta


def read_delta(content: bytes) -> Delta:
    """A delta's part, whatever list it fits; CborError, FieldError or StatusFault if it is none."""
    fields = Fields(cbor.decode(content, max_items=_ITEMS_MAX), "delta")
    delta = Delta(
        fields.text("issuer", 32, least=1),
        fields.integer("campaign", 0, UINT32_MAX),
        fields.octets("base", 32, 32),
        fields.octets("target", 32, 32),
        decode_gaps(fields.octets("used", 0, DELTAS_BYTES_MAX)),
        decode_gaps(fields.octets("revoked", 0, DELTAS_BYTES_MAX)),
        decode_gaps(fields.octets("valid", 1, DELTAS_BYTES_MAX)) if fields.has("valid") else (),
    )
    fields.done()
    return delta
