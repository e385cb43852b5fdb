"""Anyone's maps and embeddings: read from files or arrays, scored, compared, taken apart.

They become one of the benchmarks that the pipeline itself is evaluated by, so their numbers are the
pipeline's. Reading (`files.py`) and the checks of arrays come before anything that imports torch,
so that a slip is told at once.
"""
