"""What the till measures of itself, as text that Prometheus reads (exposition format 0.0.4). Pure.

Labels come from closed lists: the lanes, the causes of `sync.ports.FailureKind`, the codes of `agent.health`, the
printers of the configuration. A counter has a sample of 0 for each of its labels from the start: whoever asks for its
increase would not see the first otherwise. Times are told as ages and waits, which need no right clock on the till.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

from agent.ports import PrintState
from drivers.ports import DeviceState, PrinterCause
from sync.lane_state import Circuit
from sync.ports import FailureKind

CONTENT_TYPE = "text/plain"
VERSION = "0.0.4"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})

Samples = Iterable[tuple[Mapping[str, str], float]]


class Metric(NamedTuple):
    """kind: counter or gauge. samples: labels and value, each set of labels once."""

    name: str
    kind: str
    about: str
    samples: Samples


def text(
    status: Mapping[str, Any], lanes: Mapping[str, Any] | None, receipts: Mapping[PrintState, int]
) -> str:
    """status, lanes: the objects of docs/openapi.yaml; lanes None while the ledger cannot say. receipts: how many came
    into each state since the start, of which ENDS count."""
    metrics = [*_of_till(status), *_of_printing(status, receipts)]
    metrics += () if lanes is None else _of_lanes(lanes)
    return "".join(line + "\n" for metric in metrics for line in _lines(metric))


def _lines(metric: Metric) -> Iterator[str]:
    name = f"redeemd_{metric.name}"
    yield f"# HELP {name} {metric.about}"
    yield f"# TYPE {name} {metric.kind}"
    for labels, value in metric.samples:
        said = ",".join(f'{label}="{text.translate(_ESCAPES)}"' for label, text in labels.items())
        yield f"{name}{{{said}}} {value}" if said else f"{name} {value}"


def _of_till(status: Mapping[str, Any]) -> Iterator[Metric]:
    issues = Counter((issue["code"], issue["severity"]) for issue in status["issues"])
    bundle, today = status["bundle"], status["today"]
    yield Metric(
        "info", "gauge", "1; who this is.", [({"till": status["till"], "version": status["version"]}, 1)]
    )
    yield Metric("healthy", "gauge", "1 while coupons are taken.", [({}, int(status["healthy"]))])
    yield Metric(
        "issues",
        "gauge",
        "What is wrong now.",
        [({"code": code, "severity": severity}, count) for (code, severity), count in issues.items()],
    )
    yield Metric(
        "clock_doubt", "gauge", "1 while the till doubts its clock.", [({}, int(status["clock"]["doubt"]))]
    )
    yield Metric(
        "line_up",
        "gauge",
        "1 while the cloud was last heard of later than any failure.",
        [({}, int(status["line"]["state"] == "online"))],
    )
    yield Metric(
        "bundle_age_seconds",
        "gauge",
        "Since the bundle in force was issued; absent without one.",
        [] if bundle["issued"] is None else [({}, _seconds(bundle["issued"], status["time"]))],
    )
    yield Metric(
        "scans_today",
        "gauge",
        "Of the store's day.",
        [({"result": name}, today[name]) for name in ("accepted", "refused")],
    )


ENDS = (PrintState.PRINTED, PrintState.UNCONFIRMED, PrintState.FAILED)
"""What can become of a receipt, until somebody asks for a copy or says that it is there."""


def _of_printing(status: Mapping[str, Any], receipts: Mapping[PrintState, int]) -> Iterator[Metric]:
    printers = [device for device in status["devices"] if device["role"] == "printer"]
    yield Metric(
        "printer_ready",
        "gauge",
        "1 while a receipt would be printed.",
        [({"printer": one["name"]}, int(one["state"] == DeviceState.READY)) for one in printers],
    )
    yield Metric(
        "printer_cause",
        "gauge",
        "1 for what the printer names; paper_low may stand with ready.",
        [
            ({"printer": one["name"], "cause": cause}, int(one["cause"] == cause))
            for one in printers
            for cause in PrinterCause
        ],
    )
    for name, about in (
        ("waiting", "Receipts that wait for a printer or are being sent to it."),
        ("unconfirmed", "Receipts of which nobody knows whether they are on paper."),
    ):
        yield Metric(f"receipts_{name}", "gauge", about, [({}, status["prints"][name])])
    yield Metric(
        "receipts_ended_total",
        "counter",
        "Receipts and copies by what became of them, since the start.",
        [({"state": end.value}, receipts.get(end, 0)) for end in ENDS],
    )


_COUNTED = (
    ("attempts_total", "counter", "Batches sent or fetches begun.", "attempts"),
    ("consecutive_failures", "gauge", "Failures since the last success.", "consecutive_failures"),
    ("sent_bytes_total", "counter", "Of bodies, packed.", "sent_bytes"),
    ("received_bytes_total", "counter", "Of bodies, packed.", "received_bytes"),
)
_OF_RECORDS = (
    ("waiting_records", "gauge", "Not yet acknowledged by the cloud.", "waiting"),
    ("oldest_waiting_age_seconds", "gauge", "Of the first record that waits; 0 for none.", "oldest_age_s"),
    ("set_aside_records", "gauge", "Refused for now and tried again later.", "set_aside"),
    ("quarantined_records", "gauge", "Refused for good and kept.", "quarantined"),
    ("acknowledged_records_total", "counter", "Taken by the cloud since the start.", "acknowledged"),
    ("refused_records_total", "counter", "Refused for good since the start.", "refused"),
)
"""name, kind, description, member of the Lane (of its records)."""


def _of_lanes(report: Mapping[str, Any]) -> Iterator[Metric]:
    lanes, now = report["lanes"], report["time"]
    for name, kind, about, member in _COUNTED:
        yield Metric(f"lane_{name}", kind, about, [(_label(lane), lane[member]) for lane in lanes])
    yield Metric(
        "lane_failures_total",
        "counter",
        "By cause.",
        [
            ({**_label(lane), "cause": cause}, lane["failures"].get(cause, 0))
            for lane in lanes
            for cause in FailureKind
        ],
    )
    yield Metric(
        "lane_circuit",
        "gauge",
        "1 for the state that the lane's circuit is in.",
        [
            ({**_label(lane), "state": state}, int(lane["circuit"] == state))
            for lane in lanes
            for state in Circuit
        ],
    )
    yield Metric(
        "lane_last_success_age_seconds",
        "gauge",
        "Since the last success; absent before the first since the start.",
        [
            (_label(lane), _seconds(lane["last_success"], now))
            for lane in lanes
            if lane["last_success"] is not None
        ],
    )
    yield Metric(
        "lane_next_attempt_seconds",
        "gauge",
        "Until the next attempt; absent while one is under way.",
        [
            (_label(lane), _seconds(now, lane["next_attempt"]))
            for lane in lanes
            if lane["next_attempt"] is not None
        ],
    )
    delivering: Sequence[Mapping[str, Any]] = [lane for lane in lanes if lane["records"] is not None]
    for name, kind, about, member in _OF_RECORDS:
        samples = [(_label(lane), lane["records"][member]) for lane in delivering]
        yield Metric(f"lane_{name}", kind, about, samples)


def _label(lane: Mapping[str, Any]) -> dict[str, str]:
    return {"lane": lane["name"]}


def _seconds(start: str, end: str) -> float:
    return round(max((datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds(), 0.0), 3)
