"""The four clips that the small annotation files are made of."""

CLIPS = ["-aaaaaaaaaa_000001", "bbbb_bbbbbb_000030", "ccccccccccc_000120", "ddddddddddd_000000"]
CLASSES = ["dog", "cat", "dog", "cat"]
BOXES = [
    [[0.0, 0.0, 0.5, 0.5]],
    [[0.5, 0.5, 1.0, 1.0], [0.0, 0.5, 0.5, 1.0]],
    [[0.2, 0.2, 0.2, 0.9]],  # degenerate: no truth at all
    [[0.1, 0.1, 0.9, 0.9]],
]
# A clip under each condition, and what is seen in it: class, whether it sounds, box.
CONDITIONED = {
    "laid-over": "eeeeeeeeeee_000001",
    "several": "fffffffffff_000001",
    "absent": "ggggggggggg_000001",
}
LEFT, RIGHT = [0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]
SEEN = {
    "laid-over": [("dog", True, LEFT), ("cat", False, RIGHT)],
    "several": [("dog", True, LEFT), ("cat", True, RIGHT)],
    "absent": [("dog", False, LEFT)],
}
