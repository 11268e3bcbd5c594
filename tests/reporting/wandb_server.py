"""Loopback stand-ins for a W&B server: one that answers a start, one that never answers."""

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

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            name = json.loads(body).get("operationName") if self.path == "/graphql" else None
            if name not in ANSWERS:
                released.wait(60)
                return
            answer = json.dumps({"data": ANSWERS[name]}).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        released.set()
        server.shutdown()
        server.server_close()
