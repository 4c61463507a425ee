"""From configuration to devices: which driver stands behind each scanner, camera and printer."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import config
from agent.domain.barcode import PAPER_DOTS_MIN
from agent.printing.queue import Device
from drivers.commanded import Commands, Mouth
from drivers.ports import ReceiptPrinter, ScanSource

if TYPE_CHECKING:
    from agent.receipts.profile import PrinterProfile


def scan_sources(settings: config.Config) -> list[tuple[str, ScanSource]]:
    """(role, source) for each scanner and camera. cv2 and numpy are loaded only where a camera is configured."""
    found: list[tuple[str, ScanSource]] = [("scanner", _scanner(scanner)) for scanner in settings.scanner]
    if settings.camera:
        from drivers.camera import Camera, CameraSettings

        for camera in settings.camera:
            source = CameraSettings(
                camera.name,
                camera.source,
                camera.width,
                camera.height,
                camera.fps,
                tuple(camera.decoders),
                camera.loop,
                camera.codes,
                camera.region,
            )
            found.append(("camera", Camera(source)))
    return found


def _scanner(scanner: config.Scanner) -> ScanSource:
    match scanner:
        case config.SerialScanner():
            return _serial_scanner(scanner)
        case config.TcpScanner():
            return _network_scanner(scanner)
        case config.WedgeScanner():
            return _wedge_scanner(scanner)
        case config.HidScanner():
            return _hid_scanner(scanner)
        case _:
            assert_never(scanner)


def _serial_scanner(scanner: config.SerialScanner) -> ScanSource:
    from drivers.serial_scanner import SerialScanner, SerialSettings

    return SerialScanner(
        SerialSettings(
            scanner.name,
            scanner.port,
            scanner.baud,
            scanner.bytesize,
            scanner.parity,
            scanner.stopbits,
            scanner.suffix,
            scanner.encoding,
            scanner.gap_ms / 1000,
            scanner.prefix,
            _commands(scanner),
        )
    )


def _commands(scanner: config.SerialScanner | config.TcpScanner) -> Commands:
    said = scanner.beep_good, scanner.beep_bad, scanner.trigger_on, scanner.trigger_off
    return Commands(*(text.encode("ascii") for text in said))


def mouths(sources: list[tuple[str, ScanSource]]) -> dict[str, Mouth]:
    """The scanners that take commands, by name."""
    return {
        source.name: mouth for _, source in sources if (mouth := getattr(source, "mouth", None)) is not None
    }


def _network_scanner(scanner: config.TcpScanner) -> ScanSource:
    from drivers.network_scanner import NetworkScanner, NetworkSettings

    return NetworkScanner(
        NetworkSettings(
            scanner.name,
            scanner.host,
            scanner.port,
            scanner.suffix,
            scanner.encoding,
            scanner.gap_ms / 1000,
            scanner.prefix,
            _commands(scanner),
        )
    )


def _wedge_scanner(scanner: config.WedgeScanner) -> ScanSource:
    from drivers.wedge import WedgeScanner, WedgeSettings

    return WedgeScanner(
        WedgeSettings(
            scanner.name,
            scanner.vendor,
            scanner.product,
            scanner.serial,
            scanner.device_name,
            scanner.layout,
            scanner.suffix,
            scanner.gap_ms / 1000,
            scanner.prefix,
        )
    )


def _hid_scanner(scanner: config.HidScanner) -> ScanSource:
    from drivers.hid_scanner import HidScanner, HidSettings

    return HidScanner(
        HidSettings(
            scanner.name,
            scanner.vendor,
            scanner.product,
            scanner.serial,
            scanner.device_name,
            scanner.encoding,
        )
    )


def printers(settings: config.Config) -> list[Device]:
    """Each configured printer with its way to make bytes of a receipt, in order of preference."""
    return [
        Device(
            receipt_printer(printer),
            _renderer(printer),
            0 if isinstance(printer, config.IppPrinter) else printer.ask_every_s,
        )
        for printer in settings.printer
    ]


def receipt_printer(printer: config.Printer) -> ReceiptPrinter:
    """The driver behind one [[printer]] block. Nothing is opened yet."""
    from drivers.printers import FilePrinter, NetworkPrinter, SerialPrinter

    match printer:
        case config.TcpPrinter():
            return NetworkPrinter(printer.name, printer.host, printer.port, printer.timeout_s)
        case config.SerialPrinter():
            return SerialPrinter(printer.name, printer.device, printer.baud, printer.flow, printer.timeout_s)
        case config.IppPrinter():
            from drivers.ipp_printer import IppPrinter

            return IppPrinter(printer.name, printer.url, printer.timeout_s, printer.confirms)
        case config.FilePrinter():
            return FilePrinter(printer.name, printer.device, printer.timeout_s)
        case _:
            assert_never(printer)


def paper_dots(settings: config.Config) -> int:
    """The printable width of the narrowest printer, without one that of the narrowest paper."""
    return min((profile.dots for profile in profiles(settings).values()), default=PAPER_DOTS_MIN)


def profiles(settings: config.Config) -> dict[str, PrinterProfile]:
    """What receipts are laid out for, by the printer's name."""
    return {printer.name: _profile(printer) for printer in settings.printer}


def _profile(printer: config.Printer) -> PrinterProfile:
    from agent.receipts.profile import configured_profile

    return configured_profile(printer.profile, printer.columns, printer.encoding, printer.qr)


def _renderer(printer: config.Printer) -> Callable[[str, int], bytes]:
    profile = _profile(printer)

    def render(document: str, copies: int) -> bytes:
        from agent.receipts.escpos import render_escpos
        from agent.receipts.maker import document_of

        return render_escpos(document_of(document, copies), profile)

    return render
