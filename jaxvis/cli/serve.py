"""jaxvis serve: a preview of a site, on this machine alone."""

import sys
import threading
from pathlib import Path

from jaxvis.cli.flags import Folder
from jaxvis.cli.locking import lock_folder
from jaxvis.cli.site import report_built
from jaxvis.escape import escape_characters
from jaxvis.site.building import build_site
from jaxvis.site.serving import State, describe_state, open_server

EVERY = 2.0
"""Seconds between two looks at the folder of a running sweep."""


def serve(
    site: Path,
    /,
    *,
    port: int = 8000,
    follow: Folder = None,
    labels: Folder = None,
) -> int:
    """Shows a site in the browser, on this machine alone; Ctrl-C ends it.

    With --follow the site is made, and made again whenever the sweep has new pictures, and
    open pages say so. For example:
    jaxvis serve site --follow sweeps/vgg19

    Args:
      site: the folder that jaxvis site has made; with --follow it may be a new one.
      port: of the address 127.0.0.1; 0 takes any that is free.
      follow: the folder of a sweep that is running.
      labels: the CSV file of labels that the site was made with, for --follow.

    Raises:
      OSError: if the port is taken, or a file cannot be opened or written.
      ValueError: if there is no site, or nothing to follow.
    """
    if labels is not None and follow is None:
        raise ValueError("--labels goes with --follow: jaxvis site has its own")
    end = threading.Event()
    state = None
    try:
        if follow is not None:
            state = _await_first(follow, end)
            report_built(site, build_site([follow], site, labels=labels, lock=lock_folder))
        with open_server(site, port=port) as server:
            print(f"http://127.0.0.1:{server.server_port}/ (Ctrl-C ends it)", flush=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            try:
                while not end.wait(EVERY):
                    if follow is not None and state != (now := describe_state([follow])):
                        state = now
                        _build_again(follow, site, labels)
            finally:
                server.shutdown()
    except KeyboardInterrupt:
        pass  # the way in which it is meant to end
    return 0


def _await_first(follow: Path, end: threading.Event) -> State:
    """Waits until a sweep that has begun has written its first record."""
    if not follow.is_dir():
        raise ValueError(f"there is no folder {follow}: name one that jaxvis sweep run writes")
    if (follow / "plan.json").exists() and not describe_state([follow]):
        print("waiting for the sweep's first pictures", flush=True)
        while not describe_state([follow]):
            end.wait(EVERY)
    return describe_state([follow])


def _build_again(follow: Path, site: Path, labels: Path | None) -> None:
    """Builds a site again; what is wrong for a moment does not end the preview."""
    try:
        report_built(site, build_site([follow], site, labels=labels))
    except (OSError, ValueError) as error:
        print(f"not built again: {escape_characters(str(error))}", file=sys.stderr)
