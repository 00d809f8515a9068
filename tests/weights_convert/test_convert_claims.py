"""Files that claim more than they have are refused without allocating it."""

import io
import struct
import zipfile
import zlib

import checkpoint_writers as write
import numpy as np
import pytest
from test_convert_bad_files import net_state_flat, refuses

HUGE = 10 * 10**9


def test_zip_storage_that_claims_too_much_is_refused(tmp_path, frugal):
    path = tmp_path / "net.pth"
    shape, array = (50_000, 50_000), np.zeros(6, np.float32)
    body = b"\x80\x02}" + write._text("conv1.weight")
    body += write.tensor_pickle("0", array, shape=shape, numel=2_500_000_000) + b"s."
    write.write_torch_zip(path, {"conv1.weight": array}, pickle=body)
    refuses(path, "claims 10000000000 bytes, the file has 24")


def test_zip_directory_that_claims_too_much_is_refused(tmp_path, frugal):
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, net_state_flat()[2])
    body = bytearray(path.read_bytes())
    at = body.index(b"PK\x01\x02", body.index(b"PK\x01\x02") + 100)
    body[at + 20 : at + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    path.write_bytes(bytes(body))
    refuses(path, "claims 40000.* bytes, the file has")


def test_zip_pickle_that_inflates_without_end_is_refused(tmp_path, frugal):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open("net/data.pkl", "w") as entry:
            for _ in range(80):
                entry.write(bytes(1 << 20))
    refuses(path, "too many for the description")


def test_compressed_storages_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    write.write_torch_zip(path, net_state_flat()[2], compression=zipfile.ZIP_DEFLATED)
    refuses(path, "has net/data/0 compressed, which torch never does")


def test_other_zip_files_and_programs_are_refused(tmp_path):
    path = tmp_path / "net.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refuses(path, "neither torch's nor NumPy's")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("net/data.pkl", b"")
        archive.writestr("net/constants.pkl", b"")
    refuses(path, "TorchScript")


@pytest.mark.parametrize("count", [2_500_000_000, -1, 2**62])
def test_stream_storage_that_claims_too_much_is_refused(tmp_path, frugal, count):
    path = tmp_path / "net.pth"
    array = np.zeros(6, np.float32)
    write.write_torch_stream(path, {"conv1.weight": array})
    body = path.read_bytes()
    path.write_bytes(body[:-32] + struct.pack("<q", count) + body[-24:])
    refuses(path, "truncated or damaged|is damaged")


def test_safetensors_that_claim_too_much_are_refused(tmp_path, frugal):
    path = tmp_path / "net.safetensors"
    path.write_bytes(struct.pack("<Q", HUGE) + b"{}" + bytes(100))
    refuses(path, "header claims 10000000000 bytes, the file has 110")
    header = b'{"conv1.weight":{"dtype":"F32","shape":[50000,50000],'
    header += b'"data_offsets":[0,10000000000]}}'
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(100))
    refuses(path, "damaged or truncated")


def _huge_npy():
    out = io.BytesIO()
    shape = {"descr": "<f4", "fortran_order": False, "shape": (50_000, 50_000)}
    np.lib.format.write_array_header_1_0(out, shape)
    return out.getvalue() + bytes(100)


def test_npz_arrays_that_claim_too_much_are_refused(tmp_path, frugal):
    path = tmp_path / "net.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("conv1/weight.npy", _huge_npy())
    refuses(path, r"claims 10000000128 bytes \(50000, 50000\)")
    body = bytearray(path.read_bytes())
    at = body.index(b"PK\x01\x02")
    body[at + 20 : at + 28] = struct.pack("<II", 4_000_000_000, 4_000_000_000)
    path.write_bytes(bytes(body))
    refuses(path, "truncated or damaged")


def test_npz_with_python_objects_is_refused(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, **{"conv1/weight": np.array([{}], object)})
    refuses(path, "holds Python objects in conv1/weight.npy, which may run code: refused")


def test_honest_but_huge_arrays_are_refused_before_they_are_read(tmp_path, frugal):
    h5py = pytest.importorskip("h5py")
    path = tmp_path / "net.h5"
    with h5py.File(path, "w") as file:
        file.create_dataset("conv1/kernel:0", (50_000, 50_000), "f4", chunks=(100, 100))
    refuses(path, r"misshaped conv1/kernel: \(50000, 50000\) in the file")


def test_caffemodels_that_claim_too_much_are_refused(tmp_path, frugal):
    path = tmp_path / "net.caffemodel"
    path.write_bytes(write.field(1, b"net") + write.varint(802) + write.varint(HUGE))
    refuses(path, "claims 100000000.. bytes, the file has")
    sizes = write.field(7, write.field(1, write.varint(50_000) * 2))
    body = write.field(1, b"conv1") + write.field(7, sizes + write.field(5, bytes(8)))
    path.write_bytes(write.field(100, body))
    refuses(path, r"a blob \(50000, 50000\) with 2 numbers")


@pytest.mark.parametrize("compressed", [False, True])
def test_matlab_elements_that_claim_too_much_are_refused(tmp_path, frugal, compressed):
    from scipy.io import savemat

    path = tmp_path / "net.mat"
    savemat(path, {"layers": np.arange(40.0)})
    body = path.read_bytes()
    at = body.index(struct.pack("<II", 9, 320))
    inner = body[128:at] + struct.pack("<II", 9, 4_000_000_000) + body[at + 8 :]
    if compressed:
        packed = zlib.compress(inner)
        inner = struct.pack("<II", 15, len(packed)) + packed
    path.write_bytes(body[:128] + inner)
    refuses(path, "claims 4000000000 bytes")
