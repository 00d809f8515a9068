"""Records of shards that carry the sha256 of themselves, so that any flipped byte is found."""

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

MARK = b', "sum": "'
"""Stands between what is summed up and the sum."""
SEAL = re.compile(MARK + rb'([0-9a-f]{64})"}\n\Z')


def seal_record(record: Mapping[str, Any]) -> bytes:
    """Encodes a record as the bytes of its file, with the sha256 of what stands before it.

    Args:
      record: JSON values; numbers are finite. It is not empty.

    >>> from jaxvis.sweep.seals import check_seal, seal_record
    >>> data = seal_record({"shard": "a"})
    >>> check_seal(data), check_seal(data.replace(b"a", b"b", 1))
    (True, False)
    """
    data = json.dumps(record, allow_nan=False).encode()[:-1]
    return data + MARK + hashlib.sha256(data).hexdigest().encode() + b'"}\n'


def check_seal(data: bytes) -> bool:
    """Says whether the bytes of a record are those that were written.

    Of a record without a sum, the layout is checked: that it is as a record is written.

    Args:
      data: the record's file.
    """
    if seal := SEAL.search(data):
        return hashlib.sha256(data[: seal.start()]).hexdigest().encode() == seal[1]
    try:
        found = json.loads(data)
        return list(found)[-1:] == ["files"] and (json.dumps(found) + "\n").encode() == data
    except (ValueError, TypeError, RecursionError):
        return False
