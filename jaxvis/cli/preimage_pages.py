"""The pictures of several layers, written as each layer is done."""

from typing import Any

import jax
import numpy as np

from jaxvis.cli.parsing import slug
from jaxvis.cli.saving import Output, end_command, save_run
from jaxvis.optimize.runs import join_items
from jaxvis.output.io import write_image
from jaxvis.types import Run


class Pages:
    """The pictures of photographs at several layers, with some values of C or the one.

    Args:
      output: where they go.
      photos: the names of the photographs.
      levels: the values of C that were asked for, or None.
    """

    def __init__(self, output: Output, photos: list[str], levels: list[float] | None) -> None:
        self.output, self.photos = output, photos
        self.levels: list[float | None] = [*levels] if levels else [None]
        self.names: list[str] = []
        self.items: list[dict[str, Any]] = []
        self.runs: list[Run] = []
        self.saved: set[str] = set()

    def add(self, tap: str, run: Run) -> None:
        """Writes the pictures of one layer, so that Ctrl-C at the next one keeps them.

        Args:
          tap: the layer.
          run: image `[photographs, (C,) seeds, H, W, 3]`.

        Raises:
          OSError: if a picture cannot be written.
        """
        count, lead = len(self.photos) * len(self.levels), np.ndim(run.image) - 3
        run = jax.tree.map(
            lambda leaf: leaf.reshape(count, -1, *leaf.shape[lead:]), run._replace(z=())
        )
        for at in range(count):
            photo, level = divmod(at, len(self.levels))
            name = self._name(tap, photo, level)
            about: dict[str, Any] = {"tap": tap}
            if "error" in run.facts:
                about["error"] = run.facts["error"][at].tolist()
            if len(self.photos) > 1:
                about["photograph"] = self.photos[photo]
            if len(self.levels) > 1:
                about["C"] = self.levels[level]
            self.names.append(name)
            self.items.append(about)
            self._write(name, run.image[at])
        self.runs.append(run)
        error = float(np.mean(run.facts.get("error", np.nan)))
        if np.isfinite(error):
            print(f"{tap}: error {100 * error:.1f} %", flush=True)

    def _write(self, name: str, images: np.ndarray) -> None:
        """Writes the pictures of every seed, but for those that are not finite."""
        for seed, image in enumerate(images):
            if np.isfinite(image).all():
                path = self.output.path_of(f"{name}_{seed}")
                write_image(path, image, bits=self.output.bits)
                self.saved.add(path.name)

    def _name(self, tap: str, photo: int, level: int) -> str:
        words = [slug(tap)]
        if len(self.photos) > 1:
            words.insert(0, f"{photo:02d}_{slug(self.photos[photo])}")
        if len(self.levels) > 1:
            words.append(f"c{self.levels[level]:g}".replace(".", "p"))
        return "_".join(words)

    def _caption(self, about: dict[str, Any]) -> str:
        words = [about["tap"]]
        if "error" in about:
            words.append(f"{100 * float(np.mean(about['error'])):.0f} %")
        if "C" in about:
            words.append(f"C {about['C']:g}")
        return " ".join(words)

    def end(self, photos: np.ndarray, *, interrupted: bool, **facts: Any) -> int:
        """Writes contact sheet and record, says what was made, and gives the exit code.

        Args:
          photos: `[N, H, W, 3]`, shown first in the sheet.
          interrupted: whether Ctrl-C cut the command short.
          **facts: for `jaxvis.cli.saving.save_run`.

        Returns:
          int: see `jaxvis.cli.saving.end_command`.

        Raises:
          OSError: if a file cannot be written.
        """
        pictures = save_run(
            self.output,
            join_items(self.runs),
            self.names,
            captions=[self._caption(about) for about in self.items],
            items=self.items,
            first=list(zip(self.photos, photos)),
            saved=self.saved,
            **facts,
        )
        return end_command(self.output, pictures, interrupted=interrupted)
