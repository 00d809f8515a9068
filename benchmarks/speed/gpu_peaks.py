"""How fast a GPU could be at most: the makers' figures for dense products, by device name."""

from benchmarks.harness.rows import Row

PEAKS = (
    # A name that says more comes before one that says less.
    ("H100 PCIe", {"float32": 51e12, "tf32": 378e12, "bfloat16": 756e12}),
    ("H100 NVL", {"float32": 60e12, "tf32": 417e12, "bfloat16": 835e12}),
    ("H200", {"float32": 67e12, "tf32": 495e12, "bfloat16": 989e12}),
    ("H100", {"float32": 67e12, "tf32": 495e12, "bfloat16": 989e12}),
    ("A100", {"float32": 19.5e12, "tf32": 156e12, "bfloat16": 312e12}),
)
"""Words in a device's name -> FLOP per second by precision, without sparsity.

Source: NVIDIA's data sheets of A100, H100 and H200."""


def find_peak(device: str, precision: str) -> float | None:
    """Finds the FLOP per second of a device at its best; None for one that is not known.

    Args:
      device: what JAX calls its kind, such as "NVIDIA H200".
      precision: "float32", "tf32" or "bfloat16".
    """
    found = (rates for words, rates in PEAKS if words in device)
    return next(found, {}).get(precision)


def describe_rate(flop: float, seconds: float, device: str, precision: str) -> Row:
    """Gives the facts of a row on how fast it was: FLOP per second, and the share of the peak.

    Args:
      flop: useful arithmetic.
      seconds: that it took.
      device: what JAX calls its kind.
      precision: of the products.
    """
    rate, peak = flop / seconds, find_peak(device, precision)
    share = None if peak is None else round(rate / peak, 4)
    of = "" if share is None else f", {100 * share:.1f} % of its peak"
    return {
        "precision": precision,
        "flop": flop,
        "flop_per_s": round(rate),
        "peak_flop_per_s": peak,
        "share_of_peak": share,
        "note": f"{rate / 1e12:.3g} TFLOP/s{of}",
    }
