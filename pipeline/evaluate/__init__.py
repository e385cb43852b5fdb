"""A method on a benchmark, beside the baselines."""
