"""Readers of hostile input: the corpus is read again, and hypothesis tries its own. `make fuzz` goes on for longer."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import engine
from tests.fuzz.__main__ import main
from tests.fuzz.engine import mutated
from tests.fuzz.targets import CORPUS, TARGETS, corpus, corpus_file
from tests.unit.domain_kit import examples


@pytest.mark.parametrize("name", TARGETS)
def test_the_corpus_breaks_nothing(name):
    inputs = corpus(name)
    assert inputs
    for data in inputs:
        TARGETS[name].read(data)


@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_reader(name):
    target, inputs = TARGETS[name], corpus(name)

    @examples(60)
    @given(
        st.one_of(
            st.binary(max_size=200),
            st.builds(mutated, st.sampled_from(inputs), st.just(inputs), st.randoms()),
        )
    )
    def try_it(data: bytes) -> None:
        target.read(data[: target.most])

    try_it()


def test_every_file_of_the_corpus_belongs_to_a_target_and_is_small():
    names = {corpus_file(name).name for name in TARGETS}
    for path in CORPUS.iterdir():
        assert path.name in names
        assert path.stat().st_size < 64 * 1024


def test_the_engine_finds_a_bug_and_keeps_its_input(monkeypatch, tmp_path):
    def breaks(data: bytes) -> None:
        assert data[:1] != b"\x9f", "planted"

    monkeypatch.setattr(engine, "WORK", tmp_path)
    monkeypatch.setitem(TARGETS, "cbor", replace(TARGETS["cbor"], read=breaks))
    problem = engine.by_mutation("cbor", seconds=60, seed=1)
    assert problem is not None
    assert "planted" in problem
    (kept,) = (tmp_path / "broken" / "cbor").iterdir()
    assert kept.read_bytes()[:1] == b"\x9f"


def test_what_reaches_new_code_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(engine, "WORK", tmp_path)
    monkeypatch.setattr(engine, "corpus_file", lambda name: tmp_path / f"{name}.txt")
    grown = tmp_path / "grown" / "gaps"
    grown.mkdir(parents=True)
    for number, data in enumerate((b"\x00", b"\x01", b"\x80\x00", b"\x80\x80\x80\x80\x01")):
        (grown / str(number)).write_bytes(data)
    assert engine.keep("gaps") >= 2
    kept = (tmp_path / "gaps.txt").read_text().split()
    assert {"8000", "8080808001"} <= set(kept)
    assert not {"00", "01"} <= set(kept), "they take the same way"


def test_the_command_fuzzes_one_target(capsys):
    assert main(["--seconds", "0.1", "--only", "gaps", "--engine", "mutation", "--seed", "7"]) == 0
    assert "inputs by mutation, seed 7" in capsys.readouterr().out
