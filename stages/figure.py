"""Figures 3, 4 and 5 of the paper, of one's own runs and of anyone's maps."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from PIL import Image

from pipeline.base.files import atomic_file, map_npy, read_parquet
from pipeline.base.params import Parameters
from pipeline.base.study import Evaluated, find_evaluated
from pipeline.benchmarks import NOISE, SILENCE, Benchmark, open_benchmark
from pipeline.benchmarks.metrics.heatmaps import object_guided, resize_maps
from pipeline.benchmarks.seen import as_seen
from pipeline.benchmarks.tasks import ScenesBenchmark
from pipeline.clips.decoded import DecodedCorpus
from pipeline.clips.sound_form import SoundForm
from pipeline.encoders.imagenet import load_image_encoder
from pipeline.errors import InputError
from pipeline.evaluate.settings import Evaluate
from pipeline.execution.checkpoints import CHECKPOINTS, given_weights
from pipeline.execution.outputs import check_ending, check_outputs
from pipeline.methods.common.files import load_weights, method_in, open_weights
from pipeline.methods.common.sections import method_settings
from pipeline.methods.contract import Method, method_name
from pipeline.networks.weights import SUFFIXES
from pipeline.predict.media import PALEST
from pipeline.predict.moving import INTERVAL, localize_stored, stored_seconds
from pipeline.predict.predictor import Predictor, synthetic_sounds
from pipeline.predict.sureness import strength, sureness
from pipeline.report.answers import clip_sound, media_called
from pipeline.report.anyones.files import read_maps
from pipeline.report.clips import Clips
from pipeline.report.interactive import InteractiveScene, SoundChoice, interactive_page
from pipeline.report.players import SECONDS, picture_uri
from pipeline.report.rows import Row, draw_rows
from pipeline.report.samples import (
    choose_images,
    choose_samples,
    column,
    maps_of,
    sound_label,
)
from pipeline.report.scenes import draw_benchmark_scenes, stored_maps
from stages.paths import (
    decoded_folder,
    published_weights,
    results_folder,
    run_folder,
    spectrograms_folder,
)


class Kind(StrEnum):
    """Figure 3, 4 or 5, or the front page's picture."""

    localization = "localization"
    ogl = "ogl"
    sounds = "sounds"
    scenes = "scenes"


@dataclass(frozen=True)
class _Source:
    """A row as the user named it: its label, and an evaluation, a file of maps, or a method's
    weights and its name, as far as that is known."""

    label: str
    name: str
    item: Evaluated | None
    weights: Path | None = None
    method: str | None = None

    @property
    def read(self) -> list[Path]:
        """The file or the folders that its maps come from."""
        if self.item is None:
            return [self.weights or Path(self.name)]
        folder = self.item.folder
        return [results_folder(folder, self.item.corpus), run_folder(folder)]


def figure(
    kind: Annotated[
        Kind,
        typer.Argument(
            help="localization (Figure 3), ogl: without and with object guidance (4), sounds: one "
            "frame under several sounds (5), or scenes: the toy's, as on the front page, PNG alone."
        ),
    ],
    rows: Annotated[
        list[str],
        typer.Argument(
            metavar="[LABEL=]ROW...",
            help="Evaluations with their results here, as <run>/<benchmark>, maps with their ids "
            "(FILE.npz, or a folder, as avloc score reads them), or weights: a file, or a name of "
            "avloc weights list.",
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="The figure's path without its ending; .pdf and .png are written.")
    ] = Path("figure"),
    on: Annotated[
        str | None,
        typer.Option(help="The evaluation whose samples are shown; by default the first row."),
    ] = None,
    sample: Annotated[
        list[str] | None,
        typer.Option(help="A sample to show, once for each; by default the list's first."),
    ] = None,
    count: Annotated[int, typer.Option(min=1, help="How many samples, or frames, are shown.")] = 6,
    page: Annotated[
        Path | None,
        typer.Option(help="With sounds: also a page that plays them while the maps move, HTML."),
    ] = None,
) -> None:
    """Draw frames and heat maps as rows for a paper, what truly sounds outlined.

    Every row is a run's evaluation or maps that any model made; the samples are the first of the
    benchmark's list or those named by --sample.

    Examples: [bold]avloc figure localization ours=alignment-full-0/vggss theirs=maps.npz[/bold],
    [bold]avloc figure sounds alignment-full-0/scenes --count 3 --page figure-5.html[/bold],
    [bold]avloc figure scenes alignment-full-0/scenes --out data/toy-scenes[/bold]
    """
    if page is not None and kind != Kind.sounds:
        raise InputError(f"--page shows one frame under several sounds, not {kind.value}")
    if page is not None:
        check_ending(page, (".html", ".htm"), "a page")
    if not out.name:
        raise InputError(f"--out {out}: expected a path with a name, as in folder/figure")
    parameters = Parameters()
    sources = [_source(parameters, text) for text in rows]
    shown = on or next((source.name for source in sources if source.item), None)
    if shown is None:
        raise InputError(
            "no row is an evaluation, so --on has to name one: whose samples are these?"
        )
    ground = find_evaluated(parameters, shown)
    root = Path(ground.study.corpora[ground.corpus].root)
    corpus = DecodedCorpus(decoded_folder(ground.corpus))
    annotations = Path(ground.study.annotations)
    benchmark = as_seen(open_benchmark(ground.benchmark, annotations, corpus, root), corpus)
    endings = ("png",) if kind == Kind.scenes else ("pdf", "png")
    paths = [out.with_name(f"{out.name}.{ending}") for ending in endings]
    read = [parameters.path, corpus.folder, *(place for s in sources for place in s.read)]
    read += media_called(page.name, corpus, root) if page else []
    check_outputs([*paths, *([page] if page else [])], read)
    if not benchmark.wants_maps:
        raise InputError(f"benchmark {ground.benchmark}: scores no maps, so there are none to draw")
    if kind == Kind.scenes:
        _draw_scenes(paths[0], sources, ground, benchmark, corpus, count)
        typer.echo(str(paths[0]))
        return
    if kind == Kind.sounds:
        images = choose_images(benchmark, sample or [], count)
    else:
        images = [choose_samples(benchmark, sample or [], count)]
    places = [place for image in images for place in image]
    columns = [column(benchmark, corpus, place) for place in places]
    drawn = [Row(s.label, _maps(s, benchmark, places, parameters, ground, corpus)) for s in sources]
    if kind == Kind.ogl:
        drawn = _with_objects(parameters, ground, drawn, benchmark, corpus, places)
    text = None if page is None else _page(root, sources, drawn, benchmark, corpus, images)
    draw_rows(paths, columns, drawn)
    if page is not None and text is not None:
        with atomic_file(page) as file:
            file.write(text.encode())
    typer.echo(", ".join(str(path) for path in [*paths, *([page] if page else [])]))


def _source(parameters: Parameters, text: str) -> _Source:
    label, _, name = text.rpartition("=")
    if name.endswith(".npz") or Path(name).is_dir():
        return _Source(label or Path(name).stem, name, None)
    if name in CHECKPOINTS or name.endswith(SUFFIXES):
        path, method = given_weights(name, None, published_weights())
        return _Source(label or Path(name).name.split(".")[0], name, None, path, method)
    item = find_evaluated(parameters, name)
    details = _details(item)
    if not details.is_dir():
        raise InputError(
            f"{details}: not found; `dvc repro` makes it where the study of {name} is the active "
            "one"
        )
    return _Source(label or item.folder.split("/", 1)[1], name, item)


def _details(item: Evaluated) -> Path:
    return results_folder(item.folder, item.corpus) / "details" / item.benchmark


def _maps(
    source: _Source,
    benchmark: Benchmark,
    places: Sequence[int],
    parameters: Parameters,
    ground: Evaluated,
    corpus: DecodedCorpus,
) -> list[np.ndarray]:
    if source.weights is not None:
        name = source.method or method_in(source.weights)
        world = ground.study.settings
        own, _ = method_settings(parameters, world, name, {})
        form = parameters.read(f"{world}.forms.{name}", SoundForm)
        method = open_weights(source.weights, name, own, form)
        pairs = [(benchmark.samples[n].frame_clip, benchmark.samples[n].sound_clip) for n in places]
        return list(_predictor(method, corpus).maps(pairs))
    if source.item is None:
        ids, maps = read_maps(Path(source.name))
        return maps_of(source.name, ids, maps, benchmark, places)
    folder = _details(source.item)
    ids = read_parquet(folder / "samples.parquet")["sample_id"].to_pylist()
    return maps_of(str(folder), ids, map_npy(folder / "maps.npy"), benchmark, places)


def _predictor(method: Method, corpus: DecodedCorpus) -> Predictor:
    """A method and the corpus with its spectrograms, and the made sounds."""
    spectrograms = spectrograms_folder(corpus.folder.name, method_name(method))
    reserved = dict(zip((SILENCE, NOISE), synthetic_sounds(method), strict=True))
    return Predictor(method, DecodedCorpus(corpus.folder, spectrograms), reserved=reserved)


def _draw_scenes(
    path: Path,
    sources: Sequence[_Source],
    ground: Evaluated,
    benchmark: Benchmark,
    corpus: DecodedCorpus,
    count: int,
) -> None:
    """The sheet of the toy's scenes, from an evaluation's maps; where the run's weights are here,
    each map as strong as it is sure."""
    if len(sources) != 1 or sources[0].item is None or not isinstance(benchmark, ScenesBenchmark):
        raise InputError("figure scenes: expected one row, an evaluation on the toy's scenes")
    folder = _details(sources[0].item)
    maps = stored_maps(folder, benchmark)
    strengths = None
    known = _method(sources[0], corpus)
    if known is not None:
        frames = [sample.frame_clip for sample in benchmark.samples]
        made = _predictor(known[0], corpus).maps([(f, n) for f in frames for n in (SILENCE, NOISE)])
        margins = maps.max(axis=(1, 2)) - made.reshape(len(frames), -1).max(axis=1)
        shown = np.maximum(PALEST, strength(margins))
        strengths = {
            n: (sureness(float(margin)), float(shown[n])) for n, margin in enumerate(margins)
        }
    draw_benchmark_scenes(path, benchmark, corpus, maps, count, strengths)


def _with_objects(
    parameters: Parameters,
    ground: Evaluated,
    rows: Sequence[Row],
    benchmark: Benchmark,
    corpus: DecodedCorpus,
    places: Sequence[int],
) -> list[Row]:
    """Each row without and with object-guided localization, and the object maps themselves."""
    study = ground.study
    values = parameters.read(f"{study.settings}.evaluate", Evaluate)
    weights = Path(study.weights)
    encoder = load_image_encoder(weights, values.object_model, values.object_side)
    clips = [benchmark.samples[place].frame_clip for place in places]
    frames = np.stack([corpus.square(corpus.row(clip)) for clip in clips])
    with torch.inference_mode():
        objects = encoder.object_map(torch.from_numpy(frames)).numpy()
    form = benchmark.resize
    fine = resize_maps(objects, form)
    both = []
    for row in rows:
        guided = object_guided(resize_maps(np.stack(row.maps), form), fine)
        both += [Row(row.label, row.maps), Row(f"{row.label} + OGL", list(guided))]
    return [*both, Row("object map", list(objects))]


def _page(
    root: Path,
    sources: Sequence[_Source],
    rows: Sequence[Row],
    benchmark: Benchmark,
    corpus: DecodedCorpus,
    images: Sequence[Sequence[int]],
) -> str:
    """The page's text. Maps move where the row's run has its weights here; else, and under a
    synthetic sound, which nobody needs to hear, each sound has its one map."""
    asked = [_method(source, corpus) for source in sources]
    scenes, first, clips = [], 0, Clips(corpus, root)
    for image in images:
        sounds = []
        for number, place in enumerate(image, start=first):
            pair = benchmark.samples[place].frame_clip, benchmark.samples[place].sound_clip
            synthetic = pair[1] in (SILENCE, NOISE)
            # What is played and what is mapped must be one stretch: the corpus' or a player's.
            heard = [known[1] for known in asked if known and not synthetic]
            longest = min([SECONDS, *(stored_seconds(each, pair[1]) for each in heard)])
            maps = [
                row.maps[number][None]
                if known is None or synthetic
                else localize_stored(*known, *pair, longest)
                for row, known in zip(rows, asked, strict=True)
            ]
            uri = None if synthetic else clip_sound(corpus, pair[1], root, longest)
            truth = benchmark.outline(place)
            label = sound_label(benchmark, place)
            sounds.append(SoundChoice(label, uri, maps, truth if truth.any() else None))
        frame = corpus.square(corpus.row(benchmark.samples[image[0]].frame_clip))
        uri = picture_uri(Image.fromarray(frame))
        shape = clips.shape(benchmark.samples[image[0]].frame_clip)
        scenes.append(InteractiveScene(uri, [row.label for row in rows], sounds, shape))
        first += len(image)
    return interactive_page(scenes, INTERVAL)


def _method(source: _Source, corpus: DecodedCorpus) -> tuple[Method, DecodedCorpus] | None:
    """A row's method and the corpus with its spectrograms; None where its weights are not here."""
    path = source.item and run_folder(source.item.folder) / "weights.safetensors"
    if not path or not path.is_file():
        return None
    method = load_weights(path)
    spectrograms = spectrograms_folder(corpus.folder.name, method_name(method))
    return method, DecodedCorpus(corpus.folder, spectrograms)
