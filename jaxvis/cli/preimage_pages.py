"""The pictures of several layers: their names, what is said of them, and their saving."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from jaxvis.cli.flags import WatchFlags
from jaxvis.cli.ledger import Ledger
from jaxvis.cli.parts import Part, Saving, make_parts
from jaxvis.cli.saving import save_run
from jaxvis.escape import slug
from jaxvis.optimize.runs import split_axis
from jaxvis.types import Run


class Pages:
    """The pictures of photographs at several layers, with some values of C or the one.

    Args:
      taps: the layers.
      photos: the names of the photographs.
      levels: the values of C that were asked for, or None.
      seeds: pictures of each.
    """

    def __init__(
        self, taps: tuple[str, ...], photos: list[str], levels: list[float] | None, seeds: int
    ) -> None:
        self.taps, self.photos, self.seeds = taps, photos, seeds
        self.levels: list[float | None] = [*levels] if levels else [None]
        self.names = [name for tap in taps for name in self._names_of(tap)]

    @property
    def count(self) -> int:
        """How many pictures there are."""
        return len(self.names) * self.seeds

    def make(
        self,
        ledger: Ledger,
        method: Callable[..., Run],
        photos: np.ndarray,
        output: WatchFlags,
        **facts: Any,
    ) -> int:
        """Makes the pictures, layer by layer; gives the exit code.

        Args:
          ledger: what is done.
          method: takes a tap and `progress=`; gives image
            `[photographs, (C,) seeds, H, W, 3]`.
          photos: `[N, H, W, 3]`, shown first in the sheet.
          output: says how often pictures in progress are saved.
          **facts: for `jaxvis.cli.saving.save_run`.

        Returns:
          int: see `jaxvis.cli.saving.end_command`.

        Raises:
          KeyboardInterrupt: where Ctrl-C left nothing to keep.
          OSError, ValueError: as `jaxvis.cli.parts.make_parts`.
        """
        parts = [
            Part(
                [f"{name}_{seed}" for name in self._names_of(tap) for seed in range(self.seeds)],
                partial(method, tap),
            )
            for tap in self.taps
        ]
        save = partial(self._save, ledger, photos, facts)
        return make_parts(ledger, parts, Saving(save, output.save_every, self._tell))

    def _save(
        self, ledger: Ledger, photos: np.ndarray, facts: dict[str, Any], run: Run, **how: Any
    ) -> list[dict[str, Any]]:
        """Writes the record, and the contact sheet."""
        run = split_axis(run, -1, self.seeds)
        items = [self._describe(number, run) for number in range(len(self.names))]
        return save_run(
            ledger.output,
            run,
            self.names,
            captions=[self._caption(about) for about in items],
            items=items,
            first=list(zip(self.photos, photos)),
            seconds=ledger.seconds,
            **facts,
            **how,
        )

    def _describe(self, number: int, run: Run) -> dict[str, Any]:
        """Gives the facts of the pictures that have one name."""
        tap, which = divmod(number, len(self.photos) * len(self.levels))
        photo, level = divmod(which, len(self.levels))
        about: dict[str, Any] = {"tap": self.taps[tap]}
        if "error" in run.facts:
            about["error"] = run.facts["error"][number].tolist()
        if len(self.photos) > 1:
            about["photograph"] = self.photos[photo]
        if len(self.levels) > 1:
            about["C"] = self.levels[level]
        return about

    def _tell(self, number: int, run: Run) -> None:
        error = float(np.mean(run.facts.get("error", np.nan)))
        if np.isfinite(error):
            print(f"{self.taps[number]}: error {100 * error:.1f} %", flush=True)

    def _names_of(self, tap: str) -> list[str]:
        """Names the pictures of a layer, without the numbers of their seeds."""
        names = []
        for number, photo in enumerate(self.photos):
            for level in self.levels:
                words = [slug(tap)]
                if len(self.photos) > 1:
                    words.insert(0, f"{number:02d}_{slug(photo)}")
                if len(self.levels) > 1:
                    words.append(f"c{level:g}".replace(".", "p"))
                names.append("_".join(words))
        return names

    def _caption(self, about: dict[str, Any]) -> str:
        words = [about["tap"]]
        if np.isfinite(about.get("error", np.nan)).all():
            words.append(f"{100 * float(np.mean(about['error'])):.0f} %")
        if "C" in about:
            words.append(f"C {about['C']:g}")
        return " ".join(words)
