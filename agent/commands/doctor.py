"""`redeemd doctor`: every device that is there, which configured device it is, and what keeps it from working.

It opens no device, so it can be asked at any time, also while the till serves customers.
"""

from __future__ import annotations

import argparse
import grp
import json
import os
import pwd
import stat
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import config
from agent.commands.errors import CommandError
from agent.commands.show import ask_till
from agent.commands.till_file import DEFAULT_CONFIG
from config import ConfigError
from drivers.discover import DEV, fits
from drivers.inventory import Found, inventory

SERVICE_USER = "redeemd"
SERVICE_GROUPS = ("dialout", "input", "lp", "video")
"""What the unit adds to the user's own groups (SupplementaryGroups in systemd/redeemd.service)."""

_RULES_PAGE = "install the udev rules (docs/operations.md), then: udevadm control --reload; udevadm trigger"
_NEEDS = {"serial": 0o6, "input": 0o4, "hid": 0o4, "video": 0o6, "printer": 0o2}
"""Permission bits that redeemd needs on a device of each kind."""


@dataclass(frozen=True, slots=True)
class Account:
    """Whose permissions count."""

    name: str
    uid: int
    groups: frozenset[int]


@dataclass(slots=True)
class Finding:
    """One device, one configured device that is not there, or one fault of the file.

    rule: the configured device that takes it, such as scanner[0] "front". openable: None where that has no meaning.
    state: what the running till says of it. problems: (what is wrong, what to do).
    """

    kind: str
    path: str = ""
    stable: str = ""
    name: str = ""
    usb: str = ""
    serial: str = ""
    scans: str = ""
    rule: str = ""
    openable: bool | None = None
    state: str = ""
    problems: list[dict[str, str]] = field(default_factory=list)

    def problem(self, wrong: str, fix: str) -> None:
        self.problems.append({"wrong": wrong, "fix": fix})


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config", type=Path, default=DEFAULT_CONFIG, help="default: %(default)s")
    parser.add_argument("--json", action="store_true", help="for programs: one JSON object a line")


def run(arguments: argparse.Namespace) -> int:
    """Exit code 1 if anything is wrong."""
    findings = examine(arguments.config)
    for finding in findings:
        if arguments.json:
            print(json.dumps(asdict(finding), ensure_ascii=False))
        else:
            print("\n".join(lines_of(finding)))
    if not findings and not arguments.json:
        print("no device is there and none is configured: see docs/scanners.md")
    return 1 if any(finding.problems for finding in findings) else 0


def lines_of(finding: Finding) -> Iterator[str]:
    """One finding for a terminal."""
    facts = [finding.name, finding.usb and f"({finding.usb})", finding.rule and f"= {finding.rule}"]
    if finding.openable is not None:
        facts.append("can be opened" if finding.openable else "cannot be opened")
    facts += [finding.state and f"now {finding.state}"]
    yield f"{finding.kind:<8} {finding.path or '-':<20} {' '.join(fact for fact in facts if fact)}".rstrip()
    for problem in finding.problems:
        yield f"         problem: {problem['wrong']}"
        yield "         do this: " + problem["fix"].replace("\n", "\n" + " " * 18)


def examine(path: Path) -> list[Finding]:
    """Everything there is to say, the file's own faults first."""
    account = service_account()
    findings: list[Finding] = []
    try:
        settings = config.load(path)
    except ConfigError as error:
        settings = config.Config()
        file = Finding("file", str(path))
        for problem in error.problems:
            file.problem(str(problem), f"correct it, then: redeemd check-config {path}")
        findings.append(file)
    if account.name != SERVICE_USER:
        user = Finding("user", name=account.name)
        user.problem(
            f"there is no user {SERVICE_USER}: what follows is for {account.name}",
            "install the service (docs/operations.md)",
        )
        findings.append(user)
    devices = inventory()
    rules = list(_rules(settings))
    for device in devices:
        finding = _described(device, account)
        _match(finding, device, rules)
        findings.append(finding)
    findings += _missing(rules, devices, account)
    _add_states(findings, settings)
    return findings


def service_account() -> Account:
    """The service's user with the groups that its unit adds; where it is not installed, whoever asks."""
    try:
        user = pwd.getpwnam(SERVICE_USER)
    except KeyError:
        return Account(pwd.getpwuid(os.geteuid()).pw_name, os.geteuid(), frozenset(os.getgroups()))
    groups = set(os.getgrouplist(user.pw_name, user.pw_gid))
    for name in SERVICE_GROUPS:
        try:
            groups.add(grp.getgrnam(name).gr_gid)
        except KeyError:
            continue
    return Account(user.pw_name, user.pw_uid, frozenset(groups))


def may_open(status: os.stat_result, account: Account, needed: int) -> bool:
    """Whether `account` may do what `needed` says (permission bits of one class), by owner, group and mode."""
    if account.uid == 0:
        return True
    if status.st_uid == account.uid:
        granted = status.st_mode >> 6
    elif status.st_gid in account.groups:
        granted = status.st_mode >> 3
    else:
        granted = status.st_mode
    return granted & needed == needed


@dataclass(frozen=True, slots=True)
class _Rule:
    label: str  # as check-config names it, with the device's name
    name: str
    device: Any  # of config.Scanner, config.Printer, config.Camera

    def fits(self, found: Found) -> bool:
        match self.device, found.kind:
            case (config.WedgeScanner() as scanner, "input") | (config.HidScanner() as scanner, "hid"):
                return fits(found, scanner.vendor, scanner.product, scanner.serial, scanner.device_name)
        return (path := self.path()) != "" and os.path.realpath(path) == os.path.realpath(found.path)

    def path(self) -> str:
        """The device node that the rule names, "" if it names none."""
        match self.device:
            case (
                config.SerialScanner(port=path)
                | config.SerialPrinter(device=path)
                | config.FilePrinter(device=path)
            ):
                return path if path.startswith("/") else ""
            case config.Camera(source=source):
                return (
                    str(DEV / f"video{source}")
                    if source.isdecimal()
                    else source
                    if source.startswith("/dev/")
                    else ""
                )
        return ""


def _rules(settings: config.Config) -> Iterator[_Rule]:
    for table in ("scanner", "camera", "printer"):
        for number, device in enumerate(getattr(settings, table)):
            yield _Rule(f'{table}[{number}] "{device.name}"', device.name, device)


def _described(device: Found, account: Account) -> Finding:
    usb = f"{device.vendor}:{device.product}" if device.vendor else ""
    finding = Finding(device.kind, device.path, device.stable, device.name, usb, device.serial, device.scans)
    try:
        status = os.stat(device.path)
    except OSError as error:
        finding.problem(
            f"the kernel has it, {device.path} cannot be looked at ({error.strerror})", _RULES_PAGE
        )
        return finding
    finding.openable = may_open(status, account, _NEEDS[device.kind])
    return finding


def _match(finding: Finding, device: Found, rules: list[_Rule]) -> None:
    fitting = [rule for rule in rules if rule.fits(device)]
    finding.rule = ", ".join(rule.label for rule in fitting)
    if len(fitting) > 1:
        finding.problem(
            f"{finding.rule} all take it", "give each of them a rule of its own, such as the serial number"
        )
    if not fitting:
        if device.scans:
            finding.problem(_unused(device), f"add to the configuration:\n{block(device)}")
        return
    if finding.openable is False:
        finding.problem("the service may not open it", _permission(device))
    named = fitting[0].path()
    if device.kind in ("serial", "video") and device.stable and named == device.path:
        finding.problem(
            f"{device.path} may be another device after the next start", f"name it {device.stable}"
        )


def _unused(device: Found) -> str:
    if device.kind == "input":
        return f"a scanner ({device.scans}) that no rule takes: what it reads goes to whatever window is open"
    return f"a scanner ({device.scans}) that no rule takes"


def block(device: Found) -> str:
    """What to write into the file so that a scanner is read."""
    kind = {"serial": "serial", "input": "wedge", "hid": "hid"}[device.kind]
    lines = ["[[scanner]]", f'kind = "{kind}"', f'name = "{Path(device.path).name}"']
    if kind == "serial":
        lines.append(f'port = "{device.stable or device.path}"')
    elif device.vendor:
        lines += [f'vendor = "{device.vendor}"', f'product = "{device.product}"']
    return "\n".join(lines)


def _permission(device: Found) -> str:
    status = os.stat(device.path)
    if stat.S_IMODE(status.st_mode) >> 3 & _NEEDS[device.kind] == _NEEDS[device.kind]:
        try:
            group = grp.getgrgid(status.st_gid).gr_name
        except KeyError:
            group = str(status.st_gid)
        if group != "root":
            return f"usermod -aG {group} {service_account().name}; systemctl restart redeemd"
    return _RULES_PAGE


def _missing(rules: list[_Rule], devices: list[Found], account: Account) -> Iterator[Finding]:
    """Rules that no device fits, and those that fit more than one."""
    for rule in rules:
        fitting = [device for device in devices if rule.fits(device)]
        local = rule.path() or isinstance(rule.device, config.WedgeScanner | config.HidScanner)
        if not local:
            yield Finding("network", rule=rule.label, name=_address(rule.device))
        elif not fitting and not (rule.path() and Path(rule.path()).exists()):
            finding = Finding("absent", rule.path(), rule=rule.label)
            finding.problem(
                "no device fits this rule",
                "plug it in, or correct the rule: the devices above are all there are",
            )
            yield finding
        elif not fitting:
            yield _unlisted(rule, account)
        elif len(fitting) > 1:
            finding = Finding("rule", rule=rule.label)
            paths = ", ".join(device.path for device in fitting)
            finding.problem(
                f"{len(fitting)} devices fit ({paths}); the first that opens is read", "add the serial number"
            )
            yield finding


def _unlisted(rule: _Rule, account: Account) -> Finding:
    """A device node that a rule names and that is no device of a kind we list, such as a pseudo-terminal."""
    finding = Finding("other", rule.path(), rule=rule.label)
    finding.openable = may_open(os.stat(rule.path()), account, 0o6)
    if not finding.openable:
        finding.problem("the service may not open it", f"let {account.name} read and write {rule.path()}")
    return finding


def _address(device: Any) -> str:
    match device:
        case config.TcpScanner(host=host, port=port) | config.TcpPrinter(host=host, port=port):
            return f"{host}:{port}"
        case config.SerialScanner(port=url):
            return url
    return ""  # a camera's address may hold a password


def _add_states(findings: list[Finding], settings: config.Config) -> None:
    """What the till says of its devices, if it runs."""
    try:
        said = {device["name"]: device for device in ask_till(settings, "/v1/status")["devices"]}
    except (CommandError, OSError, KeyError, TypeError):
        return
    for finding in findings:
        name = finding.rule.partition('"')[2].rstrip('"')
        if name in said:
            finding.state = said[name]["state"]
            if said[name]["detail"]:
                finding.problem(f"the till says: {said[name]['state']}", said[name]["detail"])
