"""The photographs that a style network is shown, and the pictures that are made of them."""

import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from jaxvis.cli.flags import OutputFlags
from jaxvis.cli.parsing import parse_size
from jaxvis.cli.photographs import read_photograph
from jaxvis.cli.saving import Output, open_output
from jaxvis.output.folder import FolderImage, list_images, read_folder
from jaxvis.output.io import read_image, write_image
from jaxvis.output.record import make_record, write_record
from jaxvis.weights.style_file import StyleNet
from jaxvis.weights.tensor_file import hash_file

SHEET = "contact.png"
"""The contact sheet of a folder."""


class Album:
    """The photographs of a command, one or a folder of them, and its pictures.

    The output is opened when the first photograph has been read, so that a wrong name
    leaves no empty folder.

    Args:
      command: its name.
      flags: where the pictures go.
      source: a file, a folder, or the name of a photograph that comes with jaxvis.
      size: 224 or 224x320 (H x W), to which photographs are cropped, or own.

    Raises:
      ValueError: for a size that is none, or a folder without images.
    """

    def __init__(self, command: str, flags: OutputFlags, source: str, size: str) -> None:
        """Lists the photographs."""
        self.command, self.flags, self.source = command, flags, source
        self.size = None if size == "own" else parse_size(size)
        self.folder = Path(source).is_dir()
        self.paths = list_images(source) if self.folder else [Path(source)]
        self.pictures: list[dict[str, Any]] = []
        self.skipped: dict[str, str] = {}
        self.interrupted = False
        self._output: Output | None = None

    @property
    def output(self) -> Output:
        """Where the pictures go."""
        if self._output is None:
            count = None if self.folder else 1
            self._output = open_output(self.flags, self.command, count=count)
        return self._output

    def make(self, paint: Callable[[str, np.ndarray], None]) -> None:
        """Calls a function for every photograph, until Ctrl-C.

        Args:
          paint: `(name without ending, photograph [H, W, 3])`, which adds its pictures.

        Raises:
          KeyboardInterrupt: where Ctrl-C left no picture to keep.
          OSError, ValueError: if the photograph, or no photograph of the folder, can be
            read.
        """
        try:
            for photo in self._read():
                paint(self._name(photo), photo.value)
        except KeyboardInterrupt:
            if not self.pictures:
                raise
            self.interrupted = True

    def _read(self) -> Iterator[FolderImage]:
        """Yields the photographs; what cannot be read of a folder is skipped."""
        if not self.folder:
            image = read_photograph(self.source, size=self.size)
            yield FolderImage(Path(self.source).name, Path(self.source), image)
            return

        def read(path: Path) -> np.ndarray:
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
        write_image(path, picture, bits=self.output.bits)
        file = path.relative_to(self.output.folder).as_posix()
        self.pictures.append({"file": file, **facts})

    def end(self, arguments: dict[str, Any], net: StyleNet, begin: float, **facts: Any) -> int:
        """Writes the record, says what was made, and gives the exit code.

        Args:
          arguments: of the command; "net" is the file of the network.
          net: the network.
          begin: when the command began, by `time.perf_counter`.
          **facts: further facts for the record.

        Returns:
          int: 0; 130 after Ctrl-C.

        Raises:
          OSError: if it cannot be written.
        """
        record = make_record(
            self.command,
            arguments,
            net=net.net.name,
            weights=str(arguments["net"]),
            sha256=hash_file(arguments["net"]),
            pictures=self.pictures,
            skipped=self.skipped,
            seconds=time.perf_counter() - begin,
            styles=list(net.styles),
            **facts,
        )
        file = self.output.file
        path = file.with_suffix(".json") if file else self.output.folder / "record.json"
        write_record(path, record)
        count = f"{len(self.pictures)} picture{'s' * (len(self.pictures) != 1)}"
        skipped = f", {len(self.skipped)} files skipped" if self.skipped else ""
        print(f"{self.output}: {count}{skipped}, record")
        if self.interrupted:
            print("interrupted", file=sys.stderr)
        return 130 if self.interrupted else 0
