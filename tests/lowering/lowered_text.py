"""What stands in the text of a lowered program (StableHLO): its products, and its faults."""

import re
from typing import NamedTuple

WINOGRAD = ("convolve_by_winograd", 'inlineable = "false"')
"""What tells a program with Winograd's algorithm: the name of the function, in the places in
the source that the text gives, and the mark of a program that is compiled by itself."""

FAULTS = {
    "Winograd's algorithm": "|".join(map(re.escape, WINOGRAD)),
    "a call out of the program": r"\bcustom_call\b",
    "a transfer": r"stablehlo\.(infeed|outfeed|send|recv)\b",
    "float64": r"f64>|tensor<f64\b",
    "a wait for other devices": (
        r"stablehlo\.(all_gather|all_reduce|all_to_all|reduce_scatter|collective_\w+"
        r"|partition_id|replica_id)\b"
    ),
    "a grouped convolution": r"(feature|batch)_group_count = (?!1 )\d+",
}
"""What no program for an accelerator has -> how its text looks."""

NHWC = "[b, 0, 1, f]"


class Product(NamedTuple):
    """A convolution or a matrix product of a program.

    Attributes:
      op: "convolution" or "dot_general".
      axes: what its axes are: "[b, 0, 1, f]x[0, 1, i, o]->[b, 0, 1, f]" of a convolution, and
        "batching [0] x [0]" of a matrix product of several together.
      precisions: what is asked for, for both operands.
      shapes: of both operands and the result.
      types: the same three, such as "f32".
    """

    op: str
    axes: str
    precisions: tuple[str, str]
    shapes: tuple[tuple[int, ...], ...]
    types: tuple[str, ...]


def find_faults(text: str) -> list[str]:
    """Finds what a program for an accelerator must not have."""
    found = [name for name, pattern in FAULTS.items() if re.search(pattern, text)]
    return found + ["a choice of platforms"] * bool(find_choices(text))


def find_choices(text: str) -> list[str]:
    """Finds the choices between programs that are left to the compiler, by their results.

    JAX leaves the number of the way that fits, and that way alone.
    """
    pattern = r'^( *)(?:%\S+ = )?"stablehlo\.case".*?^\1}\) : \(tensor<i32>\) -> ([^\n]*)'
    cases = re.finditer(pattern, text, re.MULTILINE | re.DOTALL)
    found = [(re.findall(rf"^{one[1]}}}, {{", one[0], re.MULTILINE), one[2]) for one in cases]
    return [result for ways, result in found if ways and not result.startswith("tensor<i32> loc")]


def find_products(text: str) -> list[Product]:
    """Finds the convolutions and matrix products of a program, in its order."""
    found = []
    for line in text.splitlines():
        op = re.search(r"stablehlo\.(convolution|dot_general)\b", line)
        if op is None:
            continue
        axes = re.search(r"dim_numbers = (.*?), window", line) or re.search(
            r"(batching)_dims = (.*?\]) *, contracting", line
        )
        shapes, types = zip(*(_read_type(one) for one in re.findall(r"tensor<([^>]*)>", line)))
        words = re.findall(r"precision (\w+)>", line) or re.findall(
            r"precision = \[(\w+), (\w+)\]", line
        )
        first, second = words if len(words) == 2 else words[0]
        written = "" if axes is None else " ".join(axes.groups())
        found.append(Product(op[1], written, (first, second), shapes, types))
    return found


def _read_type(words: str) -> tuple[tuple[int, ...], str]:
    *sides, kind = words.split("x")
    return tuple(map(int, sides)), kind


def count_loops(text: str) -> int:
    """Counts the loops of a program, one inside the other included."""
    return len(re.findall(r"stablehlo\.while\b", text))


def find_arguments(text: str) -> dict[str, str]:
    """Finds the program's arguments by the names that they have in Python -> their marks."""
    head = re.search(r"func\.func public @main\((.*?)\) -> ", text, re.DOTALL)[1]
    parts = re.split(r", (?=%arg\d+: )", head)
    return {re.search(r'loc\("(.*?)"\)', part)[1]: part for part in parts}


def is_reused(marks: str) -> bool:
    """Says whether the memory of an argument is given to the program, for its results."""
    return "tf.aliasing_output" in marks or "jax.buffer_donor = true" in marks
