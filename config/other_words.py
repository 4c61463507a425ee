"""Words of other programs and of data sheets, and what this file says for them: nobody should have to guess."""

from __future__ import annotations

from config.lines import Path

_DTR = 'write flow = "rtscts": the usual cable wires the printer\'s DTR to our CTS'
_USB_PRINTER = 'for a printer on USB write kind = "file" and device = "/dev/usb/lp0"'
_SERIAL_PRINTER = 'for a printer on a serial line write kind = "serial"'
_NETWORK = 'write kind = "tcp"'
_CUPS = 'for a queue of CUPS write kind = "ipp" and its url'

_OTHERS = {
    "printer": {
        "usb": _USB_PRINTER,
        "lp": _USB_PRINTER,
        "dsrdtr": _DTR,
        "dtrdsr": _DTR,
        "dtr": _DTR,
        "dtr_dsr": _DTR,
        "dtr/dsr": _DTR,
        "hardware": 'write flow = "rtscts"',
        "rtscts": 'write flow = "rtscts"',
        "software": 'write flow = "xonxoff"',
        "xonxoff": 'write flow = "xonxoff"',
        "com": _SERIAL_PRINTER,
        "rs232": _SERIAL_PRINTER,
        "network": _NETWORK,
        "lan": _NETWORK,
        "ethernet": _NETWORK,
        "socket": _NETWORK,
        "cups": _CUPS,
        "queue": _CUPS,
        "ip": "write host",
        "address": "write host",
        "width": "write columns",
        "codepage": "write encoding",
        "charset": "write encoding",
    },
    "scanner": {
        "usb": 'a scanner on USB is kind "hid" or "wedge" where it types, "serial" where it is a USB-COM device',
        "com": 'write kind = "serial"',
        "keyboard": 'write kind = "wedge"',
        "network": _NETWORK,
    },
}


def hint(path: Path, word: object) -> str:
    """What to write in this section in place of a key or a value, with "; or " behind it; empty for other words."""
    section = str(path[0]) if path else ""
    known = _OTHERS.get(section, {}).get(word.lower()) if isinstance(word, str) else None
    return f"{known}; or " if known else ""
