"""Records: their identity, the table they make, and the episodes made of them."""

import io
from dataclasses import fields, replace

import pandas as pd
import pyarrow
import pytest
import torch
from pyarrow import parquet

from dass.errors import CorruptArtifact
from dass.predictor.embed import embed
from dass.predictor.episode import episode
from dass.predictor.records import (
    LATER,
    Identity,
    StudentRecord,
    from_frame,
    from_parquet,
    mean_over_seeds,
    to_frame,
    to_parquet,
)

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
    test_half_accuracy=0.25,
    validation_images=10,
    test_images=20,
    flops=1000,
    parameters=100,
    seconds=1.5,
    device="cpu",
    curve=(0.25, 0.5),
    validation_half_accuracy=0.5,
)
MEASURED = [field.name for field in fields(StudentRecord) if field.name not in IDENTITY]


def other(value):
    """Return another value of the same type."""
    if isinstance(value, tuple):
        return (*value, 0.75)
    return "other" if isinstance(value, str) else value + 1


# identity


def test_a_record_has_the_key_of_the_identity_it_was_planned_with():
    assert RECORD.key == Identity(**IDENTITY).key


@pytest.mark.parametrize("name", IDENTITY)
def test_the_key_depends_on_every_field_of_the_identity(name):
    changed = replace(RECORD, **{name: other(IDENTITY[name])})
    assert changed.key != RECORD.key


@pytest.mark.parametrize("name", MEASURED)
def test_the_key_depends_on_nothing_that_was_measured(name):
    changed = replace(RECORD, **{name: other(getattr(RECORD, name))})
    assert changed != RECORD and changed.key == RECORD.key


def test_the_key_stays_what_it_was_so_that_old_stores_resume():
    assert RECORD.key == "476af9c7ffce0095ac66f6c3"


# tables


def test_parquet_gives_the_same_records_back():
    records = [RECORD, replace(RECORD, seed=1, validation_accuracy=1 / 3, device="gpu é")]
    assert from_parquet(to_parquet(records)) == records
    assert from_parquet(to_parquet([])) == []


def test_pandas_alone_reads_a_folder_of_records(tmp_path):
    records = [RECORD, replace(RECORD, seed=1), replace(RECORD, task="other")]
    for record in records:
        (tmp_path / f"{record.key}.parquet").write_bytes(to_parquet([record]))
    frame = pd.read_parquet(tmp_path)
    assert sorted(frame["key"]) == sorted(record.key for record in records)
    assert sorted(from_frame(frame), key=lambda r: r.key) == sorted(records, key=lambda r: r.key)


@pytest.mark.parametrize("columns", [[], ["key"]])
def test_an_identity_that_comes_twice_counts_once_with_or_without_keys(columns):
    twice = pd.concat([to_frame([RECORD]), to_frame([replace(RECORD, seconds=9.0)])])
    assert from_frame(twice.drop(columns=columns)) == [RECORD]


def test_more_columns_are_no_harm():
    assert from_frame(to_frame([RECORD]).assign(note="kept by hand")) == [RECORD]


def test_records_of_before_curves_were_kept_are_read_alone_and_among_new_ones():
    old = to_frame([RECORD]).drop(columns="curve")
    new = to_frame([replace(RECORD, seed=RECORD.seed + 1)])
    assert [r.curve for r in from_frame(old)] == [()]
    assert [r.curve for r in from_frame(pd.concat([old, new]))] == [(), RECORD.curve]


def test_the_curve_of_merged_seeds_is_their_mean_and_missing_where_one_is():
    pair = [RECORD, replace(RECORD, seed=RECORD.seed + 1, curve=(0.75, 1.0))]
    (merged,) = mean_over_seeds(pair)
    assert merged.curve == (0.5, 0.75)
    (merged,) = mean_over_seeds([RECORD, replace(pair[1], curve=())])
    assert merged.curve == ()


def test_records_of_before_halves_were_kept_are_read_alone_and_among_new_ones():
    old = to_frame([RECORD]).drop(columns="validation_half_accuracy")
    new = to_frame([replace(RECORD, seed=RECORD.seed + 1)])
    assert [r.validation_half_accuracy for r in from_frame(old)] == [None]
    assert [r.validation_half_accuracy for r in from_frame(pd.concat([old, new]))] == [None, 0.5]
    (merged,) = mean_over_seeds(from_frame(pd.concat([old, new])))
    assert merged.validation_half_accuracy is None


NEEDED = [field.name for field in fields(StudentRecord) if field.name not in LATER]


@pytest.mark.parametrize("name", NEEDED)
def test_a_missing_column_is_named(name):
    with pytest.raises(CorruptArtifact, match=rf"columns \['{name}'\]"):
        from_frame(to_frame([RECORD]).drop(columns=name))


def damaged_metadata():
    """A bit flipped in what pandas notes beside the table; it answers with a KeyError."""
    table = pyarrow.Table.from_pandas(to_frame([RECORD]))
    buffer = io.BytesIO()
    parquet.write_table(table.replace_schema_metadata({b"pandas": b'{"columns": []}'}), buffer)
    return buffer.getvalue()


JUNK = {
    "empty": b"",
    "text": b"junk",
    "magic alone": b"PAR1junkPAR1",
    "truncated": to_parquet([RECORD])[:-50],
    "damaged metadata of pandas": damaged_metadata(),
}


@pytest.mark.parametrize("name", JUNK)
def test_what_is_no_whole_parquet_file_is_refused(name):
    with pytest.raises(CorruptArtifact, match="whole Parquet file"):
        from_parquet(JUNK[name])


def test_another_parquet_table_is_refused():
    buffer = io.BytesIO()
    pd.DataFrame({"a": [1]}).to_parquet(buffer)
    with pytest.raises(CorruptArtifact, match="columns"):
        from_parquet(buffer.getvalue())


# episodes


def test_an_episode_is_the_teacher_then_the_support_then_the_students(teacher, micro_space):
    students = micro_space.sample(4, generator=torch.Generator().manual_seed(0))
    known = micro_space.smallest
    support = [replace(RECORD, architecture=str(known), validation_accuracy=0.75)]
    made = episode(teacher, students, [0.1, 0.2, 0.3, 0.4], support=support)
    largest = micro_space.largest
    for feature_maps, members in (
        (made.support_feature_maps, [largest, known]),
        (made.feature_maps, students),
    ):
        each = torch.cat([embed(teacher.network, [member]) for member in members])
        assert torch.allclose(feature_maps, each, rtol=1e-5, atol=1e-5)
    assert made.teacher_feature_map.equal(made.support_feature_maps[0])
    assert made.encodings.equal(micro_space.encode(students))
    assert made.support_encodings.equal(micro_space.encode([largest, known]))
    assert made.support_accuracies.tolist() == pytest.approx([teacher.accuracy, 0.75])
    assert made.accuracies.tolist() == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_an_episode_reads_no_test_accuracy(teacher, micro_space):
    def made(teacher, test_accuracy):
        record = replace(
            RECORD, architecture=str(micro_space.smallest), test_accuracy=test_accuracy
        )
        return episode(teacher, [micro_space.smallest], [0.5], support=[record])

    one, two = made(teacher, 0.0), made(replace(teacher, test_accuracy=0.123), 1.0)
    assert all(getattr(one, f.name).equal(getattr(two, f.name)) for f in fields(one))
