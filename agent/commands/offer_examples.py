"""An example of each kind of benefit, as `redeemd campaign new --benefit KIND` writes it into a campaign file."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date

from agent.commands.campaign_file import TEMPLATE
from agent.domain import benefit_wire
from agent.domain.campaign import Words
from agent.domain.offer_words import benefit_words

EXAMPLES: Mapping[str, str] = {
    "amount_off": """\
[offer.benefit]              # 30 off from 100; the highest step that is reached counts
kind = "amount_off"
steps = [{ from_minor = 10000, off_minor = 3000 }]
# steps = [{ from_minor = 10000, off_minor = 2000 }, { from_minor = 20000, off_minor = 5000 }]
# repeating = true           # once for every full threshold of one step, up to
# cap_minor = 9000
""",
    "percent_off": """\
[offer.benefit]              # 20 % off, at most 50; steps by pieces: { pieces = 3, percent = 20 }
kind = "percent_off"
steps = [{ percent = 20 }]
cap_minor = 5000
""",
    "set_off": """\
[offer.benefit]              # the second piece at half price; pieces = 3 and percent = 100: three for two
kind = "set_off"
pieces = 2
off_pieces = 1
change = { percent = 50 }
cap_minor = 3000
same_article = false         # true: the pieces must be the same article
sets_max = 1
""",
    "set_price": """\
[offer.benefit]              # any 3 for 99 together
kind = "set_price"
pieces = 3
price_minor = 9900
cap_minor = 5000
sets_max = 1
""",
    "item": """\
[offer.benefit]              # one drink is free; also change = { off_minor = 200 } or { price_minor = 990 }
kind = "item"
change = { percent = 100 }
pieces = 1                   # 0 for all pieces
which = "cheapest"           # or "dearest": those first
cap_minor = 800
# target = { skus = ["6901234567809"] }    # the articles that change, beside those of [offer.items]
# every_minor = 10000        # one for every full 100 of the others, at most
# times = 2

[offer.items]                # article numbers, categories or brands
skus = ["6901234567892"]
""",
    "gift": """\
[offer.benefit]              # hand over one of these: a gift with purchase, an exchange voucher
kind = "gift"
skus = ["6901234567892"]
pieces = 1
value_minor = 800            # what one piece is worth at most
""",
    "stored_value": """\
[offer.benefit]              # the coupon holds 100 that pay; "uses" above says how often it may be spent
kind = "stored_value"
cap_minor = 10000
whole = false                # true: spent at once or not at all
""",
    "points_spend": """\
[offer.benefit]              # every 100 points pay 1.00, at most 20.00 and half of the sale
kind = "points_spend"
points = 100
worth_minor = 100
cap_minor = 2000
percent_max = 50
""",
    "points_multiplier": """\
[offer.benefit]              # three times the points
kind = "points_multiplier"
percent = 300
""",
    "pickup": """\
[offer.benefit]              # an order is handed over, with a gift or without
kind = "pickup"
gift = { skus = ["6901234567892"], value_minor = 800 }
""",
    "attribution": """\
[offer.benefit]              # nothing comes off: the visit is counted
kind = "attribution"
""",
}
MORE = """
# [offer.conditions]         # when it counts; docs/campaigns.md has all of them
# min_spend_minor = 10000    # of the articles in [offer.items]
# weekdays = [6, 7]          # 1 is Monday
# hours = [{ from_minute = 600, to_minute = 1320 }]
# merchants = ["acme"]       # of an alliance
# member_level = 2

# [offer.stacking]           # beside which other coupons; usual: beside none
# mode = "joint"

# [offer.funding]            # who pays, in shares of a thousand; usual: the issuer all of it
# issuer = 600
# merchant = 400

# [offer.incentives]         # who earns by a redemption: at most two tiers of referrers
# assistant = { minor = 100 }
# referrers = [{ permille = 20, cap_minor = 500 }, { permille = 10, cap_minor = 200 }]
"""


ONE_USE = (
    "# uses = 100                 # how often one coupon may be used: for a promo code that many people hold"
)
SPENT_IN_PARTS = (
    "uses = 100                   # how often one coupon may be spent; with 1 what is left on it is lost"
)


def example_campaign(kind: str, issuer: str, number: int, starts: date, ends: date) -> str:
    """A campaign file (TOML) to edit, with a benefit of this kind; what a shopper reads fits what it gives."""
    if kind == "amount_off":
        title, line = (
            Words("满百立减", "30 off 100"),
            Words("单笔满 100 元可用，每单一张", "On 100 or more, one per sale"),
        )
    else:
        benefit = benefit_wire.from_wire(tomllib.loads(EXAMPLES[kind])["offer"]["benefit"])
        title, line = benefit_words(benefit, "CNY"), Words("每单一张", "One per sale")
    return TEMPLATE.format(
        issuer=issuer,
        number=number,
        starts=starts,
        ends=ends,
        uses=SPENT_IN_PARTS if kind == "stored_value" else ONE_USE,
        offer=EXAMPLES[kind] + MORE,
        title=title,
        line=line,
    )
