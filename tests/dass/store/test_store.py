"""One contract for every store: a local folder, and S3 over real HTTP."""

import os
import uuid
from pathlib import Path

import pandas as pd
import pytest

from dass.errors import InvalidKey, MissingKey
from dass.store.store import Store


@pytest.fixture(scope="module")
def bucket():
    """A bucket on an S3 server of our own, with the usual variables pointing at it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    patch = pytest.MonkeyPatch()
    patch.setenv("AWS_ENDPOINT_URL", f"http://{host}:{port}")
    patch.setenv("AWS_ACCESS_KEY_ID", "test")
    patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3").create_bucket(Bucket="dass")
    yield "s3://dass"
    patch.undo()
    server.stop()


@pytest.fixture(params=["folder", "s3"])
def store(request, tmp_path):
    if request.param == "folder":
        return Store(str(tmp_path / "root"))
    return Store(f"{request.getfixturevalue('bucket')}/{uuid.uuid4().hex}")


def test_what_is_written_is_there_and_what_is_not_is_missing(store):
    assert not store.exists("a/b")
    with pytest.raises(MissingKey):
        store.read("a/b")
    store.write("a/b", b"one")
    store.write("a/b", b"two")
    assert store.exists("a/b") and store.read("a/b") == b"two"
    store.delete("a/b")
    store.delete("a/b")
    assert not store.exists("a/b")


def test_listing_is_sorted_recursive_and_never_stale(store):
    assert store.list("records") == []
    for key in ("records/b", "records/a/c", "recordsx/d"):
        store.write(key, b"")
    assert store.list("records") == ["records/a/c", "records/b"]
    store.write("records/z", b"")
    assert store.list("records")[-1] == "records/z"
    assert len(store.list()) == 4


def test_an_artifact_is_published_with_its_manifest(store):
    store.write_all("x", {"config.json": b"{}", "weights": b"w"}, "config.json")
    assert store.list("x") == ["x/config.json", "x/weights"]
    with pytest.raises(InvalidKey, match="manifest"):
        store.write_all("y", {"weights": b"w"}, "config.json")


@pytest.mark.parametrize("key", ["", "../a", "/a", "a//b", "a/../b", "."])
def test_no_key_leaves_the_root(store, key):
    with pytest.raises(InvalidKey):
        store.write(key, b"")


def test_a_store_is_a_value(store):
    import pickle

    store.write("k", b"v")
    assert pickle.loads(pickle.dumps(store)) == store
    assert pickle.loads(pickle.dumps(store)).read("k") == b"v"


def test_pandas_reads_the_records_of_a_folder_beside_unfinished_writes(tmp_path):
    import io

    store = Store(str(tmp_path))
    for i in range(3):
        buffer = io.BytesIO()
        pd.DataFrame({"x": [i]}).to_parquet(buffer)
        store.write(f"records/{i}.parquet", buffer.getvalue())
    assert sorted(pd.read_parquet(tmp_path / "records")["x"]) == [0, 1, 2]
    assert {p.name for p in Path(tmp_path, "records").iterdir()} == {
        f"{i}.parquet" for i in range(3)
    }
    assert os.listdir(tmp_path / "records")
