"""dvc.yaml declares what the stages really import and read, for every study of params.yaml."""

import ast
import importlib
from pathlib import Path

import pytest
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage

from pipeline.base.params import Parameters

ROOT = Path(__file__).resolve().parents[1]
STUDIES = list(yaml.safe_load((ROOT / "params.yaml").read_text())["studies"])


def _file(module: str) -> Path | None:
    base = ROOT.joinpath(*module.split("."))
    for path in (base / "__init__.py", base.with_suffix(".py")):
        if path.exists():
            return path
    return None


def _imported(path: Path) -> set[str]:
    """Names of the project's modules that a file imports, wherever in the file it does so."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module or ""}
    return {n for n in names if n.split(".")[0] in ("pipeline", "stages")}


def code_of(stage: str) -> set[str]:
    """The project's files that a stage's module imports, itself included."""
    waiting, files = {f"stages.{stage}"}, set()
    while waiting:
        module = waiting.pop()
        parents = {module.rsplit(".", n)[0] for n in range(module.count(".") + 1)}
        for name in parents:
            path = _file(name)
            if path and path not in files:
                files.add(path)
                waiting |= _imported(path)
    bare = {ROOT / "pipeline/__init__.py", ROOT / "stages/__init__.py"}  # docstrings alone
    return {path.relative_to(ROOT).as_posix() for path in files - bare}


@pytest.fixture(scope="module", params=STUDIES)
def stages(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The stages of dvc.yaml as DVC resolves them with one study switched on."""
    folder = tmp_path_factory.mktemp("project")
    content = yaml.safe_load((ROOT / "params.yaml").read_text())
    content["active"] = content["studies"][request.param]
    (folder / "params.yaml").write_text(yaml.safe_dump(content))
    (folder / "dvc.yaml").write_text((ROOT / "dvc.yaml").read_text())
    (folder / ".dvc").mkdir()
    (folder / ".dvc" / "config").write_text("[core]\n    no_scm = true\n")
    with Repo(str(folder)) as repo:
        yield folder, [s for s in repo.index.stages if isinstance(s, PipelineStage)]


def test_every_study_has_stages(stages) -> None:
    _, resolved = stages
    assert {stage.name.split("@")[0] for stage in resolved} >= {"decode", "train", "evaluate"}


def test_deps_are_the_imports(stages) -> None:
    folder, resolved = stages
    for stage in resolved:
        deps = {
            Path(dep.fs_path).relative_to(folder).as_posix() for dep in stage.deps if dep.fs_path
        }
        declared = {dep for dep in deps if dep.endswith(".py")}
        assert declared == code_of(stage.name.split("@")[0]), stage.name


def test_params_are_the_keys_read(stages) -> None:
    folder, resolved = stages
    for stage in resolved:
        kind, name = stage.name.split("@")
        parameters = Parameters(folder / "params.yaml")
        importlib.import_module(f"stages.{kind}").settings(parameters, name)
        declared = {key for dep in stage.params for key in dep.params}
        assert declared == set(parameters.keys), stage.name


def test_another_engine_reruns_nothing(stages) -> None:
    _, resolved = stages
    keys = {key for stage in resolved for dep in stage.params for key in dep.params}
    assert keys and not any(key.split(".")[0] == "execution" for key in keys)


def test_metrics_never_import_the_network() -> None:
    for path in (ROOT / "pipeline/benchmarks").rglob("*.py"):
        networks = ("pipeline.methods", "pipeline.predict", "pipeline.networks")
        assert not any(name.startswith(networks) for name in _imported(path)), path


def test_the_library_never_imports_the_stages() -> None:
    for path in (ROOT / "pipeline").rglob("*.py"):
        assert not any(name.startswith("stages") for name in _imported(path)), path
