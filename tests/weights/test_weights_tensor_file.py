"""Files of tensors: their hash, and the bytes that the same content gives."""

import hashlib

from jaxvis.weights.tensor_file import hash_file


def test_hash_file_is_the_hash_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc" * 100_000)
    wanted = hashlib.sha256(b"abc" * 100_000).hexdigest()
    assert hash_file(tmp_path / "a") == wanted
