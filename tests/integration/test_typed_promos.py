"""A code typed from the receipt of another till: the cloud is asked, and believed only what it says against it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import pytest

from agent.domain import campaign as campaigns
from agent.domain.decide import Refusal, verify_scan
from agent.domain.outcome import Outcome
from agent.domain.promo import letters_of
from agent.domain.record import EVIDENCE_LANE
from agent.domain.token import Coupon
from agent.ports import Ledger
from agent.promos.choice import read_typed_promo
from agent.promos.typed import asks
from agent.state import TillState
from sync.errors import WireError
from sync.ports import Answer
from sync.promos import NamedPromo, PromoState, promo_path, read_promos
from tests.core_kit import Core, core, install
from tests.factory import Factory
from tests.integration.cloud_server_kit import Client, Running, running_cloud
from tests.unit.cloud_kit import ISSUER, campaign

PROMO = 9


@pytest.fixture
async def cloud(tmp_path: Path) -> AsyncIterator[Running]:
    async with running_cloud(tmp_path / "cloud") as running:
        await running.set_up()
        offer = campaigns.to_wire(campaign(number=PROMO))
        body = {"campaign": offer, "promo": {"per_till": 3, "valid_days": 20}}
        assert (await running.admin("POST", "campaigns", body))[0] == 201
        yield running


@pytest.fixture
async def printed(cloud: Running) -> str:
    """The name on a receipt of T-1."""
    one = await cloud.enrol("T-1")
    promo = min((await one.refresh()).promos, key=lambda promo: promo.short)
    assert [result.status.value for result in await one.post(one.till.redeem(1, promo=promo.short))] == [
        "stored"
    ]
    assert await ask(one, promo.short) == (), "it may still wait for paper"
    told = one.till.seal({"promo": promo.short, "state": "printed"}, EVIDENCE_LANE, "promo")
    assert [result.status.value for result in await one.post(told, lane=EVIDENCE_LANE)] == ["stored"]
    return promo.short


@pytest.fixture
def till(tmp_path: Path) -> Iterator[Core]:
    made = Factory()
    with core(install(tmp_path / "till", made), made) as opened:
        yield opened


async def ask(client: Client, short: str) -> Sequence[NamedPromo]:
    async with client.uplink() as uplink:
        return await asks(uplink, TillState(client.till.name, online=True))(short)


async def test_another_till_takes_what_a_receipt_says(cloud: Running, printed: str, till: Core) -> None:
    two = await cloud.enrol("T-2", 2)
    contents = await two.refresh()
    (promo,) = await ask(two, printed)
    assert promo.state is PromoState.GOOD

    async def read(short: str) -> Coupon | Refusal | None:
        return await read_typed_promo(
            till.ledger, short, lambda text: verify_scan(text, contents), lambda name: ask(two, name)
        )

    coupon = await read(f" {printed.lower()} ")
    assert isinstance(coupon, Coupon)
    assert coupon.identity[:2] == (ISSUER, PROMO)
    other = f"{printed[:-5]}AAAAA"
    assert await read(other) == Refusal(Outcome.UNKNOWN_CODE, "promo")
    assert (
        await two.post(
            two.till.redeem(
                coupon.claims.index,
                coupon={"issuer": ISSUER, "campaign": PROMO, "index": coupon.claims.index},
            )
        )
    )[0]
    assert await read(printed) == Refusal(Outcome.ALREADY_REDEEMED, "elsewhere")


async def test_what_is_on_no_receipt_has_no_name(cloud: Running, printed: str) -> None:
    one = await cloud.enrol("T-2", 2)
    unprinted = next(promo.short for promo in (await one.refresh()).promos)
    assert await ask(one, unprinted) == ()


async def test_a_revoked_one_is_said_to_be(cloud: Running, printed: str) -> None:
    index = int(printed.split("-")[1])
    body = {"issuer": ISSUER, "campaign": PROMO, "indexes": [index]}
    await cloud.admin("POST", "revocations", body)
    two = await cloud.enrol("T-2", 2)
    assert [promo.state for promo in await ask(two, printed)] == [PromoState.REVOKED]


async def test_a_till_is_no_place_to_try_codes(cloud: Running, printed: str) -> None:
    two = await cloud.enrol("T-2", 2)
    async with two.uplink() as uplink:

        async def status(short: str) -> int:
            answer = await uplink.get(promo_path("T-2", short))
            assert isinstance(answer, Answer), answer
            return answer.status

        assert [await status(printed) for _ in range(12)] == [200] * 12
        assert [await status("9-999-AAAAA") for _ in range(10)] == [200] * 10
        assert await status("9-999-AAAAA") == 429
        assert await status("nothing") == 404
    assert await ask(two, printed) == (), "it hears nothing for a while"


async def test_without_a_line_nobody_is_asked(printed: str, cloud: Running) -> None:
    assert await asks(None, TillState("T-2", online=True))(printed) == ()
    two = await cloud.enrol("T-2", 2)
    async with two.uplink() as uplink:
        assert await asks(uplink, TillState("T-2", online=False))(printed) == ()


async def test_nothing_is_believed_of_a_cloud_that_lies(till: Core) -> None:
    """A good coupon under another name, and a name whose letters fit a text that is no coupon."""
    ledger: Ledger = till.ledger
    token = till.factory.coupon(5)
    contents = till.state.trust.contents if till.state.trust else None
    assert contents is not None

    async def read(short: str, said: str) -> Coupon | Refusal | None:
        async def liar(_short: str) -> Sequence[NamedPromo]:
            return (NamedPromo(said, PromoState.GOOD),)

        return await read_typed_promo(ledger, short, lambda text: verify_scan(text, contents), liar)

    unknown = Refusal(Outcome.UNKNOWN_CODE, "promo")
    number = verify_scan(token, contents)
    assert isinstance(number, Coupon)
    assert isinstance(await read(f"{number.claims.campaign}-000005-{letters_of(token)}", token), Coupon)
    assert await read("1-000006-AAAAA", token) == unknown
    assert await read(f"1-000006-{letters_of(token)}", token) == unknown
    assert await read(f"1-000005-{letters_of('RC1FORGED')}", "RC1FORGED") == unknown


ONE = b'{"token": "x", "state": "good"}'


@pytest.mark.parametrize(
    "promos",
    [
        b"{}",
        b"[1]",
        b'[{"token": "x"}]',
        b'[{"token": 1, "state": "good"}]',
        b'[{"token": "x", "state": "best"}]',
        b"[" + b",".join([ONE] * 21) + b"]",
    ],
)
def test_an_answer_of_another_form_is_none(promos: bytes) -> None:
    assert read_promos(b'{"promos": [' + ONE + b"]}") == (NamedPromo("x", PromoState.GOOD),)
    with pytest.raises(WireError):
        read_promos(b'{"promos": ' + promos + b"}")
