"""One file a family of benchmarks."""
