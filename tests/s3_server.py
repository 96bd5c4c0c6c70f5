"""As much of the S3 protocol as pyarrow speaks, objects in memory.

Signatures are not checked. Listings are consistent, as S3's are; a copy takes the whole object.
"""

from __future__ import annotations

import hashlib
import re
import threading
import time
import uuid
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

BUCKET = "bucket"


class Server(ThreadingHTTPServer):
    """Buckets of objects, and the parts of uploads that are not complete."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.buckets: dict[str, dict[str, tuple[bytes, float]]] = {BUCKET: {}}
        self.uploads: dict[str, dict[int, bytes]] = {}
        self.lock = threading.Lock()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is no error."""


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    server: Server

    def log_message(self, *_: Any) -> None:
        """Nothing is logged."""

    def do_PUT(self) -> None:
        """A bucket, an object, a copy, or a part of an upload."""
        body = self._body()
        if not self.key:
            with self.server.lock:
                self.server.buckets.setdefault(self.bucket, {})
            self._answer(200)
        elif (objects := self._objects()) is not None:
            copied = self.headers.get("x-amz-copy-source")
            if copied is not None:
                source = unquote(copied).lstrip("/").partition("/")[2]
                if source not in objects:
                    self._error(404, "NoSuchKey")
                    return
                body = objects[source][0]
            if "uploadId" in self.query:
                self.server.uploads[self.query["uploadId"]][int(self.query["partNumber"])] = body
            else:
                self._keep(objects, body)
            tag = f'"{hashlib.md5(body).hexdigest()}"'
            text = f"<CopyObjectResult><ETag>{escape(tag)}</ETag></CopyObjectResult>" if copied else ""
            self._answer(200, text.encode(), ETag=tag)

    def do_POST(self) -> None:
        """An upload begins or is complete, or several objects are deleted."""
        body = self._body()
        if (objects := self._objects()) is None:
            return
        if "uploads" in self.query:
            name = uuid.uuid4().hex
            self.server.uploads[name] = {}
            self._xml("InitiateMultipartUploadResult", f"<UploadId>{name}</UploadId>")
        elif "uploadId" in self.query:
            parts = self.server.uploads.pop(self.query["uploadId"])
            self._keep(objects, b"".join(parts[number] for number in sorted(parts)))
            self._xml("CompleteMultipartUploadResult", f"<Key>{escape(self.key)}</Key>")
        elif "delete" in self.query:
            for key in re.findall("<Key>(.*?)</Key>", body.decode()):
                objects.pop(key, None)
            self._xml("DeleteResult", "")

    def do_DELETE(self) -> None:
        """An object, or an upload that is given up."""
        if "uploadId" in self.query:
            self.server.uploads.pop(self.query["uploadId"], None)
        elif (objects := self._objects()) is not None:
            objects.pop(self.key, None)
        else:
            return
        self._answer(204)

    def do_HEAD(self) -> None:
        """Whether a bucket or an object is there."""
        self.do_GET()

    def do_GET(self) -> None:
        """A listing, an object, or a range of its bytes."""
        if (objects := self._objects()) is None:
            return
        if not self.key:
            self._list(objects)
        elif self.key not in objects:
            self._error(404, "NoSuchKey")
        else:
            body, when = objects[self.key]
            headers = {
                "ETag": f'"{hashlib.md5(body).hexdigest()}"',
                "Last-Modified": formatdate(when, usegmt=True),
            }
            asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
            if asked is None:
                self._answer(200, body, **headers)
                return
            first, last = int(asked[1]), min(int(asked[2] or len(body)), len(body) - 1)
            headers["Content-Range"] = f"bytes {first}-{last}/{len(body)}"
            self._answer(206, body[first : last + 1], **headers)

    def _list(self, objects: dict[str, tuple[bytes, float]]) -> None:
        prefix, delimiter = self.query.get("prefix", ""), self.query.get("delimiter", "")
        below: dict[str, str] = {}
        with self.server.lock:
            names = sorted(key for key in objects if key.startswith(prefix))
        for key in names:
            rest = key[len(prefix) :]
            if delimiter and delimiter in rest:
                folder = escape(prefix + rest.partition(delimiter)[0] + delimiter)
                below[folder] = f"<CommonPrefixes><Prefix>{folder}</Prefix></CommonPrefixes>"
            elif (found := objects.get(key)) is not None:
                when = time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(found[1]))
                below[key] = (
                    f"<Contents><Key>{escape(key)}</Key><Size>{len(found[0])}</Size>"
                    f"<LastModified>{when}</LastModified></Contents>"
                )
        limit = int(self.query.get("max-keys", "1000"))
        after = self.query.get("continuation-token") or self.query.get("start-after", "")
        names = [name for name in below if name > after]
        cut = len(names) > limit
        token = f"<NextContinuationToken>{names[limit - 1]}</NextContinuationToken>" if cut else ""
        shown = "".join(below[name] for name in names[:limit])
        count = f"<KeyCount>{len(names[:limit])}</KeyCount><IsTruncated>{str(cut).lower()}</IsTruncated>"
        self._xml("ListBucketResult", f"<Name>{self.bucket}</Name>{count}{token}{shown}")

    # -- the protocol --------------------------------------------------------------------------------------

    @property
    def bucket(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[0]

    @property
    def key(self) -> str:
        return unquote(urlsplit(self.path).path).lstrip("/").partition("/")[2]

    @property
    def query(self) -> dict[str, str]:
        return {k: v[-1] for k, v in parse_qs(urlsplit(self.path).query, keep_blank_values=True).items()}

    def _objects(self) -> dict[str, tuple[bytes, float]] | None:
        objects = self.server.buckets.get(self.bucket)
        if objects is None:
            self._error(404, "NoSuchBucket")
        return objects

    def _keep(self, objects: dict[str, tuple[bytes, float]], body: bytes) -> None:
        with self.server.lock:
            objects[self.key] = body, time.time()

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") == "chunked":
            body = b"".join(iter(self._chunk, b""))
        else:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        return _unchunked(body) if "x-amz-decoded-content-length" in self.headers else body

    def _chunk(self) -> bytes:
        size = int(self.rfile.readline().partition(b";")[0], 16)
        body = self.rfile.read(size)
        self.rfile.readline()
        return body

    def _xml(self, name: str, content: str) -> None:
        space = "http://s3.amazonaws.com/doc/2006-03-01/"
        text = f'<?xml version="1.0" encoding="UTF-8"?><{name} xmlns="{space}">{content}</{name}>'
        self._answer(200, text.encode())

    def _error(self, status: int, code: str) -> None:
        self._answer(status, f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode())

    def _answer(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)


def _unchunked(body: bytes) -> bytes:
    """What S3's own chunks hold: ``size;signature``, content, and after the last one checksums."""
    found = b""
    while body:
        head, _, body = body.partition(b"\r\n")
        size = int(head.partition(b";")[0], 16)
        if not size:
            return found
        found, body = found + body[:size], body[size + 2 :]
    return found
