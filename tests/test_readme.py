"""What the READMEs promise: examples that work as they stand there, and commands that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
import yaml
from dvc.repo import Repo
from dvc.stage import PipelineStage
from typer.core import TyperGroup

from pipeline.base.code import ROOT
from pipeline.base.params import Parameters
from pipeline.base.study import active_study
from stages import cli

README = (ROOT / "README.md").read_text()
PAGES = [
    "README.md",
    "data/README.md",
    "data/own/README.md",
    "tests/README.md",
    *(
        p.relative_to(ROOT).as_posix()
        for p in (
            *ROOT.glob("pipeline/*/README.md"),
            *ROOT.glob("pipeline/*/DECISIONS.md"),
            *ROOT.glob("tests/*/README.md"),
        )
    ),
]
EXAMPLES = {
    "meanpair": "pipeline/methods/meanpair.py",
    "kitchen": "pipeline/benchmarks/sets/kitchen.py",
    "shelf": "pipeline/corpora/shelf.py",
    "brightness": "pipeline/encoders/brightness.py",
}
ROOMS = {path.parent.name for path in ROOT.glob("pipeline/*/__init__.py")}


def split(text: str) -> tuple[list[tuple[str, str]], str]:
    """A page's blocks of code, each with its language ("" for none), and the rest of it."""
    blocks: list[tuple[str, str]] = []
    rest: list[str] = []
    inside: list[str] | None = None
    for line in text.splitlines(keepends=True):
        if line.startswith("```"):
            if inside is None:
                language, inside = line.strip("`\n"), []
            else:
                blocks.append((language, "".join(inside)))
                inside = None
        else:
            (rest if inside is None else inside).append(line)
    assert inside is None, "a block of code has no end"
    return blocks, "".join(rest)


def fenced(text: str, language: str) -> list[str]:
    """The blocks of code in a language ("" for none)."""
    return [block for found, block in split(text)[0] if found == language]


def with_lines(params: str) -> str:
    """params.yaml with the two lines that README.md says a new method needs, each at the end of its
    section."""
    found = re.findall(r"`(meanpair: [^`]+)`\s+in\s+`paper\.(\w+)`", README)
    assert [section for _, section in found] == ["forms", "methods"]
    for line, section in found:
        start = params.index(f"\n  {section}:", params.index("\npaper:")) + 1
        body = re.compile(r".*\n(?: {4}.*\n)*").match(params, start)
        assert body
        params = f"{params[: body.end()]}    {line}\n{params[body.end() :]}"
    return params


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the library with README.md's examples in it, each under the name that it gives."""
    folder = tmp_path_factory.mktemp("house")
    for name in ("pipeline", "stages"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    written = []
    for block in fenced(README, "python"):
        name = block.splitlines()[0].removeprefix("# ")
        assert not (folder / name).exists(), f"{name} is there already"
        (folder / name).write_text(block)
        written.append(name)
    assert written == list(EXAMPLES.values())
    (folder / "params.yaml").write_text(with_lines((ROOT / "params.yaml").read_text()))
    return folder


@pytest.fixture(scope="module")
def mistakes(house: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """What is wrong with each example at work, all of them in one process that imports the copy."""
    folder = tmp_path_factory.mktemp("examples")
    done = subprocess.run(
        [sys.executable, "-m", "readme_examples", str(folder), *EXAMPLES],
        cwd=house,
        env={**os.environ, "PYTHONPATH": f"{house}:{ROOT / 'tests'}", "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {name: (folder / name / "mistake.txt").read_text() for name in EXAMPLES}


@pytest.mark.parametrize("example", EXAMPLES)
def test_a_new_file_is_all_that_it_takes(mistakes: dict[str, str], example: str) -> None:
    assert not mistakes[example], mistakes[example][-3000:]


def commands(page: str) -> list[str]:
    """Every command line of avloc's on a page, of its blocks and of its sentences."""
    text = (ROOT / page).read_text()
    lines = [line for block in fenced(text, "") for line in block.replace("\\\n", "").splitlines()]
    parts = [part.strip() for line in lines for part in re.split(r"&&|\|", line.split("#")[0])]
    prose = split(text)[1]
    parts += [" ".join(found.split()) for found in re.findall(r"`(avloc [^`]+)`", prose)]
    return [part for part in parts if part.startswith("avloc ")]


@pytest.mark.parametrize("page", PAGES)
def test_every_command_can_be_given(page: str) -> None:
    for line in commands(page):
        name, *arguments = shlex.split(line)[1:]
        if name == "--help":
            continue
        assert name in cli.COMMANDS, line
        command = cli.command(name)
        if not arguments:
            continue  # a sentence that names it
        while isinstance(command, TyperGroup):
            name, *arguments = arguments
            assert name in command.commands, line
            command = command.commands[name]
        if "--help" in arguments:
            with pytest.raises(typer.Exit):
                command.make_context(name, arguments)
        else:
            command.make_context(name, arguments)  # raises for what it does not take


def test_commands_are_found() -> None:
    found = commands("README.md")
    assert "avloc train alignment full 0" in found
    assert "avloc corpus check vggsound-144k" in found
    assert len(found) >= 6


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_points_to_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", text)
    for link in links:
        assert ((ROOT / page).parent / link).exists(), f"{page} links to {link}"
    for name in re.findall(r"\b(?:pipeline|stages|tests)/[\w/]+\.(?:py|md)\b", text):
        assert name in EXAMPLES.values() or "<" in name or (ROOT / name).exists(), f"{page}: {name}"


def test_a_test_that_holds_a_finding_is_there() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", (ROOT / "tests/README.md").read_text())
    assert len(named) > 100
    for file, test in named:
        assert re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE), (file, test)


def test_the_front_page_is_short_and_gives_two_commands() -> None:
    lines = README.splitlines()
    assert len(lines) < 200
    assert sum(line.startswith("python3 -m venv .venv && ") for line in lines) == 2


def test_the_map_has_every_room() -> None:
    (block,) = [block for block in fenced(README, "") if block.startswith("base ")]
    listed = [line.split()[0] for line in block.splitlines()]
    assert set(listed) == ROOMS and len(listed) == len(ROOMS)
    source = (ROOT / "pipeline/__init__.py").read_text()
    assert [line.split()[0] for line in re.findall(r"^    (\w+ +\S.*)$", source, re.MULTILINE)] == (
        listed
    )


def own_study() -> str:
    """params.yaml with README.md's study of one's own videos as the active one."""
    (block,) = fenced(README, "yaml")
    head, *lines, last = block.splitlines(keepends=True)
    assert head == "studies:\n" and last.startswith("active: ")
    params = (ROOT / "params.yaml").read_text().replace(head, "".join((head, *lines)), 1)
    return re.sub(r"^active: .*$", last.strip(), params, flags=re.MULTILINE)


def stages_of(folder: Path, params: str) -> set[str]:
    """The names of dvc.yaml's stages under a params.yaml."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc/config").write_text("[core]\n    no_scm = true\n")
    (folder / "params.yaml").write_text(params)
    shutil.copy(ROOT / "dvc.yaml", folder)
    with Repo(str(folder)) as repo:
        return {stage.name for stage in repo.index.stages if isinstance(stage, PipelineStage)}


def test_a_study_of_one_s_own_videos_resolves(tmp_path: Path) -> None:
    assert {"decode@mine", "train@alignment-full-0"} <= stages_of(tmp_path / "own", own_study())
    study = active_study(Parameters(tmp_path / "own/params.yaml"))
    assert study.corpora["mine"].reader == "folder" and study.train_on.search == "mine"
    assert study.methods == ["alignment"] and not study.tests
    # Not the official lists, whose files DVC would ask for.
    assert not list((ROOT / study.annotations).glob("*.dvc"))


def test_stages_that_are_named_exist(tmp_path: Path) -> None:
    params = (ROOT / "params.yaml").read_text()
    content = yaml.safe_load(params)
    paper = yaml.safe_dump({**content, "active": content["studies"]["vggsound-144k"]})
    studies = {"own": own_study(), "toy": params, "paper": paper}
    known = set[str]().union(*(stages_of(tmp_path / n, text) for n, text in studies.items()))
    for page in PAGES:
        text = (ROOT / page).read_text()
        for name in re.findall(r"dvc (?:repro|pull|commit --force)\s+([a-z-]+@[\w-]+)", text):
            assert name in known, f"{page}: dvc has no stage {name}"


def test_keys_that_are_changed_exist() -> None:
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    for page in PAGES:
        text = (ROOT / page).read_text()
        for key in re.findall(r"-S '?([\w.-]+)=", text):
            value = params
            for part in key.split("."):
                assert part in value, f"{page}: {key}"
                value = value[part]


SOURCES = [
    path
    for pattern in ("pipeline/**/*.py", "stages/*.py", "*.yaml", "**/README.md", "**/DECISIONS.md")
    for path in ROOT.glob(pattern)
    if not {".venv", "build"} & set(path.relative_to(ROOT).parts)
]


def is_there(dotted: str) -> bool:
    """Whether a dotted name is a package, a module, or a name in one."""
    place, rest = ROOT, dotted.split(".")
    while rest and (place / rest[0]).is_dir():
        place = place / rest.pop(0)
    file = place / f"{rest[0]}.py" if rest and (place / f"{rest[0]}.py").is_file() else None
    if file is not None:
        rest.pop(0)
    text = (file or place / "__init__.py").read_text()
    return all(re.search(rf"\b{name}\b", text) for name in rest)


def test_what_sources_refer_to_is_there() -> None:
    wrong = []
    for path in SOURCES:
        text = path.read_text()
        names = re.findall(r"`(pipeline(?:\.\w+)+)`", text)
        files = set(re.findall(r"\b(?:pipeline|stages|tests)/[\w/]+\.(?:py|md)\b", text))
        found = [name for name in names if not is_there(name)]
        found += [file for file in files - set(EXAMPLES.values()) if not (ROOT / file).exists()]
        found += re.findall(r"\bmethod 4\.\d|\(protocols|\bthe\s+protocols\b|\.\./README", text)
        wrong += [f"{path.relative_to(ROOT)}: {each}" for each in found]
    assert not wrong, "\n".join(wrong)


def test_hooks_and_ci_run_the_same_linters() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"][0]["hooks"]
    (line,) = re.findall(r"&& (ruff .*)\"$", (ROOT / ".ci/run").read_text(), re.MULTILINE)
    assert [hook["entry"] for hook in hooks] == line.split(" && ")
    workflow = yaml.safe_load((ROOT / ".github/workflows/ci.yaml").read_text())
    steps = workflow["jobs"]["newcomer"]["steps"]
    assert [step["run"] for step in steps if ".ci/" in step.get("run", "")] == ["bash .ci/run"]
