"""Where stores and tills stand. What settlement, receipts and coupons hang on is changed only by somebody who says so.

A name typed twice by mistake must not move a till to another store, nor give a store another currency.
"""

from __future__ import annotations

from agent.domain.parts import Place
from cloud.errors import Refused
from cloud.ports import CloudStore

_WEIGHTY = ("number", "merchant", "zone", "currency")


async def put_place(store: CloudStore, place: Place, *, change: bool) -> None:
    """Add a store, or replace it. Refused(409) store_known where its _WEIGHTY facts differ and `change` is not said."""
    known = await store.place(place.store)
    if known is not None and not change:
        differing = [name for name in _WEIGHTY if getattr(known, name) != getattr(place, name)]
        if differing:
            said = ", ".join(
                f"{name} {getattr(known, name)} (now {getattr(place, name)})" for name in differing
            )
            raise Refused(
                409, "store_known", f"store {place.store} is known with {said}: say change if that is meant"
            )
    await store.put_place(place)


async def add_till(
    store: CloudStore, till: str, place: str, code_digest: bytes, expires: str, *, move: bool
) -> None:
    """Add a till with its enrolment code. Refused(409) till_elsewhere where it is known in another store and `move` is
    not said; others as `CloudStore.add_till`."""
    known = await store.till(till)
    if known is not None and known.store != place and not move:
        raise Refused(
            409,
            "till_elsewhere",
            f"till {till} is known in store {known.store}: choose another name, or say move if it goes to {place}",
        )
    await store.add_till(till, place, code_digest, expires)


class Places:
    """Where tills stand, as the cloud knows it: each till and each store is asked for once."""

    def __init__(self, store: CloudStore) -> None:
        self._store = store
        self._tills: dict[str, Place | None] = {}
        self._stores: dict[str, Place | None] = {}

    async def load(self) -> None:
        """All stores at once, where many will be asked for."""
        self._stores |= {place.store: place for place in await self._store.places()}

    async def place(self, till: str) -> Place | None:
        """Where this till stands."""
        if till not in self._tills:
            found = await self._store.till(till)
            self._tills[till] = None if found is None else await self._place(found.store)
        return self._tills[till]

    async def of(self, till: str) -> tuple[str | None, str | None]:
        """(store, merchant) of this till."""
        return _named(await self.place(till))

    async def at(self, store: str) -> tuple[str | None, str | None]:
        """(store, merchant) of this store."""
        return _named(await self._place(store))

    async def _place(self, store: str) -> Place | None:
        if store not in self._stores:
            self._stores[store] = await self._store.place(store)
        return self._stores[store]


def _named(place: Place | None) -> tuple[str | None, str | None]:
    return (None, None) if place is None else (place.store, place.merchant)
