"""Where the stages put their outputs below data/: the same paths that dvc.yaml names."""

from pathlib import Path

DATA = Path("data")
WORK = DATA / "work"


def toy_folder(name: str) -> Path:
    """A toy corpus."""
    return DATA / "toys" / name


def decoded_folder(corpus: str) -> Path:
    """Frames and the clip table of a corpus."""
    return DATA / "decoded" / corpus


def spectrograms_folder(corpus: str, name: str) -> Path:
    """A corpus' spectrograms in the form of a method or a sound encoder."""
    return DATA / "spectrograms" / corpus / name


def embeddings_folder(corpus: str) -> Path:
    """Off-the-shelf features of a corpus."""
    return DATA / "embeddings" / corpus


def list_file(search: str) -> Path:
    """The clips of a training list that are trained on."""
    return DATA / "lists" / f"{search}.json"


def neighbours_folder(search: str) -> Path:
    """Neighbours among the clips of one training list."""
    return DATA / "neighbours" / search


def run_folder(folder: str) -> Path:
    """Weights and history of a run, '<search>/<method>-<run>-<seed>'."""
    return DATA / "runs" / folder


def watched_folder(folder: str) -> Path:
    """What was seen of a run while it was trained, '<search>/<method>-<run>-<seed>'; in no stage's
    outputs, and read by none."""
    return DATA / "watched" / folder


def tests_file(corpus: str) -> Path:
    """What the benchmarks on a corpus are made of."""
    return DATA / "tests" / f"{corpus}.json"


def results_folder(folder: str, corpus: str) -> Path:
    """Metrics and per-sample results of a run on the benchmarks of one corpus."""
    return DATA / "results" / folder / corpus


def published_weights() -> Path:
    """The methods' published weight files, by their names."""
    return DATA / "weights" / "published"


def localized_folder() -> Path:
    """Pictures of clips that somebody asked about."""
    return DATA / "localized"


def index_folder(folder: str, corpus: str) -> Path:
    """What a run says of every clip of a corpus."""
    return DATA / "results" / folder / "index" / corpus


def moving_folder(folder: str, toy: str) -> Path:
    """A run's scores at the moments of a toy's moving clips."""
    return DATA / "results" / folder / "moving" / toy
