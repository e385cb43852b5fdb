"""dvc.yaml declares what the stages really import and read, for every study of params.yaml, and
little beyond it."""

import copy
import functools
import importlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipeline.base.code import MAKES_NO_BYTES, ROOT, code_of, makes_no_byte
from pipeline.base.params import Parameters
from pipeline.corpora.layouts import reader_names

STUDIES = list(yaml.safe_load((ROOT / "params.yaml").read_text())["studies"])

# The command behind a stage of another name.
COMMANDS = {
    "encoder-sounds": "spectrograms",
    "evaluate-maps": "evaluate_maps",
    "evaluate-published": "evaluate",
    "training-list": "training_list",
}
# Files that a stage depends on and does not import, at most: what a room holds for others.
SURPLUS = 20


class Stages:
    """The stages of dvc.yaml as DVC resolves them with one study switched on."""

    def __init__(self, folder: Path, stages: list[PipelineStage]) -> None:
        self.folder, self.stages = folder, stages
        self._parameters = Parameters(folder / "params.yaml")

    def parameters(self) -> Parameters:
        """The study's, of which nothing is read yet; the file is parsed once for all stages."""
        fresh = copy.copy(self._parameters)
        fresh.keys = []
        return fresh

    def deps(self, stage: PipelineStage) -> set[str]:
        """What a stage depends on, relative to the project."""
        found = {Path(dep.fs_path) for dep in stage.deps if dep.fs_path}
        return {path.relative_to(self.folder).as_posix() for path in found}

    def code(self, stage: PipelineStage) -> set[str]:
        """The code among it."""
        return {d for d in self.deps(stage) if d.split("/")[0] in ("pipeline", "stages")}


def words(stage: PipelineStage) -> list[str]:
    """The command line of a stage, without `avloc`."""
    assert isinstance(stage.cmd, str)
    return stage.cmd.split()[1:]


def plug_ins(stage: PipelineStage) -> list[str]:
    """The modules that a stage imports by name: a method, a reader of corpora."""
    kind, *rest = words(stage)
    if kind == "train":
        return [f"pipeline.methods.{rest[0]}"]
    if stage.name.startswith(("evaluate@", "index@", "moving@")):
        return [f"pipeline.methods.{rest[0].rpartition('/')[2].split('-')[0]}"]
    if kind == "decode":
        declared = {Path(str(dep.fs_path)).stem for dep in stage.deps}
        return [f"pipeline.corpora.{name}" for name in reader_names() if name in declared]
    return []


@pytest.fixture(scope="module", params=STUDIES)
def resolved(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stages]:
    folder = tmp_path_factory.mktemp("project")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["active"] = content["studies"][request.param]
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    with Repo(str(folder)) as repo:
        stages = [s for s in repo.index.stages if isinstance(s, PipelineStage)]
        yield Stages(folder, stages)


def module_of(stage: PipelineStage) -> str:
    kind = stage.name.split("@")[0]
    return f"stages.{COMMANDS.get(kind, kind)}"


@functools.cache
def imported(*modules: str) -> frozenset[str]:
    """The code that modules import, relative to the project; stages of all studies ask."""
    return frozenset(path.relative_to(ROOT).as_posix() for path in code_of(*modules))


@functools.cache
def files_in(place: str) -> frozenset[str]:
    """The Python files of a declared room, or the declared file itself."""
    paths = [ROOT / place] if place.endswith(".py") else (ROOT / place).rglob("*.py")
    return frozenset(path.relative_to(ROOT).as_posix() for path in paths)


def covered(file: str, declared: set[str]) -> bool:
    return any(file == d or file.startswith(f"{d}/") for d in declared)


def test_every_study_has_stages(resolved: Stages) -> None:
    kinds = {stage.name.split("@")[0] for stage in resolved.stages}
    assert kinds >= {"decode", "spectrograms", "embed", "train", "tests", "evaluate", "report"}


def test_what_a_stage_imports_lies_in_what_it_declares(resolved: Stages) -> None:
    for stage in resolved.stages:
        declared = resolved.code(stage)
        for file in imported(module_of(stage), *plug_ins(stage)):
            assert covered(file, declared), f"{stage.name} imports {file}"


def test_a_stage_declares_little_that_it_does_not_import(resolved: Stages) -> None:
    for stage in resolved.stages:
        declared = resolved.code(stage)
        needed = imported(module_of(stage)) | imported(*plug_ins(stage))
        files = set[str]().union(*(files_in(room) for room in declared))
        surplus = {file for file in files - needed if not file.endswith("__init__.py")}
        limit = 90 if stage.name.split("@")[0] in LOOK_UP else SURPLUS
        assert len(surplus) <= limit, f"{stage.name}: {sorted(surplus)}"


# Stages that import by names which they find out, so that their rooms hold what they may import.
LOOK_UP = {"corpus", "tests", "training-list", "report", "evaluate-published", "evaluate-maps"}


def test_what_makes_no_byte_is_declared_nowhere(resolved: Stages) -> None:
    for stage in resolved.stages:
        for place in resolved.code(stage):
            module = place.removesuffix(".py").replace("/", ".")
            assert not makes_no_byte(module), stage.name
    assert all((ROOT / name.replace(".", "/")).with_suffix(".py").exists()
               or (ROOT / name.replace(".", "/")).is_dir() for name in MAKES_NO_BYTES)  # fmt: skip


def test_a_room_s_pages_make_no_byte() -> None:
    repo = Repo(str(ROOT))
    for page in ROOT.glob("pipeline/**/*.md"):
        assert repo.dvcignore.is_ignored_file(str(page)), page
    assert not repo.dvcignore.is_ignored_file(str(ROOT / "pipeline/toy/scenes.py"))


def test_what_makes_no_byte_in_a_room_that_a_stage_declares_is_not_looked_at() -> None:
    repo = Repo(str(ROOT))
    stages = [stage for stage in repo.index.stages if isinstance(stage, PipelineStage)]
    declared = {place for stage in stages for place in Stages(ROOT, stages).code(stage)}
    for name in MAKES_NO_BYTES:
        file = f"{name.replace('.', '/')}.py"
        if covered(file, declared):
            assert repo.dvcignore.is_ignored_file(str(ROOT / file)), name


def test_params_are_the_keys_read(resolved: Stages) -> None:
    for stage in resolved.stages:
        kind = stage.name.split("@")[0]
        if kind in ("corpus", "report"):
            continue  # whole sections, since everything in them is looked at
        parameters = resolved.parameters()
        module: Any = importlib.import_module(module_of(stage))
        module.settings(parameters, *words(stage)[1:])
        declared = {key for dep in stage.params for key in dep.params}
        assert declared == set(parameters.keys), stage.name


def test_where_work_runs_is_declared_nowhere(resolved: Stages) -> None:
    keys = {key for stage in resolved.stages for dep in stage.params for key in dep.params}
    assert keys and not any(key.split(".")[0] == "execution" for key in keys)


def test_flow_is_made_and_depended_on_where_a_study_lists_it_alone(resolved: Stages) -> None:
    study = yaml.safe_load((resolved.folder / "params.yaml").read_text())["active"]
    made = {stage.name: stage for stage in resolved.stages if stage.name.startswith("flow@")}
    listed = [(corpus, method) for corpus in study["corpora"] for method in study["flow"]]
    assert set(made) == {f"flow@{corpus}-{method}" for corpus, method in listed}
    for stage in resolved.stages:
        for place in resolved.deps(stage):
            behind = [
                words(made[f"flow@{corpus}-{method}"])[2]
                for corpus, method in listed
                if f"data/spectrograms/{corpus}/{method}" == place
            ]
            if behind:  # the folder that its flow lies in, read by the method alone
                assert stage.name.split("@")[0] in ("train", "evaluate"), stage.name
                assert behind == [words(stage)[1].split("-")[0]], stage.name
    for corpus, method in listed:
        folder = f"data/spectrograms/{corpus}/{method}"
        outs = {Path(out.fs_path) for out in made[f"flow@{corpus}-{method}"].outs}
        assert outs == {resolved.folder / folder / "flow"}
        assert any(folder in resolved.deps(stage) for stage in resolved.stages)


def test_dvc_yaml_is_read_in_a_minute() -> None:
    assert len((ROOT / "dvc.yaml").read_text().splitlines()) < 200


def test_the_loop_knows_no_method() -> None:
    names = [path.stem for path in (ROOT / "pipeline/methods").glob("*.py")]
    known = [name for name in names if name not in ("__init__", "contract")]
    for room in ("train", "predict", "evaluate"):
        for path in (ROOT / "pipeline" / room).glob("*.py"):
            text = path.read_text()
            assert not any(f'"{name}"' in text or f"methods.{name} " in text for name in known), (
                path
            )


def test_metrics_never_import_the_network() -> None:
    for path in (ROOT / "pipeline/benchmarks").rglob("*.py"):
        module = path.relative_to(ROOT).with_suffix("").as_posix().replace("/", ".")
        closure = {p.relative_to(ROOT).parts[1] for p in code_of(module.removesuffix(".__init__"))}
        assert not closure & {"methods", "predict", "networks", "train"}, path


def test_the_library_never_imports_the_stages() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        assert "from stages" not in path.read_text(), path
