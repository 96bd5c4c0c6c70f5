"""An S3 server on this machine, for tests.

moto, which knows more of the protocol than ours, cannot be installed beside this project (botocore wants an
older python-dateutil). Where its ``moto_server`` is on PATH the tests run against that one, too:

    python -m venv s3 && s3/bin/pip install 'moto[s3]' flask flask-cors && export PATH=$PATH:$PWD/s3/bin
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager

from tests.s3_server import BUCKET, Server

SERVERS = ("ours", "moto")


@contextmanager
def server(kind: str = "ours") -> Iterator[str | None]:
    """The query of a URI that leads to a server with a bucket called ``bucket``; None where there is none."""
    with _ours() if kind == "ours" else _moto() as port:
        yield None if port is None else f"scheme=http&endpoint_override=127.0.0.1:{port}"


@contextmanager
def _ours() -> Iterator[int]:
    found = Server()
    threading.Thread(target=found.serve_forever, daemon=True).start()
    try:
        yield found.server_address[1]
    finally:
        found.shutdown()
        found.server_close()


@contextmanager
def _moto() -> Iterator[int | None]:
    program = shutil.which("moto_server", path=os.environ["PATH"])
    if program is None:
        yield None
        return
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    process = subprocess.Popen(
        [program, "-p", str(port)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        for _ in range(600):
            try:
                bucket = urllib.request.Request(f"http://127.0.0.1:{port}/{BUCKET}", method="PUT")
                urllib.request.urlopen(bucket).close()
                break
            except OSError:
                time.sleep(0.1)
        yield port
    finally:
        process.kill()
        process.wait()
