"""Which sample of a benchmark an id of anyone's names."""

from collections.abc import Container

from pipeline.corpora.names import clip_id_of


def sample_id_of(text: str, known: Container[str]) -> str:
    """The sample that an id of a file names: itself where it is `known`, else its clips in their
    canonical spelling. An extended set's negative is `<frame>+<sound>`, any other id a clip's."""
    return text if text in known else "+".join(clip_id_of(part) for part in text.split("+"))
