"""Repositories of the Hugging Face hub: only what a network is made of is downloaded."""

import os
import re
from pathlib import Path
from typing import Any

from jaxvis.escape import escape

PREFIX = "hf:"
"""How weights on the hub are written: hf:timm/resnet50.a1_in1k, hf:OWNER/NAME@REVISION."""
NAME = re.compile(r"(?P<repo>[\w.-]+(?:/[\w.-]+)?)(?:@(?P<revision>[\w./-]+))?")
FACTS = ("config.json", "preprocessor_config.json")
WEIGHTS = (
    ("*.safetensors", "*.safetensors.index.json"),
    ("pytorch_model*.bin", "pytorch_model*.bin.index.json"),
    ("*.weights.h5", "*.keras", "flax_model.msgpack", "tf_model.h5"),
)
"""Files of weights; the first line that a repository has something of is taken."""
INSTALL = 'pip install "jaxvis[hub]"'


def fetch_repository(text: str) -> Path:
    """Returns the folder with a repository's weights, downloaded if they are not here.

    $HF_ENDPOINT names another server, and $HF_HOME another cache folder than the hub's
    own. Without a network, what was downloaded before is found there.

    Args:
      text: "hf:OWNER/NAME", or "hf:OWNER/NAME@REVISION" for a branch, tag or commit.

    Raises:
      ValueError: for another text, and without the package huggingface_hub.
      FileNotFoundError: if the hub has no such repository or revision, or it has no
        weights.
      OSError: without a network, if nothing was downloaded before; and for a repository
        that needs a login.
    """
    found = NAME.fullmatch(text.removeprefix(PREFIX))
    if found is None:
        raise ValueError(
            f"{escape(text)} is no repository: write {PREFIX}OWNER/NAME, or "
            f"{PREFIX}OWNER/NAME@REVISION"
        )
    try:
        import huggingface_hub.errors
    except ImportError:
        raise ValueError(f"{escape(text)} needs the package huggingface_hub: {INSTALL}") from None
    for patterns in WEIGHTS:
        folder = _fetch(huggingface_hub, text, found["repo"], found["revision"], patterns)
        if any(path.is_file() for pattern in patterns for path in folder.glob(pattern)):
            return folder
    raise FileNotFoundError(f"{escape(text)} has no weights: no .safetensors, .bin or .h5 file")


def _fetch(hub: Any, text: str, repo: str, revision: str | None, patterns: tuple[str, ...]) -> Path:
    """Downloads the files of some patterns; turns the hub's errors into one line."""
    errors = hub.errors
    try:
        folder = hub.snapshot_download(
            repo,
            revision=revision,
            allow_patterns=[*FACTS, *patterns],
            ignore_patterns=["*/*"],  # subfolders are of other parts and programs
            endpoint=os.environ.get("HF_ENDPOINT") or None,
        )
    except errors.GatedRepoError:
        raise PermissionError(
            f"{escape(text)} needs a login: accept its terms on the hub, then run: hf auth login"
        ) from None
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError) as error:
        what = "revision" if isinstance(error, errors.RevisionNotFoundError) else "repository"
        raise FileNotFoundError(
            f"the Hugging Face hub has no {what} {escape(text)}; a private one needs: hf auth login"
        ) from None
    except errors.LocalEntryNotFoundError:
        raise ConnectionError(
            f"{escape(text)} is not here, and the hub cannot be reached: is this machine "
            "offline? HF_ENDPOINT names a mirror"
        ) from None
    except Exception as error:  # those of the package that it sends requests with, too
        first = next(iter(str(error).splitlines()), type(error).__name__)
        raise OSError(f"{escape(text)} cannot be downloaded: {escape(first)}") from None
    return Path(folder)
