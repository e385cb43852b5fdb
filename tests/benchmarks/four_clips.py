"""The four clips that the small annotation files are made of."""

CLIPS = ["-aaaaaaaaaa_000001", "bbbb_bbbbbb_000030", "ccccccccccc_000120", "ddddddddddd_000000"]
CLASSES = ["dog", "cat", "dog", "cat"]
BOXES = [
    [[0.0, 0.0, 0.5, 0.5]],
    [[0.5, 0.5, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0]],
    [[0.2, 0.2, 0.2, 0.9]],  # degenerate: no truth at all
    [[0.1, 0.1, 0.9, 0.9]],
]
