"""torch.save's container since torch 1.6: a zip of one pickle and one entry a storage.

Entries are stored, not compressed: `NAME/data.pkl`, `NAME/byteorder`, `NAME/data/0`...
"""

import io
import zipfile
from pathlib import Path

from jaxvis.escape import escape
from weights_convert.checkpoint import Checkpoint, CheckpointError
from weights_convert.readers import pickles, torch_state
from weights_convert.readers.archive import locate_entry, open_archive, read_entry

PICKLE = "data.pkl"


def read(path: Path) -> Checkpoint:
    """Returns the tensors of a .pth file in torch's zip container.

    Args:
      path: the file.

    Raises:
      CheckpointError: if it is damaged, compressed, a TorchScript program, or holds no
        tensors. The tensors raise it too, if a checksum is wrong.
    """
    with open_archive(path) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        folder = _find_folder(entries)
        pickle = entries[f"{folder}{PICKLE}"]
        if not pickle.CRC and pickle.file_size:
            raise CheckpointError(
                "has no checksums: save it again without torch.serialization.set_crc32_options"
            )
        order = entries.get(f"{folder}byteorder")
        if order is not None and read_entry(archive, order) != b"little":
            raise CheckpointError("was written on a big-endian machine")
        leaves = torch_state.list_tensors(pickles.load(io.BytesIO(read_entry(archive, pickle))))
    data = f"{folder}data/"
    places = {
        name.removeprefix(data): _locate(entry, path)
        for name, entry in entries.items()
        if name.startswith(data)
    }
    return torch_state.make_checkpoint(leaves, places, path)


def _find_folder(entries: dict[str, zipfile.ZipInfo]) -> str:
    """Returns the folder that everything in the archive is in, with its slash."""
    pickle = next((name for name in entries if name.endswith(PICKLE)), None)
    if pickle is None:
        raise CheckpointError("is a zip file, but neither torch's nor NumPy's")
    folder = pickle.removesuffix(PICKLE)
    if f"{folder}constants.pkl" in entries:
        raise CheckpointError("is a TorchScript program; save model.state_dict() instead")
    return folder


def _locate(entry: zipfile.ZipInfo, path: Path) -> torch_state.Place:
    """Returns where the numbers of a stored entry are."""
    if entry.compress_type != zipfile.ZIP_STORED:
        raise CheckpointError(
            f"has {escape(entry.filename)} compressed, which torch never does; save it again"
        )
    return torch_state.Place(locate_entry(path, entry), entry.file_size, entry.CRC)
