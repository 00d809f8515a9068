"""Mutations of files: of their bytes, and of what is inside a container that stays whole.

Every mutation is a function `(rng, data) -> bytes`. Containers with checksums are taken
apart, changed inside and put together again, since a reader stops early at a wrong sum.
"""

import io
import json
import pickletools
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable

Mutation = Callable[[random.Random, bytes], bytes]

NUMBERS = (0, 1, 2, 3, 4, 7, 8, 16, 64, 127, 128, 255, 256, 1000, 4096, 32767, 32768, 65535)
LARGE = (65536, 2**20, 2**24, 2**30, 2**31 - 1, 2**31, 2**32 - 1, 2**40, 2**62, 2**63, 2**64 - 1)
WIDTHS = {1: "B", 2: "H", 4: "I", 8: "Q"}
TOKENS = (
    *("null", "true", "0", "-1", "1e999", "NaN", "-Infinity", "1.5", "[]", "{}", '""', '"x"'),
    *('"\\u001b[31m"', '"\\ud800"', "9" * 40, "9" * 5000, "[" * 3000, '{"a":' * 3000, '"F8_E4M3"'),
    *("18446744073709551616", '{"schema": 1}', "[[1, 2], 3]", '"' + "long " * 100 + '"'),
)
NPY_TOKENS = ("3L", "'<U9'", "'O'", "'<c16'", "'V8'", "None", "-1", "(2,)", "--", "[", "lambda: 0")
"""What is put into the header of a .npy file, which is a literal of Python's."""


def mutate_bytes(rng: random.Random, data: bytes) -> bytes:
    """Changes a few bytes, fields or pieces, or cuts the end off."""
    body = bytearray(data)
    for _ in range(rng.choice((1, 1, 1, 2, 3, 5))):
        body = rng.choice(EDITS)(rng, body)
    return bytes(body)


def _flip_bit(rng, body):
    if body:
        body[rng.randrange(len(body))] ^= 1 << rng.randrange(8)
    return body


def _set_byte(rng, body):
    if body:
        body[rng.randrange(len(body))] = rng.choice((0, 1, 0x7F, 0x80, 0xFF, rng.randrange(256)))
    return body


def _set_field(rng, body):
    width = rng.choice(tuple(WIDTHS))
    if len(body) < width:
        return body
    at = rng.randrange(len(body) - width + 1)
    order = rng.choice("<>")
    (old,) = struct.unpack(order + WIDTHS[width], body[at : at + width])
    new = rng.choice((rng.choice(NUMBERS), rng.choice(LARGE), old + 1, old - 1, old * 2, -old))
    body[at : at + width] = struct.pack(order + WIDTHS[width], new % 2 ** (8 * width))
    return body


def _cut(rng, body):
    return body[: rng.randrange(len(body) + 1)]


def _remove(rng, body):
    start, end = _choose_piece(rng, body)
    del body[start:end]
    return body


def _repeat(rng, body):
    start, end = _choose_piece(rng, body)
    body[end:end] = body[start:end] * rng.choice((1, 1, 2, 50))
    return body


def _move(rng, body):
    start, end = _choose_piece(rng, body)
    piece = body[start:end]
    at = rng.randrange(len(body) + 1)
    if rng.random() < 0.5:
        body[at : at + len(piece)] = piece
    else:
        body[at:at] = piece
    return body


def _scramble(rng, body):
    start, end = _choose_piece(rng, body)
    body[start:end] = rng.randbytes(end - start)
    return body


def _choose_piece(rng, body):
    start = rng.randrange(len(body) + 1)
    return start, min(len(body), start + rng.choice((1, 2, 4, 8, 16, 64, 256)))


EDITS = (_flip_bit, _flip_bit, _set_byte, _set_field, _set_field, _cut, _remove, _repeat, _move)
EDITS = (*EDITS, _scramble)


def splice(rng: random.Random, data: bytes, other: bytes) -> bytes:
    """Joins the start of a file and the end of another."""
    return data[: rng.randrange(len(data) + 1)] + other[rng.randrange(len(other) + 1) :]


# --- inside containers -------------------------------------------------------------


def mutate_zip(rng: random.Random, data: bytes) -> bytes:
    """Changes an entry, and writes its checksum anew."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = [(entry, archive.read(entry)) for entry in archive.infolist()]
    # The first entry of a file of torch is the pickle.
    chosen = rng.randrange(len(entries)) if rng.random() < 0.5 else 0
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i, (entry, content) in enumerate(entries):
            name = entry.filename
            if i == chosen:
                inside = mutate_npy if name.endswith(".npy") else mutate_pickle
                content = rng.choice((mutate_bytes, inside))(rng, content)
                if rng.random() < 0.1:
                    name = rng.choice(("../" * 9 + name, "\x1b[31m" + name, "a" * 999, "/" + name))
            info = zipfile.ZipInfo(name)
            info.compress_type = entry.compress_type
            archive.writestr(info, content)
    return out.getvalue()


def mutate_npy(rng: random.Random, data: bytes) -> bytes:
    """Changes the header of a .npy file, whose length is written anew."""
    if data[:6] != b"\x93NUMPY" or len(data) < 10:
        return mutate_bytes(rng, data)
    (length,) = struct.unpack("<H", data[8:10])
    header = data[10 : 10 + length].decode("latin-1")
    parts = re.split(r"([\w'<>|]+)", header)
    parts[rng.randrange(len(parts))] = rng.choice((*NPY_TOKENS, "(" * 200, "9" * 300, ""))
    header = "".join(parts).encode("latin-1")
    return data[:8] + struct.pack("<H", len(header)) + header + data[10 + length :]


def mutate_pickle(rng: random.Random, data: bytes) -> bytes:
    """Removes, repeats, moves or changes whole instructions."""
    try:
        starts = [at for _, _, at in pickletools.genops(data)]
    except ValueError:
        return mutate_bytes(rng, data)
    end = data.index(b".", starts[-1]) + 1
    parts = [data[a:b] for a, b in zip(starts, [*starts[1:], end])]
    for _ in range(rng.choice((1, 1, 2, 4))):
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        match rng.randrange(5):
            case 0:
                parts[at] = b""
            case 1:
                parts.insert(at, parts[other])
            case 2:
                parts[at], parts[other] = parts[other], parts[at]
            case 3:
                parts[at] = rng.choice(
                    (b"]", b"}", b")", b"N", b"\x88", b"(", b"K\x05", b"0", b"2")
                )
            case 4:
                parts[at] = mutate_bytes(rng, parts[at])
    return b"".join(parts) + data[end:]


def mutate_json(rng: random.Random, data: bytes) -> bytes:
    """Puts other values, or removes or repeats tokens of a JSON text."""
    parts = re.findall(rb'"(?:[^"\\]|\\.)*"|[\w.+-]+|[^\w"]|"', data) or [b"x"]
    for _ in range(rng.choice((1, 1, 2, 3))):
        at, other = rng.randrange(len(parts)), rng.randrange(len(parts))
        choice = rng.randrange(4)
        if choice < 2:
            parts[at] = rng.choice(TOKENS).encode()
        else:
            parts[at] = parts[other] if choice == 2 else b""
    return b"".join(parts)


def mutate_safetensors(rng: random.Random, data: bytes) -> bytes:
    """Changes the header of a .safetensors file, whose length is written anew."""
    (length,) = struct.unpack("<Q", data[:8])
    header, rest = data[8 : 8 + length], data[8 + length :]
    if b"__metadata__" in header and rng.random() < 0.5:
        return _mutate_metadata(rng, header, rest)
    header = rng.choice((mutate_json, mutate_json, mutate_bytes))(rng, header)
    return struct.pack("<Q", len(header)) + header + rest


def _mutate_metadata(rng, header, rest):
    tree = json.loads(header)
    texts = tree["__metadata__"]
    if rng.random() < 0.8:
        texts.pop("crc32", None)  # or nothing behind the check of the sum would be reached
    name = rng.choice(sorted(texts) or ["net"])
    if rng.random() < 0.1:
        texts.pop(name, None)
    else:
        changed = mutate_json(rng, texts.get(name, "").encode()).decode("utf-8", "replace")
        texts[name] = rng.choice((changed, rng.choice(TOKENS)))
    header = json.dumps(tree).encode()
    return struct.pack("<Q", len(header)) + header + rest


def mutate_png(rng: random.Random, data: bytes) -> bytes:
    """Changes, repeats, removes or swaps chunks, and writes their checksums anew."""
    chunks, at = [], 8
    while at + 12 <= len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + length]))
        at += 12 + length
    for _ in range(rng.choice((1, 1, 2))):
        i, j = rng.randrange(len(chunks)), rng.randrange(len(chunks))
        kind, content = chunks[i]
        match rng.randrange(5):
            case 0 | 1:
                chunks[i] = kind, mutate_bytes(rng, content)
            case 2:
                chunks.insert(i, chunks[j])
            case 3:
                chunks[i], chunks[j] = chunks[j], chunks[i]
            case 4:
                kinds = (b"PLTE", b"tRNS", b"zTXt", b"iCCP", b"acTL", b"eXIf", b"IEND", b"gAMA")
                chunks[i] = rng.choice(kinds), content
    return data[:8] + b"".join(
        struct.pack(">I", len(content))
        + kind
        + content
        + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in chunks
    )


def mutate_mat(rng: random.Random, data: bytes) -> bytes:
    """Changes the inside of the compressed elements of a MATLAB 5 file."""
    out, at = data[:128], 128
    while at + 8 <= len(data):
        kind, size = struct.unpack("<II", data[at : at + 8])
        content = data[at + 8 : at + 8 + size]
        if kind == 15:
            inside = zlib.decompress(content)
            content = zlib.compress(mutate_bytes(rng, inside) if rng.random() < 0.7 else inside)
        out += struct.pack("<II", kind, len(content)) + content
        at += 8 + size
    return out
