"""Deltas of status lists: the coupons whose status rose between two states of a list, each state named by its hash.

A chain of deltas starts at a snapshot and each goes on where the one before ended. The indexes that became used and
those that became revoked stand as ascending gaps: each gap is the number of coupons left out since the one before, as
an unsigned LEB128 number (DWARF 5, section 7.6) in its shortest form, at most four bytes. A day's 0.1 % of 10 million
coupons is 18 KiB so; zlib would take 12 % off and is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from agent.domain.status import COUNT_MAX, Status, StatusFault, StatusList, state_hash


@dataclass(frozen=True, slots=True)
class Delta:
    """base, target: the state's hash before and after. used, revoked: ascending indexes, none of them in both."""

    issuer: str
    campaign: int
    base: bytes
    target: bytes
    used: tuple[int, ...]
    revoked: tuple[int, ...]


def encode_gaps(indexes: Iterable[int]) -> bytes:
    """Strictly ascending indexes as gaps."""
    out = bytearray()
    previous = -1
    for index in indexes:
        gap = index - previous - 1
        assert gap >= 0, "indexes ascend"
        while gap > 127:
            out.append(gap & 127 | 128)
            gap >>= 7
        out.append(gap)
        previous = index
    return bytes(out)


def decode_gaps(data: bytes) -> tuple[int, ...]:
    """The indexes, strictly ascending and below COUNT_MAX; StatusFault for anything not written by the rules."""
    found = []
    index, gap, shift = -1, 0, 0
    for byte in data:
        gap |= (byte & 127) << shift
        if byte & 128:
            shift += 7
            if shift > 21:
                raise StatusFault("malformed", "a gap of more than 4 bytes")
            continue
        if not byte and shift:
            raise StatusFault("malformed", "a gap that is not in its shortest form")
        index += gap + 1
        found.append(index)
        gap = shift = 0
    if shift:
        raise StatusFault("malformed", "the last gap is cut short")
    if index >= COUNT_MAX:
        raise StatusFault("malformed", f"index {index}; lists end at {COUNT_MAX}")
    return tuple(found)


def rising(listed: StatusList, marked: Iterable[tuple[int, int]]) -> dict[int, int]:
    """Those of `marked` that raise a status of `listed`, the highest of each coupon; in no order."""
    found: dict[int, int] = {}
    bits = listed.bits
    for index, status in marked:
        assert 0 <= index < listed.count, "an index beyond the list"
        if status > bits[index >> 2] >> 2 * (index & 3) & 3 and status > found.get(index, 0):
            found[index] = status
    return found


def make_delta(
    issuer: str, campaign: int, before: StatusList, changes: Iterable[tuple[int, int]]
) -> tuple[Delta, StatusList]:
    """The delta of `changes` on `before`, of which each raises a status, and the list after it."""
    ordered = sorted(changes)
    used = tuple(index for index, status in ordered if status == Status.USED)
    revoked = tuple(index for index, status in ordered if status > Status.USED)
    after = _raise(before, used, revoked)
    base, target = (state_hash(issuer, campaign, state) for state in (before, after))
    return Delta(issuer, campaign, base, target, used, revoked), after


def merge(first: Delta, second: Delta) -> Delta:
    """One delta that does what the two do, one after the other."""
    assert (first.issuer, first.campaign, first.target) == (second.issuer, second.campaign, second.base)
    revoked = set(first.revoked).union(second.revoked)
    used = set(first.used).union(second.used) - revoked
    return Delta(
        first.issuer, first.campaign, first.base, second.target, tuple(sorted(used)), tuple(sorted(revoked))
    )


def apply(listed: StatusList, delta: Delta) -> StatusList:
    """The list after `delta`; StatusFault if it is made for another state, lowers a status or misses its target."""
    if state_hash(delta.issuer, delta.campaign, listed) != delta.base:
        raise StatusFault("wrong_base", "the delta is made for another state of the list")
    if not (delta.used or delta.revoked):
        raise StatusFault("malformed", "a delta without a change")
    if not set(delta.revoked).isdisjoint(delta.used):
        raise StatusFault("malformed", "a coupon stands twice")
    after = _raise(listed, delta.used, delta.revoked)
    if state_hash(delta.issuer, delta.campaign, after) != delta.target:
        raise StatusFault("wrong_target", "the list after the delta is not the one it names")
    return after


def _raise(listed: StatusList, used: Sequence[int], revoked: Sequence[int]) -> StatusList:
    bits = bytearray(listed.bits)
    for indexes, status in ((used, Status.USED), (revoked, Status.REVOKED)):
        if indexes and indexes[-1] >= listed.count:
            raise StatusFault("malformed", f"index {indexes[-1]} in a list of {listed.count}")
        for index in indexes:
            at, shift = index >> 2, 2 * (index & 3)
            if status <= bits[at] >> shift & 3:
                raise StatusFault("not_rising", f"coupon {index} is {status.name.lower()} already or more")
            bits[at] = bits[at] & ~(3 << shift) | status << shift
    return StatusList(listed.count, bytes(bits))
