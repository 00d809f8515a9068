"""The processor's name and vector unit, and XLA's limit of it."""

import pytest

from jaxvis import processor
from jaxvis.processor import find_limit, find_processor, find_used_processor


@pytest.fixture
def machine(monkeypatch, tmp_path):
    """Returns a function that makes a text what the system says of its processor."""

    def pretend(text):
        (tmp_path / "cpuinfo").write_text(text)
        monkeypatch.setattr(processor, "CPUINFO", tmp_path / "cpuinfo")

    return pretend


@pytest.mark.parametrize(
    ("flags", "unit"), [("avx avx2 avx512f", "avx512f"), ("sse avx2 avx", "avx2"), ("sse", "")]
)
def test_the_name_and_the_widest_unit_are_found(machine, flags, unit):
    machine(f"processor\t: 0\nmodel name\t: A Processor \nflags\t\t: {flags}\n")
    assert find_processor() == ("A Processor", unit)


@pytest.mark.parametrize(
    ("flags", "unit"),
    [
        ("", "avx512f"),
        ("--xla_a=1 --xla_cpu_max_isa=AVX2", "avx2"),
        ("--xla_cpu_max_isa=AVX2 --xla_cpu_max_isa=AVX", "avx"),
        ("--xla_cpu_max_isa=SSE4_2", ""),
        ("--xla_cpu_max_isa=AVX512_VNNI", "avx512f"),
    ],
)
def test_flags_limit_the_unit(machine, monkeypatch, flags, unit):
    machine("model name: A Processor\nflags: avx avx2 avx512f\n")
    monkeypatch.setenv("XLA_FLAGS", flags)
    assert find_used_processor() == ("A Processor", unit)


def test_a_limit_above_the_widest_unit_limits_nothing(machine, monkeypatch):
    machine("model name: A Processor\nflags: avx\n")
    monkeypatch.setenv("XLA_FLAGS", "--xla_cpu_max_isa=AVX2")
    assert find_used_processor() == ("A Processor", "avx")
    assert find_limit({}) is None


def test_a_system_that_says_nothing_has_a_name_all_the_same(monkeypatch, tmp_path):
    monkeypatch.setattr(processor, "CPUINFO", tmp_path / "gone")
    assert find_processor().name and find_processor().unit == ""
