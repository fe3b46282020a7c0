"""Whole documents go in and come out as they were once read and found right, and stay so."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.general_samples import HOST, SECURE
from virtctl.domain.domain import read_domain, write_domain
from virtctl.domain.pipeline import complete
from virtctl.domain.validate import problems

SAMPLES = sorted((Path(__file__).parents[1] / "golden" / "roundtrip").glob("*.in.xml"))


@pytest.fixture(params=SAMPLES, ids=lambda path: path.name.removesuffix(".in.xml"))
def sample(request) -> Path:
    return request.param


def test_what_becomes_of_a_document(sample, golden):
    text = write_domain(complete(sample.read_text(), HOST), SECURE)
    golden(sample.with_name(sample.name.replace(".in.", ".out.")), text)


def test_the_outcome_is_read_back_as_it_was_written(sample):
    first = complete(sample.read_text(), HOST)
    text = write_domain(first, SECURE)
    assert write_domain(read_domain(text), SECURE) == text
    again = complete(text, HOST)
    assert write_domain(complete(write_domain(again, SECURE), HOST), SECURE) == write_domain(again, SECURE)


def test_a_copy_is_equal_and_apart(sample):
    domain = complete(sample.read_text(), HOST)
    copy = domain.clone()
    assert copy == domain
    copy.title = "another"
    assert copy != domain


def test_the_document_is_valid(sample):
    assert problems(sample.read_text(), HOST) == []
