"""Files that `redeemd cloud export` writes: CSV (RFC 4180, UTF-8) and Parquet.

Whole or not at all: rows go into a file beside the one that was named, which takes that name when it is complete.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from cloud.errors import SetupError

ENDINGS = (".csv", ".parquet")
ROW_GROUP = 20_000
"""Rows of Parquet that are in memory at once."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r")
Put = Callable[[Sequence[tuple[Any, ...]]], None]


@contextlib.contextmanager
def writing(path: Path, columns: Mapping[str, str]) -> Iterator[Put]:
    """A function that takes rows. columns: name -> text, integer or moment. Raises SetupError."""
    if path.suffix not in ENDINGS:
        raise SetupError(f"{path} ends neither in .csv nor in .parquet: its ending says what it is to be")
    if path.exists():
        raise SetupError(f"{path} exists already: name another file, or move it away")
    fresh = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "wb") as file:
            with (_csv if path.suffix == ".csv" else _parquet)(file, columns) as put:
                yield put
            file.flush()
            os.fsync(file.fileno())
        os.link(fresh, path)  # never over another file
    except OSError as error:
        raise SetupError(f"{path} cannot be written: {error.strerror or error}") from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()


@contextlib.contextmanager
def _csv(file: IO[bytes], columns: Mapping[str, str]) -> Iterator[Put]:
    text = io.TextIOWrapper(file, encoding="utf-8", newline="", write_through=True)
    lines = csv.writer(text)
    lines.writerow(columns)

    def put(rows: Sequence[tuple[Any, ...]]) -> None:
        lines.writerows([_harmless(value) for value in row] for row in rows)

    yield put
    text.detach()


def csv_line(values: Iterable[Any]) -> bytes:
    """One line of CSV (RFC 4180) in UTF-8."""
    line = io.StringIO()
    csv.writer(line).writerow([_harmless(value) for value in values])
    return line.getvalue().encode()


def _harmless(value: Any) -> Any:
    """A till's words are a stranger's: a spreadsheet would run what looks like a formula."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA) else value


@contextlib.contextmanager
def _parquet(file: IO[bytes], columns: Mapping[str, str]) -> Iterator[Put]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise SetupError(
            "Parquet needs the package pyarrow: pip install 'redeemd[cloud]'; or write .csv"
        ) from error
    types = {"text": pyarrow.string(), "integer": pyarrow.int64(), "moment": pyarrow.timestamp("ms", "UTC")}
    schema = pyarrow.schema([(name, types[kind]) for name, kind in columns.items()])
    waiting: list[tuple[Any, ...]] = []

    def flush(rows: list[tuple[Any, ...]]) -> None:
        table = [
            [
                value if value is None or kind != "moment" else datetime.fromisoformat(value)
                for value in column
            ]
            for column, kind in zip(zip(*rows, strict=True), columns.values(), strict=True)
        ]
        arrays = [pyarrow.array(column, one.type) for column, one in zip(table, schema, strict=True)]
        writer.write_batch(pyarrow.record_batch(arrays, schema=schema))

    def put(rows: Sequence[tuple[Any, ...]]) -> None:
        waiting.extend(rows)
        while len(waiting) >= ROW_GROUP:
            flush(waiting[:ROW_GROUP])
            del waiting[:ROW_GROUP]

    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        yield put
        if waiting:
            flush(waiting)
