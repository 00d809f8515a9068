"""A preview of a site on this machine alone, which can follow a running sweep."""

import os
from collections.abc import Sequence
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import BinaryIO

from jaxvis.escape import escape_path
from jaxvis.site.rendering import POLICY
from jaxvis.site.writing import MANIFEST, read_manifest

LOOPBACK = "127.0.0.1"
"""The address that no other machine reaches."""
HOSTS = (LOOPBACK, "localhost")
"""Names by which a browser may call it; by others, a page of the web could read it."""


State = tuple[tuple[str, int, int], ...]
"""Files of sweeps with their sizes and times."""


class SiteHandler(SimpleHTTPRequestHandler):
    """What answers a browser: the files of the site, and nothing else."""

    server_version, sys_version = "jaxvis", ""

    def send_head(self) -> BytesIO | BinaryIO | None:
        """Sends the head of an answer; refuses other hosts and lists of folders."""
        host = self.headers.get("Host", "").partition(":")[0]
        if host not in HOSTS:
            self.send_error(HTTPStatus.FORBIDDEN, "Only localhost is answered")
            return None
        path = self.translate_path(self.path)
        names = os.path.relpath(path, self.directory).split(os.sep)
        hidden = any(name.startswith(".") and name != "." for name in names)
        if hidden or (os.path.isdir(path) and not os.path.exists(f"{path}/index.html")):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Ends the head with rules for the browser."""
        self.send_header("Content-Security-Policy", f"{POLICY}; frame-ancestors 'self'")
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def log_message(self, *args: object) -> None:
        """Logs nothing of `args`: a page has hundreds of pictures."""


def open_server(site: str | Path, *, port: int = 0) -> ThreadingHTTPServer:
    """Opens a server of a site on the loopback address; `serve_forever` starts it.

    Args:
      site: the folder that `jaxvis.site.building.build_site` has made.
      port: from 1 to 65535; 0 takes any that is free.

    Raises:
      OSError: if the port is taken.
      ValueError: if the folder holds no site.
    """
    folder = Path(site)
    if read_manifest(folder) is None:
        raise ValueError(
            f"{escape_path(folder)} is no site (it has no {MANIFEST}): make one with jaxvis site"
        )
    handler = partial(SiteHandler, directory=os.fspath(folder.resolve()))
    try:
        return ThreadingHTTPServer((LOOPBACK, port), handler)
    except OSError as error:
        raise OSError(
            error.errno, f"{error.strerror}: choose another --port", f"port {port}"
        ) from None


def describe_state(folders: Sequence[str | Path]) -> State:
    """Gives what changes whenever a folder of a sweep has new records or measures.

    Args:
      folders: of sweeps.
    """
    found = []
    for folder in folders:
        for below in ("records", "measures"):
            for path in sorted(Path(folder, below).glob("*.json")):
                try:
                    facts = path.stat()
                except FileNotFoundError:
                    continue
                found.append((str(path), facts.st_size, facts.st_mtime_ns))
        network = Path(folder, "network.json")
        if network.exists():
            found.append((str(network), 0, network.stat().st_mtime_ns))
    return tuple(found)
