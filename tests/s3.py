"""An S3 server on this machine, for tests: moto, which needs an environment of its own.

Its packages want others than ours (botocore an older python-dateutil), so it is no extra of this project:

    python -m venv s3 && s3/bin/pip install 'moto[s3]' flask flask-cors && export PATH=$PATH:$PWD/s3/bin
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def server() -> Iterator[str | None]:
    """The query of a URI that leads to it; None where ``moto_server`` is not there."""
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
                bucket = urllib.request.Request(f"http://127.0.0.1:{port}/bucket", method="PUT")
                urllib.request.urlopen(bucket).close()
                break
            except OSError:
                time.sleep(0.1)
        yield f"scheme=http&endpoint_override=127.0.0.1:{port}"
    finally:
        process.kill()
        process.wait()
