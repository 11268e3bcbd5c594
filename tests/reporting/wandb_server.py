"""Loopback stand-ins for a W&B server: one that answers a start, one that never answers, one that keeps runs."""

import gzip
import json
import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_ENTITY = {"id": "e", "name": "somebody"}
_PROJECT = {"id": "p", "name": "arc-controllable-generation", "entity": _ENTITY}
_BUCKET = {"id": "b", "name": "run1", "displayName": "run1", "config": "{}", "project": _PROJECT, "historyLineCount": 0}
ANSWERS = {
    "RunResumeStatus": {"model": {**_PROJECT, "bucket": None}},
    "UpsertBucket": {"upsertBucket": {"bucket": _BUCKET, "inserted": True}},
}


@contextmanager
def silent_address():
    """A URL that accepts connections and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


@contextmanager
def closed_address():
    """A URL where nothing listens."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{unused.getsockname()[1]}"


@contextmanager
def dying_server():
    """A URL that answers what a run's start asks and hangs on everything else."""
    released = threading.Event()

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> bytes | None:
        name = json.loads(body).get("operationName") if handler.path == "/graphql" else None
        if name in ANSWERS:
            return json.dumps({"data": ANSWERS[name]}).encode()
        released.wait(60)
        return None

    with serving(answer) as url:
        yield url
        released.set()


@contextmanager
def keeping_server():
    """A URL that takes runs in, and what it keeps of each: its history's rows by their place, as W&B does."""
    kept: dict[str, dict[int, dict]] = {}

    def answer(handler: BaseHTTPRequestHandler, body: bytes) -> bytes:
        if handler.path.endswith("/file_stream"):
            rows = kept.setdefault(handler.path.split("/")[-2], {})
            if history := json.loads(body).get("files", {}).get("wandb-history.jsonl"):
                if history["offset"] == 0:
                    rows.clear()
                for place, line in enumerate(history["content"], history["offset"]):
                    rows[place] = json.loads(line)
            return b"{}"
        asked = json.loads(body) if handler.path == "/graphql" else {}
        name = asked.get("operationName")
        if name == "CreateRunFiles":
            place = f"http://{handler.headers['Host']}/upload"
            files = [{"name": file, "uploadUrl": place} for file in asked["variables"]["files"]]
            given = {"createRunFiles": {"runID": "b", "uploadHeaders": [], "files": files}}
            return json.dumps({"data": given}).encode()
        return json.dumps({"data": ANSWERS.get(name, {})}).encode()

    with serving(answer) as url:
        yield url, kept


@contextmanager
def serving(answer):
    """A URL at which `answer(request, body)` gives what is sent back; None sends nothing."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            if self.headers.get("Content-Encoding") == "gzip":
                body = gzip.decompress(body)
            if (content := answer(self, body)) is None:
                return
            self.send_response(200)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_PUT = do_POST  # uploads

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
