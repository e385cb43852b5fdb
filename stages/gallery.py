"""A page of what a run says of a corpus that nobody annotated."""

from pathlib import Path
from typing import Annotated, Any

import typer

from pipeline.base.files import atomic_file, map_npy, read_json, read_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import Study, all_studies
from pipeline.clips.decoded import DecodedCorpus
from pipeline.corpora.lists import read_clip_list
from pipeline.errors import InputError
from pipeline.execution.outputs import check_outputs
from pipeline.execution.summary import show_summary
from pipeline.report.own_gallery import Told, counts_of, gallery_page
from stages.known import known_corpus, known_run
from stages.paths import decoded_folder, index_folder, run_folder

COUNT = 120  # clips of a page


def gallery(
    run: Annotated[str, typer.Argument(help="A run below data/runs, '<search>/<run>'.")],
    corpus: Annotated[str, typer.Argument(help="A decoded corpus below data/decoded.")],
    out: Annotated[Path, typer.Option(help="Where the page goes, HTML.")] = Path("gallery.html"),
    count: Annotated[int, typer.Option(min=1, help="How many clips are shown at most.")] = COUNT,
    media: Annotated[
        Path | None, typer.Option(help="The corpus' media; by default its root in params.yaml.")
    ] = None,
) -> None:
    """Write a page of a corpus' clips, each with its map under its own sound, how sure it is and
    its sound, and of what could not be decoded.

    It shows what `avloc index` stored, or `dvc repro` of a study whose `index` names the corpus.
    Example: [bold]avloc gallery mine/alignment-full-0 mine[/bold]
    """
    folder = index_folder(known_run(run), known_corpus(corpus))
    root = media or _root(corpus)
    check_outputs([out], [folder, decoded_folder(corpus), run_folder(run), root])
    counts = write_gallery(run, corpus, root, out, count)
    show_summary(f"gallery of {corpus} by {run}", counts, out)
    typer.echo(str(out))


def write_gallery(run: str, corpus: str, media: Path, out: Path, count: int) -> dict[str, int]:
    """Write the page of a corpus by a run; how many of its clips are how sure."""
    folder = index_folder(run, corpus)
    if not (folder / "index.json").is_file():
        raise InputError(f"{folder}: not found; `avloc index {run} {corpus}` makes it")
    said = read_parquet(folder / "clips.parquet")
    decoded = DecodedCorpus(decoded_folder(corpus))
    rejects = read_parquet(decoded.folder / "rejects.parquet").to_pylist()
    counts = {**counts_of(said), "rejected": len(rejects)}
    facts = read_json(run_folder(run) / "run.json")
    told = _told(run, corpus, facts, counts)
    text = gallery_page(told, said, map_npy(folder / "maps.npy"), decoded, media, rejects, count)
    with atomic_file(out) as file:
        file.write(text.encode())
    return counts


def _told(run: str, corpus: str, facts: dict[str, Any], counts: dict[str, int]) -> Told:
    trained = len(read_clip_list(run_folder(run) / "training_clips.txt"))
    epochs = facts.get("recipe", {}).get("epochs")
    how = f"{epochs} epochs on {trained} clips" if epochs else f"{trained} clips"
    seen = "the corpus it was trained on" if facts.get("corpus") == corpus else "of another corpus"
    sentences = [
        f"{run} ({facts['method']}, {how}) was asked where in each clip of {corpus}, {seen}, its "
        "sound comes from. Nobody has said where it does, so nothing here is a score.",
        "A map is sure where its largest value is 0.1 or more above those of the same picture "
        "under silence and under noise, in which there is nothing to be found; not sure where it "
        "is not above them at all, and then it is drawn weaker. The ring is where it is largest. "
        "What the words are worth was measured on the toy alone (pipeline/predict/README.md).",
    ]
    if _is_toy(run):
        sentences.append(
            "This run stands on the toy's networks, which know drawn objects and made sounds and "
            "no real video: the page shows that everything runs, and seldom where it sounds."
        )
    numbers = {
        "clips": f"{sum(counts.values()) - counts['rejected']:,}",
        **{
            name: f"{count:,}"
            for name, count in counts.items()
            if count or name not in ("silent", "without a map")
        },
    }
    return Told(f"{corpus}, as {run} hears it", sentences, numbers)


def _is_toy(run: str) -> bool:
    """Whether a run is one of a study in the toy's world."""
    return any(
        study.settings == "toy" and run in study.trained()
        for study in all_studies(Parameters()).values()
    )


def _root(corpus: str) -> Path:
    """The corpus' folder in the active study, or in the first one that has it."""
    return Path(corpus_of(corpus).corpora[corpus].root)


def corpus_of(corpus: str) -> Study:
    """The first study, the active one before the others, that has a corpus. Raises `InputError`."""
    parameters = Parameters()
    for study in all_studies(parameters).values():
        if corpus in study.corpora:
            return study
    raise InputError(f"{parameters.path}: no study has a corpus {corpus!r}; --media says where")
