"""The command: `python -m weights_convert IN [IN...] --net NET --out FILE`."""

import sys
from pathlib import Path
from typing import Annotated

import tyro

from weights_convert.conversion import convert


def command(
    inputs: Annotated[tuple[Path, ...], tyro.conf.Positional],
    /,
    *,
    net: str,
    out: Path,
    preprocess: str | None = None,
    stop: str | None = None,
    labels: Path | None = None,
) -> None:
    """Converts a checkpoint into a file that every jaxvis command and function reads.

    Args:
      inputs: the checkpoint's file or files: .pth, .safetensors, .npz, .h5,
        .caffemodel, .mat; several may make one network.
      net: the network's name, as `jaxvis layers` lists them.
      out: the .safetensors file to write, whole or not at all.
      preprocess: what the checkpoint wants of its input: imagenet, caffe, caffe_vgg,
        amdegroot, unit, symmetric, or ORDER:MAXIMUM:MEAN:STD such as
        bgr:255:104,117,123:1,1,1; by default what goes with its names.
      stop: the last tap that is wanted, such as pool5; later layers are left out.
      labels: a text file with one class label a line, by class index.

    Raises:
      OSError: if a file cannot be read or written.
      ValueError: as `weights_convert.conversion.convert`, or without an input.
    """
    if not inputs:
        raise ValueError("name at least one checkpoint to convert")
    path = convert(inputs, net=net, out=out, preprocess=preprocess, stop=stop, labels=labels)
    print(f"{path} ({path.stat().st_size / 1e6:.1f} MB)")


def main(arguments: list[str] | None = None) -> int:
    """Runs the command; a bad file or flag is one message and exit status 2.

    Args:
      arguments: the command line behind the program's name; None takes the real one.

    Returns:
      int: the exit status, 0 or 2.
    """
    try:
        tyro.cli(command, prog="python -m weights_convert", args=arguments)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0
