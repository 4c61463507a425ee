"""`redeemd receipt` and `redeemd check-config`: a template is tried before any customer sees it."""

from __future__ import annotations

import asyncio
import io
from pathlib import Path

import pytest
import zxingcpp
from PIL import Image

from agent.cli import main
from agent.commands import check, till_file
from agent.domain import campaign
from agent.domain.image import Image as Dots
from agent.domain.image import write_image
from agent.domain.promo import read_typed
from agent.receipts.samples import SAMPLES
from tests.integration.cloud_server_kit import running_cloud
from tests.receipt_samples import LOGO
from tests.unit import cloud_kit

GOOD = "receipt 1 redemption zh\ntext center bold x2: {store}\ntext: {number}\nqr: {promo_code}\n"
BAD = "receipt 1 redemption zh\ntext: {number}\ntext: 满100返现{total}\n"


@pytest.fixture(autouse=True)
def no_till(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is configured on the machine that tests."""
    monkeypatch.setattr(till_file, "DEFAULT_CONFIG", tmp_path / "etc-till.toml")


@pytest.fixture
def template(tmp_path: Path) -> Path:
    path = tmp_path / "mine.receipt"
    path.write_text(GOOD, "utf-8")
    return path


def test_what_is_shown_can_be_changed_and_tried(tmp_path, capsys):
    assert main(["receipt", "show", "exchange", "--language", "en"]) == 0
    path = tmp_path / "mine.receipt"
    path.write_text(capsys.readouterr().out.replace("Exchange slip", "House slip"), "utf-8")
    assert main(["receipt", "check", str(path)]) == 0
    assert "a template for exchange en" in capsys.readouterr().out
    assert main(["receipt", "preview", "--template", str(path), "--text"]) == 0
    assert "House slip" in capsys.readouterr().out


def test_check_says_what_is_wrong_in_every_file(tmp_path, template, capsys):
    bad = tmp_path / "bad.receipt"
    bad.write_text(BAD, "utf-8")
    assert main(["receipt", "check", str(bad), str(template), str(tmp_path / "none")]) == 65
    first, second, third = capsys.readouterr().out.splitlines()
    assert "line 3: promises '返现': say '满减'" in first
    assert "good" in second
    assert "cannot be read" in third


def test_a_picture_of_the_model_holds_a_code_that_reads(tmp_path, template, capsys):
    path = tmp_path / "out.png"
    assert main(["receipt", "preview", "--template", str(template), "--png", str(path)]) == 0
    with Image.open(io.BytesIO(path.read_bytes())) as picture:
        assert picture.mode == "1"
        (found,) = zxingcpp.read_barcodes(picture.convert("L"))
    assert found.text == SAMPLES["zh"]["promo_code"]


def test_codes_that_a_printer_cannot_draw_are_told(template, capsys):
    assert main(["receipt", "preview", "--profile", "TM-U220"]) == 0
    assert "a QR code is not printed: this printer draws none" in capsys.readouterr().err
    assert main(["receipt", "preview", "--profile", "generic-58"]) == 0
    assert "QR code is not printed" not in capsys.readouterr().err


def test_html_is_a_page_that_needs_nothing_else(tmp_path, template, capsys):
    path = tmp_path / "out.html"
    assert main(["receipt", "preview", "--template", str(template), "--html", str(path)]) == 0
    page = path.read_text("utf-8")
    assert SAMPLES["zh"]["store"] in page
    assert ".paper" in page
    assert "<script" not in page


def test_it_is_set_as_the_tills_printer_prints_it(tmp_path, template, capsys):
    path = tmp_path / "till.toml"
    path.write_text(
        f'[till]\nstate_dir = "{tmp_path}/state"\n[[printer]]\nkind = "tcp"\nname = "wide"\nhost = "127.0.0.1"\n'
        '[[printer]]\nkind = "tcp"\nname = "narrow"\nhost = "127.0.0.2"\nprofile = "generic-58"\n',
        "utf-8",
    )
    widths = []
    for more in (
        [],
        ["--printer", "narrow"],
        ["--printer", "narrow", "--columns", "28"],
        ["--profile", "TM-T88V"],
    ):
        assert main(["receipt", "preview", "--config", str(path), *more]) == 0
        widths.append(max(len(line) for line in capsys.readouterr().out.splitlines()))
    assert widths == [48, 32, 28, 42]


def test_without_a_word_it_is_set_as_this_tills_printer_and_says_so(tmp_path, template, capsys):
    path = till_file.DEFAULT_CONFIG
    said = []
    for content in (
        "",
        (start := f'[till]\nstate_dir = "{tmp_path}/state"\n'),
        start
        + '[[printer]]\nkind = "tcp"\nname = "narrow"\nhost = "x"\nprofile = "generic-58"\nencoding = "gbk"\n',
        "[printer]\n",
    ):
        if content:
            path.write_text(content, "utf-8")
        assert main(["receipt", "preview", "--template", str(template)]) == 0
        said.append(capsys.readouterr().err.strip())
    assert said == [
        f"as a common printer ({path} does not exist) prints it: generic-80, 48 columns, gb18030",
        f"as a common printer ({path} names none) prints it: generic-80, 48 columns, gb18030",
        f"as printer narrow of {path} prints it: generic-58, 32 columns, gbk",
        f"as a common printer ({path} has faults: see redeemd check-config) prints it: generic-80, 48 columns, gb18030",
    ]


def test_facts_can_be_left_out_and_a_copy_is_marked(template, capsys):
    assert (
        main(["receipt", "preview", "--template", str(template), "--without", "promo_code", "--copy", "2"])
        == 0
    )
    out = capsys.readouterr().out
    assert "[QR]" not in out
    assert out.count("重打 第2次") == 2


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--without", "prize"], "'prize' is no fact"),
        (["--profile", "no-such"], "no-such"),
        (["--profile", "tm-t20ii"], 'did you mean "TM-T20II"?'),
        (["--profile", "TM-T88V", "--columns", "56"], "TM-T88V prints at most 42 of font A on its 512 dots"),
        (["--columns", "49"], "generic-80 prints at most 48 of font A"),
        (["--encoding", "gbq"], "it must be one of gb18030"),
        (["--printer", "front"], "till.toml: does not exist"),
        (["--template", "/nonexistent/x.receipt"], "cannot be read"),
        (["--png", "/nonexistent/x.png"], "cannot be written"),
    ],
)
def test_what_cannot_be_done_is_said(arguments, said, capsys):
    assert main(["receipt", "preview", *arguments]) not in (0, 1) or "written" in said
    assert said in capsys.readouterr().err


def test_check_config_reads_the_folder_of_templates(tmp_path, template, capsys):
    path = tmp_path / "till.toml"
    path.write_text(f'[till]\nstate_dir = "{tmp_path}/state"\n[receipt]\ntemplates = "{tmp_path}"\n', "utf-8")
    assert main(["check-config", str(path)]) == 0
    (tmp_path / "bad.receipt").write_text(BAD, "utf-8")
    capsys.readouterr()
    assert main(["check-config", str(path)]) != 0
    said = capsys.readouterr()
    assert "bad.receipt: line 3: promises '返现'" in said.out + said.err
    assert check.load(path).receipt.templates, "it costs no receipt, so the till begins"


def test_what_a_printer_prints_otherwise_is_said_where_it_is_written(tmp_path, capsys):
    path = tmp_path / "till.toml"
    path.write_text(
        f'[till]\nstate_dir = "{tmp_path}/state"\n[receipt]\ntemplates = "{tmp_path}"\n[[printer]]\nname = "front"\n'
        'kind = "file"\ndevice = "/dev/null"\nprofile = "generic-58"\n',
        "utf-8",
    )
    mine = tmp_path / "mine.receipt"
    mine.write_text(
        "receipt 1 redemption zh\ntext: {number} 谢谢 \U0001f389\nbarcode itf: " + "12" * 20, "utf-8"
    )
    assert main(["check-config", str(path)]) != 0
    out = capsys.readouterr().out
    assert f"till.toml:4: receipt.templates: {mine}, at printer front: line 2: " in out
    assert "\U0001f389 (U+1F389, PARTY POPPER) cannot be printed" in out
    assert f"{mine}, at printer front: line 3: a barcode is printed as text: the ITF is" in out
    assert len(out.splitlines()) == 2
    assert main(["receipt", "preview", "--template", str(mine), "--config", str(path)]) == 0
    said = capsys.readouterr()
    assert "PARTY POPPER" in said.err
    assert "a barcode is printed as text" in said.err
    assert "谢谢 □" in said.out
    assert main(["receipt", "check", str(mine), "--config", str(path)]) == 65
    first, second = capsys.readouterr().out.splitlines()
    assert first.startswith(f"{mine}: line 2: \U0001f389 (U+1F389, PARTY POPPER) cannot be printed")
    assert second.startswith(f"{mine}: line 3: a barcode is printed as text: the ITF is")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (
            "barcode ean13: {number_code}",
            "line 3: EAN-13 holds 13 digits, and {number_code} is never digits alone",
        ),
        (
            "barcode code39: {promo_short}-ABCDEFGHIJ",
            "line 3: a barcode is printed as text: the CODE39 is",
        ),
        (
            "image wide.png: {store}",
            "line 3: words are printed for image wide.png: it is 400 dots wide, the paper 384",
        ),
        ("text: \U0001f389", "line 3: \U0001f389 (U+1F389, PARTY POPPER) cannot be printed"),
    ],
)
def test_what_preview_finds_check_and_check_config_find_with_its_line(tmp_path, capsys, line, said):
    """Only preview tried a template on facts."""
    mine, path = tmp_path / "mine.receipt", tmp_path / "till.toml"
    mine.write_text(f"receipt 1 redemption zh\ntext: {{number}}\n{line}\n", "utf-8")
    (tmp_path / "wide.png").write_bytes(write_image(Dots(400, (bytes(50),))))
    path.write_text(
        f'[till]\nstate_dir = "{tmp_path}/state"\n[receipt]\ntemplates = "{tmp_path}"\n[[printer]]\nname = "front"\n'
        'kind = "file"\ndevice = "/dev/null"\nprofile = "generic-58"\n',
        "utf-8",
    )
    for arguments in (["receipt", "check", str(mine), "--config", str(path)], ["check-config", str(path)]):
        assert main(arguments) != 0
        (found,) = capsys.readouterr().out.splitlines()
        assert str(mine) in found
        assert said in found
    previewed = main(["receipt", "preview", "--template", str(mine), "--config", str(path)])
    assert said in capsys.readouterr().err
    assert previewed == (65 if "never" in said else 0), "what cannot be read is not set either"


def test_a_till_without_a_printer_tries_its_templates_too(tmp_path, capsys):
    path = tmp_path / "till.toml"
    path.write_text(f'[till]\nstate_dir = "{tmp_path}/state"\n[receipt]\ntemplates = "{tmp_path}"\n', "utf-8")
    (tmp_path / "mine.receipt").write_text(GOOD + f"barcode itf: {'12' * 30}\n", "utf-8")
    assert main(["check-config", str(path)]) != 0
    out = capsys.readouterr().out
    assert "mine.receipt, at a common printer: line 5: a barcode is printed as text: the ITF is" in out


def test_a_folder_that_is_missing_is_no_template_to_try(tmp_path, capsys):
    path = tmp_path / "till.toml"
    path.write_text(
        f'[till]\nstate_dir = "{tmp_path}/state"\n[receipt]\ntemplates = "{tmp_path}/none"\n', "utf-8"
    )
    assert main(["check-config", str(path)]) != 0
    said = capsys.readouterr().out
    assert f"{tmp_path}/none is no folder; name a folder of at most 64 templates and images, or use" in said
    assert "preview" not in said


def test_the_samples_look_like_real_facts():
    """`2-48151` was a code that no till takes."""
    for facts in SAMPLES.values():
        assert read_typed(facts["promo_short"]) is not None
        assert facts["number"] == facts["number_code"]
        assert facts["number"].startswith(f"{facts['till']}-")
        token = facts["promo_code"]
        assert 150 < len(token) < 260
        assert set(token) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZ1234567")


RULES = """\
[[promos]]
name = "autumn"
starts = 2026-01-01
ends = 2026-12-31
after = [["acme", 7]]
arms = [
  { name = "coffee", share = 9000, campaign = ["acme", 7] },
  { name = "hold-out", share = 1000 },
]

[[slips]]
paper = "exchange"
benefit = "item"

[join]
url = "https://member.example/join"
words = { zh = "扫码成为会员", en = "Join us" }
"""


async def test_templates_rules_and_lending_reach_the_till(tmp_path, template, capsys):
    rules, token = tmp_path / "rules.toml", tmp_path / "token"
    rules.write_text(RULES, "utf-8")
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up(size=1000)
        token.write_text(cloud.token)
        where = ["--cloud", cloud.url, "--token-file", str(token)]

        async def run(*arguments: str) -> int:
            return await asyncio.to_thread(main, [*arguments, *where])

        (tmp_path / "logo.png").write_bytes(LOGO)
        with template.open("a", encoding="utf-8") as file:
            file.write("image logo.png: {store}\nimage other.png: {store}\n")
        assert await run("receipt", "publish", str(template), str(tmp_path / "logo.png")) == 0
        assert await run("campaign", "lend", "acme", "7", "--count", "5") == 0
        assert await run("receipt", "rules", str(rules)) == 0
        said = capsys.readouterr().out
        contents = await (await cloud.enrol("T-1")).refresh()
        assert await run("receipt", "rules", str(rules), "--store", "nowhere") == 1
    for words in (
        "other.png is not among the files",
        "templates published: 2",
        "coffee  90 %  acme 7",
        "hold-out  10 %  nothing",
        "may sign 5 coupons",
    ):
        assert words in said
    found = [(one.name, one.content) for one in contents.shop.templates]
    assert found == [("mine", template.read_bytes()), ("logo.png", LOGO)]
    (rule,) = contents.receipt_rules.promos
    assert (rule.name, rule.starts, rule.arms[1].campaign) == ("autumn", 20_454, None)
    assert [key.delegation.till for key in contents.keys.values() if key.delegation] == ["T-1"]


async def test_rules_name_campaigns_that_are_there_and_give_codes(tmp_path, capsys):
    rules, token = tmp_path / "rules.toml", tmp_path / "token"
    slip = RULES.replace('benefit = "item"', 'benefit = "item"\ncampaigns = [["acme", 7], ["acme", 6]]')
    plan = {"per_till": 2, "valid_days": 5}
    async with running_cloud(tmp_path / "cloud") as cloud:
        await cloud.set_up()
        token.write_text(cloud.token)

        async def publish(text: str) -> tuple[int, str]:
            rules.write_text(text, "utf-8")
            where = ["--cloud", cloud.url, "--token-file", str(token)]
            code = await asyncio.to_thread(main, ["receipt", "rules", str(rules), *where])
            return code, capsys.readouterr().err

        refused = [
            await publish(RULES.replace('campaign = ["acme", 7]', 'campaign = ["acme", 8]')),
            await publish(RULES.replace('after = [["acme", 7]]', 'after = [["other", 7]]')),
            await publish(slip),
            await publish(RULES),
        ]
        offer = {"campaign": campaign.to_wire(cloud_kit.campaign(version=2)), "promo": plan}
        status, said = await cloud.admin("POST", "campaigns", offer)
        assert status == 201, said
        assert await publish(RULES) == (0, "")
        offer = {"campaign": campaign.to_wire(cloud_kit.campaign(version=3))}
        status, said = await cloud.admin("POST", "campaigns", offer)
        assert (status, said["warnings"][0][:37]) == (201, "rules of receipts print it (autumn), ")
    assert {code for code, _ in refused} == {1}
    for (_, error), words in zip(
        refused,
        (
            "promos 'autumn' names campaign acme 8, which is not published here",
            "promos 'autumn' names campaign other 7, which is",
            "slips names campaign acme 6, which is not",
            "promos 'autumn': tills hold no codes of campaign acme 7; write [promo] into its file",
        ),
        strict=True,
    ):
        assert words in error


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("share = 1000", "share = 999"), "share 9999 of 10000"),
        (("2026-12-31", "2025-12-31"), "promos: number 1 'autumn': promo rule.ends is before starts"),
        (
            ("2026-12-31", '"soon"'),
            "promos: number 1: ends is a text: a date is written 2026-12-31, not quoted",
        ),
        (("https://", "http://"), "url is not an https address"),
        (("Join us", "Cash back"), "promises 'cash back'"),
        (("[join]", "[joyn]"), "joyn is not known here"),
        (("[[promos]]", "[[promos"), "rules.toml"),
    ],
)
def test_rules_are_checked_before_they_are_sent(change, said, tmp_path, capsys):
    path = tmp_path / "rules.toml"
    path.write_text(RULES.replace(*change), "utf-8")
    assert main(["receipt", "rules", "--check", str(path)]) == 65
    assert said in capsys.readouterr().err


def test_nothing_is_sent_nowhere(tmp_path, template, capsys):
    assert main(["receipt", "publish", str(template)]) == 2
    assert "--cloud URL" in capsys.readouterr().err
