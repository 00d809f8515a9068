"""jaxvis weights get, jaxvis weights list, jaxvis convert: files of weights."""

from pathlib import Path

import weights_convert
from jaxvis.nets.network_file import is_network_file
from jaxvis.nets.registry import NETS, build
from jaxvis.weights.cache import EMBEDDED, cache_path, home
from jaxvis.weights.file import read_labels
from jaxvis.weights.labels import find_duplicates
from weights_convert.published import get_published
from weights_convert.torchvision_files import CAFFE_FILES, SOURCES


def get(
    net: str,
    /,
    *,
    url: str | None = None,
    timeout: float = 30.0,
    keep: bool = False,
    overwrite: bool = False,
) -> None:
    """Downloads published weights of a network and converts them into the cache.

    The next call resumes a download that broke off. The file must have the sha256 that
    torchvision says, or Keras' MD5. Afterwards commands and `jaxvis.load` find the weights
    by themselves. For example: jaxvis weights get squeezenet1_1

    Args:
      net: what to get, as `jaxvis weights list` names it.
      url: the folder of a mirror; default $JAXVIS_WEIGHTS_URL, else the publisher's own.
      timeout: seconds without a byte after which the download is given up.
      keep: keep the published file too.
      overwrite: get it again even if it is there.

    Raises:
      ValueError: for a network that has no published file (says what to convert
        instead), a wrong checksum, or a file that does not fit.
      OSError: without a network, with a broken proxy, or when the server has no such
        file or stalls.
    """
    if net not in SOURCES:
        raise ValueError(_explain_absence(net))
    source, out = SOURCES[net], cache_path(net)
    if out.exists() and not overwrite:
        print(f"{out} is there already (--overwrite gets it again)")
        return
    get_published(
        net,
        out,
        downloads=home() / "downloads",
        url=url,
        timeout=timeout,
        keep=keep,
        overwrite=overwrite,
    )
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    if net != source.net:
        print(f"these are weights of {source.net}: use them with --weights {source.tag}")


def show() -> None:
    """Lists the weights that can be downloaded, and which are here.

    Those that have a tag are also got when they are first wanted, by --weights TAG.
    Accuracies are torchvision's: top-1 and top-5 per cent on ImageNet's
    validation set. For example: jaxvis weights list
    """
    rows: list[tuple[str, ...]] = [("NAME", "NETWORK", "TAG", "TOP-1", "TOP-5", "FILE", "HERE")]
    for name, source in SOURCES.items():
        path = cache_path(name)
        accuracies = (source.top1, source.top5)
        top = ("-" if value is None else f"{value:.1f}" for value in accuracies)
        here = str(path) if path.exists() else "-"
        rows.append((name, source.net, source.tag, *top, source.file, here))
    for name in EMBEDDED:
        rows.append((name, name, "-", "-", "-", "part of the package", "yes"))
    for name, file in CAFFE_FILES.items():
        path = cache_path(name)
        here = str(path) if path.exists() else "-"
        rows.append((name, name, "-", "-", "-", f"convert {file}", here))
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
    part: str | None = None,
    labels: Path | None = None,
    skip_first_label: bool = False,
    overwrite: bool = False,
) -> None:
    """Converts a checkpoint into a file of your own.

    Commands convert what they are given as --weights by themselves, and keep it in the
    cache; this one is for a file to pass on, to convert in another way, or to name without
    --weights. For example: jaxvis convert bvlc_googlenet.caffemodel --net googlenet

    Args:
      inputs: the checkpoint's file or files: .pth, .pt, .ckpt, .bin, .safetensors, .npz,
        .h5, .keras, .caffemodel, .mat; several may make one network; or a folder as
        Hugging Face's programs write it.
      net: the network's name, as `jaxvis layers` takes it, or a file that describes one.
      out: the .safetensors file to write, whole or not at all; default: where the
        network is looked for when no --weights is given.
      preprocess: what the checkpoint expects of its input: imagenet, caffe, caffe_vgg,
        amdegroot, unit, symmetric, or ORDER:MAXIMUM:MEAN:STD such as
        bgr:255:104,117,123:1,1,1; by default what goes with its names.
      stop: the last tap that is wanted, such as pool5; later layers are left out.
      part: which of several sets of weights in the file is wanted, by a word of its
        prefix, such as ema.
      labels: a file with one class label a line, by class index, or in JSON; one for
        each class.
      skip_first_label: leave out the first of them, such as "background".
      overwrite: replace the file if it exists.

    Raises:
      ValueError: for a damaged, refused or unknown file, for labels that are not one for
        each class, and for names and shapes that differ; nothing is written.
      OSError: if a file cannot be read or written, or exists already.
    """
    build(net)  # its name is checked before any file is read
    if out is None and is_network_file(net):
        raise ValueError(
            f"name the file to write, --out FILE.safetensors: {net} has none of its own"
        )
    if out is None:
        out = cache_path(net)
        out.parent.mkdir(parents=True, exist_ok=True)
    weights_convert.convert(
        inputs,
        net=net,
        out=out,
        preprocess=preprocess,
        stop=stop,
        part=part,
        labels=labels,
        skip_first_label=skip_first_label,
        overwrite=overwrite,
    )
    print(f"{out} ({out.stat().st_size / 1e6:.1f} MB)")
    for label, classes in find_duplicates(read_labels(out)).items():
        print(f"classes {', '.join(map(str, classes))} are all called {label!r}")


def _explain_absence(net: str) -> str:
    """Returns why there is no file of a network to download, and what to do instead."""
    if net in EMBEDDED:
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
