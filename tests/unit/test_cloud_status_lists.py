"""How the cloud's chain of parts grows: whatever the history, it leads to the list and stays short."""

from hypothesis import given
from hypothesis import strategies as st

from agent.domain import status, status_delta
from agent.domain.status_parts import read_lists
from cloud.status_lists import _next, _snapshot
from tests.unit.domain_kit import examples

NAME = ("acme", 7)
COUNT = 4000
MARKS = st.lists(st.tuples(st.integers(0, COUNT - 1), st.sampled_from([0, 1, 2])), max_size=120)


@examples(80)
@given(MARKS, st.lists(MARKS, max_size=12), st.lists(st.sampled_from([0, 1, 2, 8]), min_size=12, max_size=12))
def test_the_chain_leads_to_the_list_and_stays_short(first, steps, most):
    listed = status.make(COUNT, first)
    chain, change, known = _snapshot(NAME, listed, len(first)), len(first), list(first)
    for marks, room in zip(steps, most, strict=False):
        before, known, change = chain, known + marks, change + len(marks)
        changes = status_delta.changes(chain.listed, marks)
        chain = _next(NAME, chain, chain.listed, changes, change, room)
        assert chain.change == change
        assert chain.listed == status.make(COUNT, known)
        parts = {name: part.content for name, part in chain.named(NAME).items()}
        assert read_lists(parts) == {NAME: chain.listed}
        snapshot, *deltas = (len(part.content) for part in chain.parts)
        assert len(deltas) <= room
        assert 2 * sum(deltas) <= snapshot
        if len(deltas) > 1:
            assert deltas[-2] >= 2 * deltas[-1] or not changes
        assert [part.change for part in chain.parts] == sorted(part.change for part in chain.parts)
        if not changes and len(before.parts) <= 1 + room and room:
            assert [part.sha256 for part in chain.parts] == [part.sha256 for part in before.parts]


@examples(30)
@given(st.lists(MARKS, min_size=2, max_size=6))
def test_a_till_may_join_at_any_point(steps):
    """What a till has stored of an earlier chain it need not fetch again, and it never misleads it."""
    chain = _snapshot(NAME, status.make(COUNT, [(index, 1) for index in range(0, COUNT, 7)]), 0)
    held: dict[bytes, bytes] = {}
    for number, marks in enumerate(steps, 1):
        held |= {part.sha256: part.content for part in chain.parts}
        changes = status_delta.changes(chain.listed, marks)
        chain = _next(NAME, chain, chain.listed, changes, number, 8)
        parts = {name: held.get(part.sha256, part.content) for name, part in chain.named(NAME).items()}
        assert read_lists(parts)[NAME] == chain.listed
        fresh = [part for part in chain.parts if part.sha256 not in held]
        assert len(fresh) <= 1, "one part, whatever was merged"
