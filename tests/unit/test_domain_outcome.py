"""The closed list of outcomes and their sentences."""

from string import Formatter

import pytest

from agent.domain.outcome import SAYINGS, Outcome, Tone, sentences

KNOWN_NAMES = {
    Outcome.ALREADY_REDEEMED: {"first_use"},
    Outcome.HELD: {"until"},
    Outcome.EXPIRED: {"expires"},
    Outcome.NOT_YET_VALID: {"starts"},
    Outcome.SALE_TOO_SMALL: {"missing"},
    Outcome.PIECES_MISSING: {"pieces"},
    Outcome.POINTS_MISSING: {"points"},
    Outcome.POINTS_LIMIT: {"again"},
    Outcome.OTHER_TENDER: {"tenders"},
    Outcome.ACCEPTED: {"benefit"},
}
# Stable: POS vendors and the cloud match them. A new one is added here, in its place; none is ever renamed.
CODES = """not_a_coupon truncated malformed member_card staff_badge pickup_code payment_code product_barcode web_address
    unsupported_code unknown_code unknown_key bad_signature beyond_key_limit key_not_valid unknown_campaign
    never_issued revoked already_redeemed held expired not_yet_valid wrong_store other_merchant till_stopped
    bundle_expired clock_untrusted online_only wrong_currency other_channel other_day other_hour member_needed
    other_holder level_too_low not_first_visit not_absent limit_reached other_tender total_needed item_missing
    pieces_missing sale_too_small out_of_stock points_missing points_limit balance_empty nothing_cheaper budget_reached
    split_sale supervisor_needed online_needed accepted unknown_result"""


def test_the_codes_and_their_order():
    assert [outcome.value for outcome in Outcome] == CODES.split()


@pytest.mark.parametrize("outcome", Outcome)
def test_every_refusal_explains_itself_in_both_languages(outcome):
    saying = SAYINGS[outcome]
    assert saying.zh
    assert saying.en
    assert any("\u4e00" <= character <= "\u9fff" for character in saying.zh)
    assert saying.en.isascii()
    assert bool(saying.next_zh) == bool(saying.next_en)
    assert saying.next_en or outcome is Outcome.ACCEPTED
    assert (saying.tone is Tone.GOOD) == (outcome is Outcome.ACCEPTED)


@pytest.mark.parametrize("outcome", Outcome)
def test_a_saying_uses_only_what_its_outcome_knows(outcome):
    saying = SAYINGS[outcome]
    for zh, en in ((saying.zh, saying.en), (saying.next_zh, saying.next_en)):
        names = [{name for _, name, _, _ in Formatter().parse(text) if name is not None} for text in (zh, en)]
        assert names[0] == names[1]
        assert names[0] <= KNOWN_NAMES.get(outcome, set())
    values = dict.fromkeys(
        KNOWN_NAMES.get(outcome, set()), "{x} %s {0}"
    )  # filled in, never read as a template
    filled = sentences(outcome, values, values)
    assert ("{x} %s {0}" in filled.zh + filled.next_zh) == bool(values)


def test_what_can_be_mended_at_the_till_is_not_called_bad():
    mendable = {Outcome.SALE_TOO_SMALL, Outcome.ITEM_MISSING, Outcome.TRUNCATED, Outcome.NOT_YET_VALID}
    assert all(SAYINGS[outcome].tone is Tone.WARN and SAYINGS[outcome].transient for outcome in mendable)
    forged = {Outcome.BAD_SIGNATURE, Outcome.REVOKED, Outcome.ALREADY_REDEEMED, Outcome.NEVER_ISSUED}
    assert all(SAYINGS[outcome].tone is Tone.BAD and not SAYINGS[outcome].transient for outcome in forged)
