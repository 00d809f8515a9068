"""jaxvis weights get, jaxvis weights list, jaxvis convert: files of weights."""

import os
from pathlib import Path

import weights_convert
from jaxvis.nets.registry import NETS
from jaxvis.weights import load as files
from jaxvis.weights.file import read_labels
from jaxvis.weights.labels import find_duplicates
from weights_convert.torchvision_files import CAFFE_FILES, SOURCES, URL

MIRROR = "JAXVIS_WEIGHTS_URL"
"""Environment variable: where torchvision's files are, if not at PyTorch's host."""


def get(
    net: str,
    /,
    *,
    url: str | None = None,
    timeout: float = 30.0,
    keep: bool = False,
    overwrite: bool = False,
) -> None:
    """Downloads torchvision's weights of a network and converts them into the cache.

    The next call resumes a download that broke off. The file's sha256 must begin as its
    name says. Afterwards commands and `jaxvis.load` find the weights by themselves.
    For example: jaxvis weights get squeezenet1_1

    Args:
      net: what to get, as `jaxvis weights list` names it.
      url: the folder of a mirror; default $JAXVIS_WEIGHTS_URL, else PyTorch's host.
      timeout: seconds without a byte after which the download is given up.
      keep: keep torchvision's own file beside the converted one.
      overwrite: get it again even if it is there.

    Raises:
      ValueError: for a network that torchvision has no file of (says what to convert
        instead), a wrong sha256, or a file that does not fit.
      OSError: without a network, with a broken proxy, or when the server has no such
        file or stalls.
    """
    from weights_convert.download import fetch  # requests is slow to import

    source = SOURCES.get(net)
    if source is None:
        raise ValueError(_explain_absence(net))
    out = files.cache_path(net)
    if out.exists() and not overwrite:
        print(f"{out} is there already (--overwrite gets it again)")
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    base = url or os.environ.get(MIRROR) or URL
    downloaded = fetch(
        f"{base.rstrip('/')}/{source.file}",
        files.home() / "downloads" / source.file,
        sha256=source.sha256,
        timeout=timeout,
    )
    weights_convert.convert(
        [downloaded],
        net=source.net,
        out=out,
        preprocess=source.preprocess,
        stop=source.stop,
        overwrite=overwrite,
    )
    if not keep:
        downloaded.unlink()
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    if net != source.net:
        print(f"these are weights of {source.net}: use them with --weights {out}")


def show() -> None:
    """Lists the weights that can be downloaded, and which are here.

    Accuracies are torchvision's: top-1 and top-5 per cent on ImageNet's validation set.
    For example: jaxvis weights list
    """
    rows: list[tuple[str, ...]] = [("NAME", "NETWORK", "TOP-1", "TOP-5", "FILE", "HERE")]
    for name, source in SOURCES.items():
        path = files.cache_path(name)
        accuracies = (source.top1, source.top5)
        top = ("-" if value is None else f"{value:.1f}" for value in accuracies)
        here = str(path) if path.exists() else "-"
        rows.append((name, source.net, *top, source.file, here))
    for name in files.EMBEDDED:
        rows.append((name, name, "-", "-", "part of the package", "yes"))
    for name, file in CAFFE_FILES.items():
        path = files.cache_path(name)
        here = str(path) if path.exists() else "-"
        rows.append((name, name, "-", "-", f"convert {file}", here))
    widths = [max(map(len, column)) for column in zip(*rows)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths))
        print("  ".join(cells).rstrip())


def convert(
    inputs: tuple[Path, ...],
    /,
    *,
    net: str,
    out: Path | None = None,
    preprocess: str | None = None,
    stop: str | None = None,
    labels: Path | None = None,
    skip_first_label: bool = False,
    overwrite: bool = False,
) -> None:
    """Converts a checkpoint into a file that every command takes as --weights.

    For example: jaxvis convert bvlc_googlenet.caffemodel --net googlenet

    Args:
      inputs: the checkpoint's file or files: .pth, .safetensors, .npz, .h5,
        .caffemodel, .mat; several may make one network.
      net: the network's name, as `jaxvis layers` takes it.
      out: the .safetensors file to write, whole or not at all; default: where the
        network is looked for when no --weights is given.
      preprocess: what the checkpoint expects of its input: imagenet, caffe, caffe_vgg,
        amdegroot, unit, symmetric, or ORDER:MAXIMUM:MEAN:STD such as
        bgr:255:104,117,123:1,1,1; by default what goes with its names.
      stop: the last tap that is wanted, such as pool5; later layers are left out.
      labels: a file with one class label a line, by class index, or in JSON; one for
        each class.
      skip_first_label: leave out the first of them, such as "background".
      overwrite: replace the file if it exists.

    Raises:
      ValueError: for a damaged, refused or unknown file, for labels that are not one for
        each class, and for names and shapes that differ; nothing is written.
      OSError: if a file cannot be read or written, or exists already.
    """
    if out is None:
        out = files.cache_path(net)
        out.parent.mkdir(parents=True, exist_ok=True)
    weights_convert.convert(
        inputs,
        net=net,
        out=out,
        preprocess=preprocess,
        stop=stop,
        labels=labels,
        skip_first_label=skip_first_label,
        overwrite=overwrite,
    )
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    for label, classes in find_duplicates(read_labels(out)).items():
        print(f"classes {', '.join(map(str, classes))} are all called {label!r}")


def _explain_absence(net: str) -> str:
    """Returns why there is no file of a network to download, and what to do instead."""
    if net in files.EMBEDDED:
        return f"{net} is part of the package: there is nothing to get"
    if net in CAFFE_FILES:
        file = CAFFE_FILES[net]
        other = "torchvision has no file of it"
        if net == "googlenet":
            other = "torchvision's GoogLeNet is another network (batch norm, no LRN)"
        return (
            f"{net} is Caffe's; {other}. Convert Caffe's own file: "
            f"jaxvis convert {file} --net {net}"
        )
    if net in NETS:
        return f"there is no file to get for {net}: convert one, jaxvis convert --help"
    return f"there are no weights called {net!r}; there are {', '.join(SOURCES)}"
