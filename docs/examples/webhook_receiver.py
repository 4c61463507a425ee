"""Receives redeemd's webhooks: checks who sent them, books each event once. Standard library only; yours to change.

    WEBHOOK_SECRET=whsec_... python webhook_receiver.py 8080 events.db

Put TLS before it (a reverse proxy): redeemd sends over https, but to its own machine.
"""

import base64
import hashlib
import hmac
import json
import os
import sqlite3
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_MAX = 128 * 1024
TOLERANCE_S = 300
TABLE = (
    "CREATE TABLE IF NOT EXISTS event (webhook_id TEXT PRIMARY KEY, type TEXT NOT NULL, event TEXT NOT NULL)"
)


def verified(headers, body, secrets, now):
    """Whether one of our secrets signed this body within the last minutes."""
    name, stamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    if not stamp.isascii() or not stamp.isdigit() or abs(now - int(stamp)) > TOLERANCE_S:
        return False
    signed = f"{name}.{stamp}.".encode() + body
    for secret in secrets:
        key = base64.b64decode(secret.removeprefix("whsec_"))
        right = "v1," + base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        for given in headers.get("webhook-signature", "").split(" "):
            if hmac.compare_digest(given.encode(), right.encode()):
                return True
    return False


def book(database, name, event):
    """Once for each webhook-id. Do what the event means to you in this transaction, so that it happens once too."""
    with sqlite3.connect(database, timeout=10) as db:
        db.execute(TABLE)
        new = db.execute(
            "INSERT INTO event VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
            (name, event["type"], json.dumps(event)),
        ).rowcount
        if new and event["type"] == "redeemd.redemption.v1" and event["standing"] == "counts":
            data = event["data"]
            print(f"{event['id']}: {data['discount_minor']} off, coupon {event['subject']}", flush=True)


class Receiver(BaseHTTPRequestHandler):
    """secrets: two while a secret is rotated."""

    secrets = os.environ.get("WEBHOOK_SECRET", "").split()
    database = "events.db"
    timeout = 30

    def do_POST(self):
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > BODY_MAX:
            return self.answer(413)
        body = self.rfile.read(int(length))
        if not verified(self.headers, body, self.secrets, time.time()):
            return self.answer(401)
        try:
            event = json.loads(body)
            book(self.database, self.headers["webhook-id"], event)
        except (ValueError, KeyError, TypeError):
            return self.answer(422)  # it will not be better the next time: redeemd goes on with the others
        except sqlite3.Error:
            return self.answer(503)  # sent again later
        return self.answer(204)

    def answer(self, status):
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_args):
        """Quiet: events name coupons."""


if __name__ == "__main__":
    if len(sys.argv) != 3 or not Receiver.secrets:
        sys.exit(__doc__)
    Receiver.database = sys.argv[2]
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Receiver)
    print(f"listens on http://127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
