"""A file from the net: resumed where it broke off, checked, whole or not there."""

import hashlib
import logging
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pooch
import requests
from tqdm import tqdm

CHUNK = 1 << 14
"""Bytes written at a time: when the line breaks off, so many are lost at most."""
PARTIAL, NOT_SATISFIABLE = 206, 416


def fetch(url: str, path: str | os.PathLike, *, sha256: str = "", timeout: float = 30.0) -> Path:
    """Returns a downloaded file, checked; a file that is there is fetched no more.

    What is half downloaded stays beside it as `FILE.part` and is resumed next time.

    Args:
      url: where it is.
      path: where it goes; its folder is made.
      sha256: how its sha256 begins, hexadecimal; "" checks nothing.
      timeout: seconds without a byte after which the download is given up.

    Raises:
      ConnectionError: without a network, through a broken proxy, or when it breaks off.
      TimeoutError: if the server stalls.
      FileNotFoundError: if the server has no such file.
      ValueError: if the sha256 is another one; the file is thrown away.
    """
    path = Path(path)
    if path.exists() and _digest(path).startswith(sha256):
        return path
    path.unlink(missing_ok=True)
    pooch.get_logger().setLevel(logging.WARNING)  # we say it in our own words
    downloader = Resuming(path.with_name(path.name + ".part"), sha256, timeout)
    pooch.retrieve(url, known_hash=None, fname=path.name, path=path.parent, downloader=downloader)
    return path


@dataclass(frozen=True)
class Resuming:
    """Downloads for pooch: resumes a partial file, else begins a clean one.

    Args:
      part: the partial file, kept from one try to the next.
      sha256: how the whole file's sha256 begins.
      timeout: seconds without a byte.
    """

    part: Path
    sha256: str
    timeout: float

    def __call__(
        self, url: str, output_file: str | Path, pooch: Any, check_only: bool = False
    ) -> None:
        """Writes what is at `url` to `output_file`; see `fetch` for what it raises."""
        try:
            resumed = self._download(url)
            if resumed and not self._good():
                # The rest belongs to other bytes: begin again, once.
                self.part.unlink()
                self._download(url)
        except requests.exceptions.RequestException as error:
            raise _plain(url, error, self.timeout) from None
        if not self._good():
            got = _digest(self.part)
            self.part.unlink()
            raise ValueError(
                f"{url}: the sha256 begins {got[:8]}, not {self.sha256}: the file is "
                "damaged or another one, and was thrown away; try again or elsewhere "
                "(--url)"
            )
        os.replace(self.part, output_file)

    def _good(self) -> bool:
        return _digest(self.part).startswith(self.sha256)

    def _download(self, url: str) -> bool:
        """Completes the partial file; returns whether it began in the middle."""
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        with requests.get(url, headers=headers, stream=True, timeout=self.timeout) as response:
            if response.status_code == NOT_SATISFIABLE and have:
                total = response.headers.get("Content-Range", "").rpartition("/")[2]
                if total != str(have):
                    self.part.unlink()
                    return self._download(url)
                return True
            response.raise_for_status()
            resumed = response.status_code == PARTIAL
            self._receive(url, response, have if resumed else 0)
            return resumed

    def _receive(self, url: str, response: requests.Response, have: int) -> None:
        length = response.headers.get("Content-Length")
        total = have + int(length) if length is not None else None
        bar = tqdm(desc=self.part.stem, total=total, initial=have, unit="B", unit_scale=True)
        with bar, self.part.open("ab" if have else "wb") as file:
            for chunk in response.iter_content(CHUNK):
                file.write(chunk)
                bar.update(len(chunk))
        size = self.part.stat().st_size
        if total is not None and size < total:
            raise ConnectionError(
                f"{url} broke off after {size} of {total} bytes; run it again to resume"
            )


def _plain(url: str, error: requests.exceptions.RequestException, timeout: float) -> OSError:
    """Returns the error in plain words."""
    known = requests.exceptions
    if isinstance(error, known.HTTPError):
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


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
