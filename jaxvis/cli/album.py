"""The photographs that a style network is shown, and the pictures that are made of them."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.checksums import Sums, hash_inputs, hash_outputs
from jaxvis.cli.flags import ResumeFlags
from jaxvis.cli.ledger import Ledger, open_ledger
from jaxvis.cli.locking import remove_parts
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.photographs import read_photograph
from jaxvis.cli.saving import Output
from jaxvis.cli.skipping import describe_skipped
from jaxvis.output.folder import FolderImage, list_images, read_folder
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.weights.style_file import StyleNet
from jaxvis.weights.tensor_file import hash_file

SHEET = "contact.png"
"""The contact sheet of a folder."""
PAUSE = 1.0
"""Seconds between two notes of what is done: a folder may hold many thousand photographs."""


class Album:
    """The photographs of a command, one or a folder of them, and its pictures.

    The output is opened when the first photograph has been read, so that a wrong name
    leaves no empty folder. A photograph of a folder that cannot be used is skipped. A
    command that goes on makes the pictures that are missing, or of photographs that
    have changed.

    Args:
      command: its name.
      arguments: its flags by name; "net" is the file of the network.
      flags: where the pictures go.
      source: a file, a folder, or the name of a photograph that comes with jaxvis.
      size: 224 or 224x320 (H x W), to which photographs are cropped, or own.
      each: pictures of every photograph.
      show: of how many photographs `shown` keeps the pictures.

    Raises:
      ValueError: for a size that is none, or a folder without images.
    """

    def __init__(
        self,
        command: str,
        arguments: dict[str, Any],
        flags: ResumeFlags,
        source: str,
        size: str,
        *,
        each: int = 1,
        show: int = 0,
    ) -> None:
        """Lists the photographs."""
        self.command, self.arguments, self.flags = command, arguments, flags
        self.source, self.each, self.show = source, each, show
        self.size = None if size == "own" else parse_size(size)
        self.folder = Path(source).is_dir()
        self.paths = list_images(source) if self.folder else [Path(source)]
        self.pictures: list[dict[str, Any]] = []
        self.shown: list[np.ndarray] = []
        self.skipped: dict[str, str] = {}
        self.inputs: Sums = {}
        self.interrupted = False
        self._ledger: Ledger | None = None
        self._before: dict[str, list[dict[str, Any]]] = {}
        self._written = 0.0

    @property
    def ledger(self) -> Ledger:
        """What is done, and where."""
        if self._ledger is None:
            weights, count = hash_file(self.arguments["net"]), None if self.folder else 1
            self._ledger = open_ledger(
                self.flags, self.command, self.arguments, count=count, weights=weights
            )
            for one in self._ledger.done.values():
                self._before.setdefault(one["of"], []).append(one)
        return self._ledger

    @property
    def output(self) -> Output:
        """Where the pictures go."""
        return self.ledger.output

    def make(self, paint: Callable[[str, np.ndarray], None]) -> None:
        """Calls a function for every photograph whose pictures are missing, until Ctrl-C.

        Args:
          paint: `(name without ending, photograph [H, W, 3])`, which adds its pictures.

        Raises:
          KeyboardInterrupt: where Ctrl-C left no picture to keep.
          OSError, ValueError: if the photograph, or no photograph of the folder, can be
            used.
        """
        self.inputs = hash_inputs(self.source)
        if self.flags.resume:
            self._find(self.source)  # opened before threads look for what is done
        try:
            for photo in self._read():
                self._make_one(photo, paint)
        except KeyboardInterrupt:
            if not self.pictures:
                raise
            self.interrupted = True
        if not self.pictures:
            name, reason = next(iter(self.skipped.items()))
            raise ValueError(
                f"none of the {len(self.paths)} images in {self.source} can be used; the "
                f"first, {name}: {reason}"
            )
        self.ledger.write()

    def _make_one(self, photo: FolderImage, paint: Callable[[str, np.ndarray], None]) -> None:
        done, before = self._find(photo.name), len(self.pictures)
        if done:
            self.pictures += [one["facts"] for one in done]
        else:
            try:
                paint(self._name(photo), photo.value)
            except ValueError as error:
                if not self.folder:
                    raise
                del self.pictures[before:]
                self.skipped[photo.name] = str(error)
                return
            for facts in self.pictures[before:]:
                name = facts["file"].removesuffix(".png")
                own = {"finite": True, "of": photo.name, "sha256": self._hash(photo.name)}
                self.ledger.done[name] = {**own, "facts": facts}
            if time.monotonic() - self._written > PAUSE:
                self.ledger.write()
                self._written = time.monotonic()
        if len(self.shown) < 2 * self.show:
            file = self.output.file or self.output.folder / self.pictures[-1]["file"]
            value = read_image(photo.path, size=self.size) if photo.value is None else photo.value
            self.shown += [value, read_image(file)]

    def _find(self, name: str) -> list[dict[str, Any]]:
        """Finds what an earlier sitting made of a photograph, if all of it is there.

        A photograph that has changed since has nothing.
        """
        if not self.ledger.done:
            return []
        found = [one for one in self._before.get(name, []) if one["sha256"] == self._hash(name)]
        return found if len(found) == self.each else []

    def _hash(self, name: str) -> Any:
        whole = self.inputs[self.source]
        return whole.get(name) if isinstance(whole, dict) else whole

    def _read(self) -> Iterator[FolderImage]:
        """Yields the photographs; what cannot be read of a folder is skipped.

        The value of one whose pictures are done is None.
        """
        if not self.folder:
            image = read_photograph(self.source, size=self.size)
            yield FolderImage(Path(self.source).name, Path(self.source), image)
            return

        def read(path: Path) -> np.ndarray | None:
            if self.flags.resume and self._find(path.relative_to(self.source).as_posix()):
                return None
            return read_image(path, size=self.size)

        yield from read_folder(self.source, skipped=self.skipped, read=read, progress=True)

    def _name(self, photo: FolderImage) -> str:
        """Gives the name of a photograph's picture inside the folder, without ending.

        The photograph's own ending stays a part of it where a.jpg and a.png would become
        one file, and where the contact sheet has that name.
        """
        path = Path(photo.name)
        twins = sum(other.with_suffix("") == photo.path.with_suffix("") for other in self.paths)
        taken = path.with_suffix(".png") == Path(SHEET)
        stem = path.name.replace(".", "_") if twins > 1 or taken else path.stem
        return path.with_name(stem).as_posix()

    def add(self, name: str, picture: np.ndarray, **facts: Any) -> None:
        """Writes a picture.

        Args:
          name: without ending; it may lie in a subfolder.
          picture: `[H, W, 3]` in [0, 1].
          **facts: of the picture, for the record.

        Raises:
          OSError: if it cannot be written.
        """
        path = self.output.path_of(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.parent != self.output.folder:
            remove_parts(path.parent)
        self.ledger.begin()
        write_image(path, picture, bits=self.output.bits)
        file = path.relative_to(self.output.folder).as_posix()
        self.pictures.append({"file": file, **facts})

    def end(self, net: StyleNet, *, others: Sequence[str] = (), **facts: Any) -> int:
        """Writes the record, says what was made, and gives the exit code.

        Args:
          net: the network.
          others: names of further files in the folder, such as the contact sheet.
          **facts: further facts for the record.

        Returns:
          int: 0; 130 after Ctrl-C.

        Raises:
          OSError: if it cannot be written.
        """
        file = self.output.file
        written = [*(picture["file"] for picture in self.pictures), *others]
        record = make_record(
            self.command,
            self.arguments,
            net=net.net.name,
            weights=str(self.arguments["net"]),
            sha256=hash_file(self.arguments["net"]),
            inputs=self.inputs,
            pictures=self.pictures,
            files=hash_outputs(self.output.folder, written),
            interrupted=self.interrupted,
            skipped=self.skipped,
            seconds=self.ledger.seconds,
            styles=list(net.styles),
            **facts,
        )
        path = file.with_suffix(".json") if file else self.output.folder / "record.json"
        write_record(path, record)
        count = f"{len(self.pictures)} picture{'s' * (len(self.pictures) != 1)}"
        print(f"{self.output}: {count}{describe_skipped(self.skipped)}, record")
        if self.interrupted:
            print("interrupted", file=sys.stderr)
        return 130 if self.interrupted else 0
