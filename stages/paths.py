"""Where the stages put their outputs below data/: the same paths that dvc.yaml names."""

from pathlib import Path

DATA = Path("data")
WORK = DATA / "work"


def toy_folder(name: str) -> Path:
    """A made toy corpus."""
    return DATA / "toys" / name


def decoded_folder(corpus: str) -> Path:
    """Frames, spectrograms and the clip table of a corpus."""
    return DATA / "decoded" / corpus


def encoders_folder(toy: str) -> Path:
    """The weight files of a toy's labelled encoders."""
    return DATA / "encoders" / toy


def embeddings_folder(name: str) -> Path:
    """Off-the-shelf features of a corpus."""
    return DATA / "embeddings" / name


def neighbours_folder(search: str) -> Path:
    """Neighbours among the clips of one training list."""
    return DATA / "neighbours" / search


def run_folder(run: str) -> Path:
    """Weights and history of a training run."""
    return DATA / "runs" / run


def results_folder(evaluation: str) -> Path:
    """Metrics and per-sample results of one run on one benchmark."""
    return DATA / "results" / evaluation
