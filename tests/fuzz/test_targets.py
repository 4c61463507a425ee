"""Readers of hostile input: the corpus is read again, and hypothesis tries its own. `make fuzz` goes on for longer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
