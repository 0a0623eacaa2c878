"""Records: their identity, and the table they make."""

import io
from dataclasses import replace

import pandas as pd
import pytest

from dass.errors import CorruptArtifact
from dass.record import Identity, StudentRecord, from_frame, from_parquet, to_frame, to_parquet

IDENTITY = {
    "space": "micro",
    "task": "digits",
    "teacher": "t",
    "architecture": "8_16_32",
    "recipe": "kd",
    "seed": 0,
}
RECORD = StudentRecord(
    **IDENTITY,
    validation_accuracy=0.5,
    test_accuracy=0.25,
    validation_images=10,
    test_images=20,
    flops=1000,
    parameters=100,
    seconds=1.5,
    device="cpu",
)


def test_a_record_has_the_key_of_its_identity_whatever_was_measured():
    assert RECORD.key == Identity(**IDENTITY).key
    assert replace(RECORD, test_accuracy=0.9, seconds=7.0, device="other").key == RECORD.key


@pytest.mark.parametrize("name", IDENTITY)
def test_the_key_depends_on_every_field_of_the_identity(name):
    other = 1 if name == "seed" else "other"
    assert Identity(**IDENTITY | {name: other}).key != Identity(**IDENTITY).key


def test_parquet_gives_records_back_and_pandas_alone_reads_it():
    records = [RECORD, replace(RECORD, seed=1)]
    assert from_parquet(to_parquet(records)) == records
    frame = pd.read_parquet(io.BytesIO(to_parquet(records)))
    assert frame["key"].tolist() == [record.key for record in records]


def test_a_key_that_comes_twice_counts_once():
    assert from_frame(pd.concat([to_frame([RECORD]), to_frame([RECORD])])) == [RECORD]


def test_a_missing_column_is_named():
    with pytest.raises(CorruptArtifact, match="test_accuracy"):
        from_frame(to_frame([RECORD]).drop(columns="test_accuracy"))


def test_what_is_no_parquet_is_refused():
    with pytest.raises(CorruptArtifact, match="Parquet"):
        from_parquet(b"junk")
