"""A real S3 server that can be made to fail, and hears what is published."""

import logging
import os
import threading
import uuid
from collections import Counter
from enum import Enum

BUCKET = "chaos"


class Mood(Enum):
    """How the store answers."""

    WELL = "well"
    DOWN = "down"
    """503 to everything."""
    FULL = "full"
    """What MinIO says to a write when its disks are full; reads are answered."""


class FlakyStore:
    """A store in this process's memory; everything under `published/` is counted as it comes."""

    def __init__(self, host="127.0.0.1"):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        from werkzeug.serving import make_server

        self._application = DomainDispatcherApplication(create_backend_app)
        self.mood = Mood.WELL
        self.published = Counter()
        """Publications of each job."""
        self.by_node = Counter()
        """Publications of each node."""
        logging.getLogger("werkzeug").setLevel(logging.ERROR)
        self._server = make_server(host, 0, self._serve, threaded=True)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.variables = {
            "AWS_ENDPOINT_URL": f"http://{host}:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "us-east-1",
        }
        self._before = {name: os.environ.get(name) for name in self.variables}
        os.environ.update(self.variables)
        import fsspec

        fsspec.filesystem("s3", skip_instance_cache=True).mkdir(BUCKET)
        self.empty()

    def empty(self):
        """Begin under another root, with nothing."""
        self.url = f"s3://{BUCKET}/{uuid.uuid4().hex[:8]}"
        self.published.clear()
        self.by_node.clear()

    @property
    def twice(self):
        """Publications beyond the first of each job."""
        return sum(number - 1 for number in list(self.published.values()))

    def close(self):
        """Stop, and leave the environment as it was."""
        self._server.shutdown()
        for name, value in self._before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value

    def _serve(self, environment, respond):
        writing = environment["REQUEST_METHOD"] in {"PUT", "POST"}
        if self.mood is Mood.DOWN:
            return _refuse(respond, "503 Slow Down", "SlowDown")
        if self.mood is Mood.FULL and writing:
            return _refuse(respond, "507 Insufficient Storage", "XMinioStorageFull")
        answer = self._application(environment, respond)
        if environment["REQUEST_METHOD"] == "PUT" and "/published/" in environment["PATH_INFO"]:
            _, _, rest = environment["PATH_INFO"].partition("/published/")
            job, _, name = rest.partition("/")
            self.published[job] += 1
            self.by_node[name.partition("~")[0]] += 1
        return answer


def _refuse(respond, status, code):
    respond(status, [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code></Error>".encode()]
