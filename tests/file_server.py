"""A web server on this machine for tests: whole, broken, stalling, absent files."""

import contextlib
import http.server
import threading


class Files(http.server.BaseHTTPRequestHandler):
    """Serves `server.files`: path -> (bytes, how)."""

    def do_GET(self):
        """Answers one request as the file's `how` says."""
        self.server.requests.append((self.path, self.headers.get("Range")))
        if self.path not in self.server.files:
            self.send_error(404)
            return
        body, how = self.server.files[self.path]
        if how == "broken server":
            self.send_error(503)
            return
        start = 0
        asked = self.headers.get("Range")
        if asked and how != "no ranges":
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(body):
                self.send_response(416)
                self.send_header("Content-Range", f"bytes */{len(body)}")
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
        self.send_response(206 if start else 200)
        if start:
            span = f"bytes {start}-{len(body) - 1}/{len(body)}"
            self.send_header("Content-Range", span)
        self.send_header("Content-Length", str(len(body) - start))
        self.end_headers()
        sent = body[start:]
        if how in ("breaks off", "stalls"):
            sent = sent[: len(sent) // 2]
        with contextlib.suppress(ConnectionError):
            self.wfile.write(sent)
            self.wfile.flush()
        if how == "stalls":
            self.server.released.wait(20)
        self.close_connection = True

    def log_message(self, *arguments):
        """Says nothing: the tests look at `server.requests`."""


@contextlib.contextmanager
def serve(files):
    """Yields a running server; `url` is its root, `files` may change under way."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Files)
    server.daemon_threads = True
    server.files, server.requests = dict(files), []
    server.released = threading.Event()
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server
    finally:
        server.released.set()
        server.shutdown()
        thread.join()
        server.server_close()
