"""A file from the network: resumed where it broke off, checked, whole or not there."""

import hashlib
import os
from functools import partial
from pathlib import Path

import requests
from tqdm import tqdm

from jaxvis.weights.tensor_file import hash_file

CHUNK = 1 << 14
"""Bytes written at a time; at most so many are lost when the connection breaks off."""
PARTIAL, NOT_SATISFIABLE = 206, 416


def fetch(
    url: str,
    path: str | os.PathLike,
    *,
    sha256: str = "",
    md5: str = "",
    timeout: float = 30.0,
) -> Path:
    """Returns a downloaded file, checked; one that is there already is not fetched again.

    What is half downloaded stays beside it as `FILE.part`, and the next call resumes it.

    Args:
      url: where it is.
      path: where it goes; its folder is made.
      sha256: how its sha256 begins, hexadecimal; "" checks nothing.
      md5: its MD5, hexadecimal, where no sha256 is known; "" checks nothing.
      timeout: seconds without a byte after which the download is given up.

    Raises:
      ConnectionError: without a network, through a broken proxy, or when it breaks off.
      TimeoutError: if the server stalls.
      FileNotFoundError: if the server has no such file.
      ValueError: if the sha256 or the MD5 is another one; the file is thrown away.
    """
    path, fits = Path(path), partial(_matches, sha256=sha256, md5=md5)
    if path.exists() and fits(path):
        return path
    path.unlink(missing_ok=True)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    try:
        resumed = _complete(url, part, timeout)
        if resumed and not fits(part):
            # The rest belongs to other bytes: begin again, once.
            part.unlink()
            _complete(url, part, timeout)
    except requests.exceptions.RequestException as error:
        raise _explain(url, error, timeout) from None
    if not fits(part):
        found = f"the sha256 begins {hash_file(part)[:8]}, not {sha256}"
        part.unlink()
        raise ValueError(
            f"{url}: {f'the MD5 is not {md5}' if md5 else found}: the file is damaged or "
            "another one, and was thrown away; try again or elsewhere (--url)"
        )
    os.replace(part, path)
    return path


def _matches(path: Path, sha256: str, md5: str) -> bool:
    if not hash_file(path).startswith(sha256):
        return False
    if not md5:
        return True
    with path.open("rb") as file:
        # It tells a damaged file from a whole one; who would forge one also owns the host.
        digest = hashlib.file_digest(file, partial(hashlib.md5, usedforsecurity=False))
    return digest.hexdigest() == md5


def _complete(url: str, part: Path, timeout: float) -> bool:
    """Completes a partial file; returns whether it began in the middle."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with requests.get(url, headers=headers, stream=True, timeout=timeout) as response:
        if response.status_code == NOT_SATISFIABLE and have:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if total != str(have):
                part.unlink()
                return _complete(url, part, timeout)
            return True
        response.raise_for_status()
        resumed = response.status_code == PARTIAL
        _receive(url, part, response, have if resumed else 0)
        return resumed


def _receive(url: str, part: Path, response: requests.Response, have: int) -> None:
    """Writes what the server sends behind the first `have` bytes of the partial file."""
    length = response.headers.get("Content-Length")
    total = have + int(length) if length is not None else None
    bar = tqdm(desc=part.stem, total=total, initial=have, unit="B", unit_scale=True)
    with bar, part.open("ab" if have else "wb") as file:
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            bar.update(len(chunk))
    size = part.stat().st_size
    if total is not None and size < total:
        raise ConnectionError(
            f"{url} broke off after {size} of {total} bytes; run it again to resume"
        )


def _explain(url: str, error: requests.exceptions.RequestException, timeout: float) -> OSError:
    """Returns the error in plain words."""
    known = requests.exceptions
    if isinstance(error, known.HTTPError) and error.response is not None:
        status = error.response.status_code
        if status == requests.codes.not_found:
            return FileNotFoundError(f"{url} does not exist on the server (404)")
        return ConnectionError(f"{url}: the server answers {status}; try again later")
    if isinstance(error, known.ProxyError):
        return ConnectionError(
            f"{url} cannot be reached through the proxy: check HTTPS_PROXY, HTTP_PROXY"
        )
    if isinstance(error, known.Timeout) or "timed out" in str(error):
        return TimeoutError(f"{url}: no data for {timeout:g} seconds; run it again to resume")
    if isinstance(error, known.ChunkedEncodingError):
        return ConnectionError(f"{url} broke off; run it again to resume")
    if isinstance(error, known.ConnectionError):
        return ConnectionError(
            f"{url} cannot be reached: is this machine offline? Behind a proxy set "
            "HTTPS_PROXY; for a mirror give --url"
        )
    return ConnectionError(f"{url}: {error}")
