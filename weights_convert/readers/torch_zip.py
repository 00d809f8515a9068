"""torch.save's container since torch 1.6: a zip of one pickle and one entry a storage.

Entries are stored, not compressed: `NAME/data.pkl`, `NAME/byteorder`, `NAME/data/0`...
"""

import io
import zipfile
from pathlib import Path

from weights_convert.checkpoint import (
    DAMAGE,
    LIMIT,
    Checkpoint,
    damaged,
    mapped,
    truncated,
    unpack,
)
from weights_convert.readers import pickles, torch_state

PICKLE = "data.pkl"
LOCAL_HEADER = 30
"""Bytes of a zip entry's own header, before its name."""


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .pth file in torch's zip container.

    Args:
      path: the file.

    Raises:
      ValueError: if it is damaged, compressed, a TorchScript program, or asks for code.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = {info.filename: info for info in archive.infolist()}
            folder = _folder(members, path)
            order = members.get(f"{folder}byteorder")
            if order is not None and _bytes(archive, order, path) != b"little":
                raise ValueError(f"{path} was written on a big-endian machine")
            pickle = _bytes(archive, members[f"{folder}{PICKLE}"], path)
    except DAMAGE as error:
        raise damaged(path, error) from None
    tree = pickles.load(io.BytesIO(pickle), path)
    data = f"{folder}data/"
    places = {
        name.removeprefix(data): _place(info, path)
        for name, info in members.items()
        if name.startswith(data)
    }
    return torch_state.checkpoint(tree, places, path)


def _folder(members: dict[str, zipfile.ZipInfo], path: Path) -> str:
    """Returns the folder that everything in the archive is in, with its slash."""
    pickle = next((name for name in members if name.endswith(PICKLE)), None)
    if pickle is None:
        raise ValueError(f"{path} is a zip file, but neither torch's nor NumPy's")
    folder = pickle.removesuffix(PICKLE)
    if f"{folder}constants.pkl" in members:
        raise ValueError(f"{path} is a TorchScript program; save model.state_dict() instead")
    return folder


def _bytes(archive: zipfile.ZipFile, info: zipfile.ZipInfo, path: Path) -> bytes:
    if info.file_size > LIMIT:
        raise ValueError(
            f"{path}: {info.filename} claims {info.file_size} bytes, too many for the "
            "description of a checkpoint"
        )
    return archive.read(info)


def _place(info: zipfile.ZipInfo, path: Path) -> torch_state.Place:
    """Returns where a stored entry's data are."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(
            f"{path}: {info.filename} is compressed, which torch never does; save again"
        )
    data = mapped(path)
    name, extra = unpack("<HH", data, info.header_offset + LOCAL_HEADER - 4, path)
    start = info.header_offset + LOCAL_HEADER + name + extra
    if start + info.file_size > len(data):
        raise truncated(path, start + info.file_size, len(data))
    return torch_state.Place(start, info.file_size)
