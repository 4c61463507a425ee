"""Scanners, cameras and printers: the tables of the file that may stand more than once."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, TypeAlias

from msgspec import Meta, Struct

from config.values import (
    AbsolutePath,
    Baud,
    Decoder,
    HexId,
    Host,
    Layout,
    Name,
    NonEmpty,
    PrinterUrl,
    Profile,
    ScanEncoding,
    ScannerCommand,
    ScanPrefix,
    SerialPort,
    Suffix,
    Text,
)

_VENDOR = 'USB vendor id, as `lsusb` shows it. "" means any.'
_PRODUCT = 'USB product id, as `lsusb` shows it. "" means any.'
_SERIAL = 'USB serial number, exactly. "" means any.'
_DEVICE_NAME = 'A part of the name the device gives itself. "" means any.'
_COMMAND = 'What the scanner is sent, as its manual says ("" for nothing),'
_ENCODING = "How the scanner writes characters beyond ASCII."


class StreamScanner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every scanner has that sends a stream of characters."""

    name: Annotated[Name, Meta(description="Name of the device in messages. Each device has its own.")]
    suffix: Annotated[
        Suffix,
        Meta(
            description='What the scanner sends after each scan. "auto" takes any line end; with "none" a scan ends '
            "when nothing more comes for gap_ms."
        ),
    ] = "auto"
    prefix: Annotated[
        ScanPrefix,
        Meta(
            description="What the scanner sends before each scan, so that one cut short is always noticed. "
            '"" means nothing.'
        ),
    ] = ""
    gap_ms: Annotated[
        int,
        Meta(
            ge=20,
            le=5000,
            description="Silence after which a scan that has not ended is given up, in milliseconds.",
        ),
    ] = 500


class CommandedScanner(StreamScanner, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a scanner has besides that takes commands over its line."""

    beep_good: Annotated[ScannerCommand, Meta(description=_COMMAND + " after a coupon was accepted.")] = ""
    beep_bad: Annotated[ScannerCommand, Meta(description=_COMMAND + " after one was refused.")] = ""
    trigger_on: Annotated[
        ScannerCommand, Meta(description=_COMMAND + " to begin reading when a POS asks.")
    ] = ""
    trigger_off: Annotated[ScannerCommand, Meta(description=_COMMAND + " to stop reading then.")] = ""


class SerialScanner(
    CommandedScanner, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="serial"
):
    """A scanner on a serial line or in USB-COM mode."""

    kind: ClassVar[Literal["serial"]] = "serial"

    port: Annotated[
        SerialPort,
        Meta(
            description="Device path, best one under /dev/serial/by-id; or the address of a serial device server: "
            "socket:// for raw TCP, rfc2217:// for one that sets the line."
        ),
    ]
    baud: Annotated[Baud, Meta(description="Speed in bits a second, as set in the scanner.")] = 9600
    bytesize: Annotated[Literal[7, 8], Meta(description="Data bits.")] = 8
    parity: Annotated[Literal["N", "E", "O"], Meta(description="Parity: none, even or odd.")] = "N"
    stopbits: Annotated[Literal[1, 2], Meta(description="Stop bits.")] = 1
    encoding: Annotated[ScanEncoding, Meta(description=_ENCODING)] = "utf-8"


class TcpScanner(
    CommandedScanner, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="tcp"
):
    """A network scanner that listens on a TCP port."""

    kind: ClassVar[Literal["tcp"]] = "tcp"

    host: Annotated[Host, Meta(description="Host name or IP address.")]
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port, as set in the scanner.")]
    encoding: Annotated[ScanEncoding, Meta(description=_ENCODING)] = "utf-8"


class WedgeScanner(
    StreamScanner, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="wedge"
):
    """A USB scanner that acts as a keyboard. Say which one: vendor and product, or serial, or device_name."""

    kind: ClassVar[Literal["wedge"]] = "wedge"

    vendor: Annotated[HexId, Meta(description=_VENDOR)] = ""
    product: Annotated[HexId, Meta(description=_PRODUCT)] = ""
    serial: Annotated[Text, Meta(description=_SERIAL)] = ""
    device_name: Annotated[Text, Meta(description=_DEVICE_NAME)] = ""
    layout: Annotated[Layout, Meta(description="Keyboard layout the scanner is set to.")] = "us"


class HidScanner(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="hid"):
    """A USB scanner in HID POS mode. Without vendor, serial or device_name it is the first one found."""

    kind: ClassVar[Literal["hid"]] = "hid"

    name: Annotated[Name, Meta(description="Name of the device in messages. Each device has its own.")]
    vendor: Annotated[HexId, Meta(description=_VENDOR)] = ""
    product: Annotated[HexId, Meta(description=_PRODUCT)] = ""
    serial: Annotated[Text, Meta(description=_SERIAL)] = ""
    device_name: Annotated[Text, Meta(description=_DEVICE_NAME)] = ""
    encoding: Annotated[ScanEncoding, Meta(description=_ENCODING)] = "utf-8"


class Camera(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A camera, or pictures in its place."""

    name: Annotated[Name, Meta(description="Name of the device in messages. Each device has its own.")]
    source: Annotated[
        NonEmpty,
        Meta(
            description='Number of the camera in quotes ("0" is /dev/video0), a device path, a stream URL, '
            "a video file or a folder of pictures."
        ),
    ]
    width: Annotated[
        int, Meta(ge=160, le=4096, description="Picture width to ask the camera for, in pixels.")
    ] = 1280
    height: Annotated[
        int, Meta(ge=120, le=4096, description="Picture height to ask the camera for, in pixels.")
    ] = 720
    fps: Annotated[
        int, Meta(ge=1, le=60, description="Most pictures decoded a second; the rest are dropped.")
    ] = 15
    decoders: Annotated[
        tuple[Decoder, ...],
        Meta(
            min_length=1, max_length=5, description="Decoders in the order they are tried, each at most once."
        ),
    ] = ("zxing", "zxing_upscaled", "zxing_sharpened")
    loop: Annotated[bool, Meta(description="Begin again at the end of a video file or folder.")] = False
    codes: Annotated[
        Literal["nearest", "all"],
        Meta(description="Of several codes in view: the one nearest the middle of the picture, or all."),
    ] = "nearest"
    region: Annotated[
        tuple[Annotated[int, Meta(ge=0, le=100)], ...],
        Meta(
            min_length=4,
            max_length=4,
            description="The part of the picture that is looked at: left, top, width and height in percent of it.",
        ),
    ] = (0, 0, 100, 100)


class PrinterBase(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What every receipt printer has."""

    name: Annotated[Name, Meta(description="Name of the device in messages. Each device has its own.")]
    profile: Annotated[
        Profile,
        Meta(
            description="What the printer can do: generic-80, generic-58 (mm of paper) or a model that python-escpos "
            "knows. `redeemd printer test` shows which is right."
        ),
    ] = "generic-80"
    columns: Annotated[
        Literal[0, 32, 42, 48],
        Meta(
            description="Characters in one line of the printer's normal font; a Chinese one counts two. "
            "0: as the profile says."
        ),
    ] = 0
    encoding: Annotated[
        Literal[
            "gb18030",
            "gbk",
            "big5",
            "shift_jis",
            "ksx1001",
            "cp437",
            "cp850",
            "cp852",
            "cp858",
            "cp866",
            "cp1252",
            "none",
        ],
        Meta(
            description="Character set of the printer; none is plain ASCII. What a set lacks is printed as pictures, "
            "from a font of this machine such as fonts-wqy-microhei."
        ),
    ] = "gb18030"
    qr: Annotated[
        Literal["auto", "native", "picture"],
        Meta(
            description="native: the printer draws QR codes and barcodes itself (quick). picture: they are sent as "
            "pictures. auto: as the profile says."
        ),
    ] = "auto"
    timeout_s: Annotated[
        float,
        Meta(
            ge=0.05,
            le=120,
            description="Longest wait for the printer to connect, take data or answer, in seconds.",
        ),
    ] = 5


class AskedPrinter(PrinterBase, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A printer that can say how it is."""

    ask_every_s: Annotated[
        int,
        Meta(
            ge=0,
            le=3600,
            description="Seconds between two questions to a printer that is well while nothing is printed, so that an "
            "empty roll is seen before the next customer. 0: never, where another program holds the printer.",
        ),
    ] = 60


RAW_PORT = 9100
"""Where network printers take what is printed as it comes."""


class TcpPrinter(
    AskedPrinter, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="tcp"
):
    """A network printer (raw TCP)."""

    kind: ClassVar[Literal["tcp"]] = "tcp"

    host: Annotated[Host, Meta(description="Host name or IP address.")]
    port: Annotated[int, Meta(ge=1, le=65535, description="TCP port.")] = RAW_PORT


class SerialPrinter(
    AskedPrinter, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="serial"
):
    """A printer on a serial line."""

    kind: ClassVar[Literal["serial"]] = "serial"

    device: Annotated[AbsolutePath, Meta(description="Device path, best one under /dev/serial/by-id.")]
    baud: Annotated[Baud, Meta(description="Speed in bits a second, as set in the printer.")] = 9600
    flow: Annotated[
        Literal["none", "xonxoff", "rtscts"],
        Meta(
            description="How the printer says that it is full, as set in the printer; for DTR/DSR use rtscts, which "
            "the usual cable serves. With none, text may be lost."
        ),
    ] = "none"


class FilePrinter(
    AskedPrinter, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="file"
):
    """A printer behind a device file, such as USB /dev/usb/lp0."""

    kind: ClassVar[Literal["file"]] = "file"

    device: Annotated[AbsolutePath, Meta(description="Device path.")]


class IppPrinter(
    PrinterBase, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="ipp"
):
    """A raw queue of CUPS, or a printer that speaks IPP."""

    kind: ClassVar[Literal["ipp"]] = "ipp"

    url: Annotated[PrinterUrl, Meta(description="Address of the queue or of the printer.")]
    confirms: Annotated[
        bool,
        Meta(
            description="true: a job that is completed there is on paper, as at a printer's own address. false: it was "
            "passed on, and each receipt counts as unconfirmed until somebody looks."
        ),
    ] = False


Scanner: TypeAlias = SerialScanner | TcpScanner | WedgeScanner | HidScanner
Printer: TypeAlias = TcpPrinter | SerialPrinter | FilePrinter | IppPrinter
