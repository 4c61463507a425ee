"""The exceptions of the cloud. One root, split by what the caller does next."""

from __future__ import annotations


class CloudError(Exception):
    """Root of everything the cloud raises on purpose."""


class Refused(CloudError):
    """The caller asks for something that cannot be: tell them. status: the HTTP status that says so.

    code: stable, lower_snake_case. The text is one sentence for people.
    """

    def __init__(self, status: int, code: str, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.code = code
        self.sentence = sentence


class StoreUnavailable(CloudError):
    """The database cannot be used now and has recorded nothing of this call: answer 503 and let them try again."""


class SetupError(CloudError):
    """The data directory, a key file or a setting cannot be used: the operator must act. The text says how."""


class TillRevoked(CloudError):
    """This key counts no more. statement: what tells the till so, signed by the manifest key: a status alone is
    something that anybody between can say."""

    def __init__(self, till: str, statement: bytes) -> None:
        super().__init__(f"the key of till {till} was revoked or replaced")
        self.statement = statement
