"""A stand-in for the Hugging Face hub: what ``huggingface_hub`` asks of it to make and read a repository."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import urlsplit

Files = dict[str, bytes]


class Hub(ThreadingHTTPServer):
    """Repositories by name; each has one commit, the hash of its files."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.repositories: dict[str, Files] = {}
        self.downloads = 0

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None:
        pass

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path, address = urlsplit(self.path).path, self.server.address
        if path == "/api/repos/create":
            asked = json.loads(body)
            name = f"{asked['organization']}/{asked['name']}"
            self.server.repositories.setdefault(name, {})
            self._json({"url": f"{address}/{name}"})
        elif "/preupload/" in path:
            files = [
                {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False}
                for f in json.loads(body)["files"]
            ]
            self._json({"files": files})
        elif "/commit/" in path:
            name = path.removeprefix("/api/models/").split("/commit/")[0]
            for line in map(json.loads, body.splitlines()):
                if line["key"] == "file":
                    content = base64.b64decode(line["value"]["content"])
                    self.server.repositories[name][line["value"]["path"]] = content
            commit = _commit(self.server.repositories[name])
            self._json(
                {
                    "commitUrl": f"{address}/{name}/commit/{commit}",
                    "commitOid": commit,
                    "pullRequestUrl": None,
                }
            )
        elif path == "/api/validate-yaml":
            self._json({"errors": [], "warnings": []})
        else:
            self._missing()

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        parts = path.strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if api else parts[:2])
        files = self.server.repositories.get(name)
        if files is None:
            self._missing()
        elif api and "/tree/" in path:
            self._json(
                [{"type": "file", "path": k, "size": len(v), "oid": _etag(v)} for k, v in files.items()]
            )
        elif api:
            siblings = [{"rfilename": file} for file in files]
            self._json(
                {
                    "_id": "1",
                    "id": name,
                    "modelId": name,
                    "sha": _commit(files),
                    "siblings": siblings,
                    "private": False,
                    "tags": [],
                    "downloads": 0,
                    "likes": 0,
                }
            )
        elif parts[2] == "resolve" and parts[4] in files:
            content = files[parts[4]]
            headers = {"ETag": f'"{_etag(content)}"', "X-Repo-Commit": _commit(files)}
            self.server.downloads += self.command == "GET"
            self._answer(200, content, headers)
        else:
            self._missing()

    do_HEAD = do_GET

    def _missing(self) -> None:
        self._answer(404, b"{}", {"X-Error-Code": "RepoNotFound"})

    def _json(self, value: object) -> None:
        self._answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _answer(self, code: int, content: bytes, headers: dict[str, str]) -> None:
        self.send_response(code)
        for name, value in {**headers, "Content-Length": str(len(content))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(content)


def _etag(content: bytes) -> str:
    return hashlib.sha1(content).hexdigest()


def _commit(files: Files) -> str:
    return hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()


@contextmanager
def serving() -> Iterator[Hub]:
    """The stand-in, for as long as the body runs."""
    with Hub() as hub:
        Thread(target=hub.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        yield hub
        hub.shutdown()
