"""What a benchmark is made of, in a few bytes: what an evaluation depends on in DVC."""

from pipeline.base.code import hash_of_code
from pipeline.benchmarks import sets
from pipeline.benchmarks.contract import Benchmark
from pipeline.benchmarks.digest import digest


def describe(name: str, benchmark: Benchmark) -> dict[str, str | int]:
    """The number of its samples, present and official, and the hashes of its samples, their ground
    truth and labels, and of the code of its family. Raises as reading the ground truth does."""
    return {
        "samples": len(benchmark.samples),
        "official": benchmark.official_count,
        "content": digest(benchmark),
        "code": hash_of_code(sets.family(name).__name__),
    }
