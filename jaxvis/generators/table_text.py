"""A generator as a text table."""

from math import prod

from jaxvis.generators.deep import DeepGenerator


def generator_table(generator: DeepGenerator) -> str:
    """Returns the generator as a text table: a line for each row, and the total at the end.

    Args:
      generator: the generator.
    """
    shapes, spec = generator.shapes, generator.parameter_shapes()
    counts = {n: sum(map(prod, leaves.values())) for n, leaves in spec.items()}
    lines = [("name", "op", "shape", "parameters")]
    lines += [
        (
            row.name,
            row.op,
            "x".join(map(str, shapes[row.name])),
            f"{counts[row.name]:,}" if row.name in counts else "",
        )
        for row in generator.rows
    ]
    lines.append(("total", "", "", f"{sum(counts.values()):,}"))
    widths = [max(map(len, column)) for column in zip(*lines)]
    return "\n".join(
        "  ".join(
            [*(c.ljust(w) for c, w in zip(line, widths[:3])), line[3].rjust(widths[3])]
        ).rstrip()
        for line in lines
    )
