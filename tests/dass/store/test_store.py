"""One contract for every store: a local folder, and S3 over real HTTP."""

import os
import uuid
from pathlib import Path

import pandas as pd
import pytest

from dass.errors import InvalidKey
from dass.store.store import Store
from dass.testing import StoreContract


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


class TestFolder(StoreContract):
    @pytest.fixture
    def store(self, tmp_path):
        return Store(str(tmp_path / "root"))


class TestS3(StoreContract):
    @pytest.fixture
    def store(self, bucket):
        return Store(f"{bucket}/{uuid.uuid4().hex}")


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


def test_a_part_longer_than_a_file_name_is_no_key_of_a_folder(tmp_path):
    for ask in (Store(str(tmp_path)).read, Store(str(tmp_path)).size):
        with pytest.raises(InvalidKey, match="shorten"):
            ask("x" * 300)
