"""The whole way by real `dvc repro` on a very small toy: what it makes, what it repeats, what a
colleague gets.

Two copies of the project are run at once, each in a folder of its own; one finds the machine's
workers, name and clock, the other others. Every stage is a process of its own, forked for each copy
from one that has imported other people's libraries (`warm/warm_server.py`).
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml
from moto.server import ThreadedMotoServer

ROOT = Path(__file__).resolve().parents[1]
WARM = Path(__file__).with_name("warm")
BENCHMARKS = ("scenes", "vggss")
RUN = "toy/alignment-full-0"
RESULTS = f"data/results/{RUN}/toy-test"
SMALL: dict[str, dict[str, Any]] = {
    "toy": {
        "train": 36,
        "validation": 12,
        "test": 12,
        "labelled": 12,
        "width": 48,
        "height": 36,
        "seconds": 1.0,
    },
    "decode": {"side": 40, "shards": 3},
    "encoders": {"image_epochs": 1, "audio_epochs": 1, "threads": 1},
    "embed": {"side": 40, "threads": 1},
    "neighbours": {"k": 5, "threads": 1},
    "train": {"epochs": 1, "batch": 16, "threads": 1},
    "evaluate": {"threads": 1, "object_side": 32},
    "methods": {
        "alignment": {
            "blocks": [1, 1],
            "channels": [8, 16],
            "strides": [1, 2],
            "projection_layers": 1,
            "side": 32,
            "seconds": 1.0,
            "k": 5,
        }
    },
}
# Runs before any of a process's own modules, and so before a stage asks how many workers it has.
ANOTHER_MACHINE = """import os, platform, socket, time
os.cpu_count = lambda: 3
os.sched_getaffinity = lambda pid: {0, 1, 2}
platform.node = socket.gethostname = lambda: "elsewhere"
now = time.time
time.time = lambda: now() + 4e7
"""


class Project:
    """A copy of the project in a folder of its own."""

    def __init__(self, folder: Path, extra: Mapping[str, str] | None = None) -> None:
        self.folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("DVC_", "GIT_", "PYTHON"))}
        settings = folder.parent / "nobody's settings"  # neither the machine's nor the user's
        self.environment = {
            **kept,
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "PYTHONPATH": str(folder),  # the copy's modules, not the installed project's
            "DVC_GLOBAL_CONFIG_DIR": str(settings),
            "DVC_SYSTEM_CONFIG_DIR": str(settings),
            "DVC_SITE_CACHE_DIR": str(folder.parent / "site"),
            "DVC_NO_ANALYTICS": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "nobody" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "nobody@example.org" for who in ("AUTHOR", "COMMITTER")},
            **(extra or {}),
        }

    def start(self, *command: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            command,
            cwd=self.folder,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def finish(self, process: subprocess.Popen[str]) -> str:
        output, _ = process.communicate()
        assert process.returncode == 0, f"{process.args}:\n{output}"
        return output

    def run(self, *command: str) -> str:
        """What the command printed; it must end well."""
        return self.finish(self.start(*command))

    @contextmanager
    def warm(self) -> Iterator[None]:
        """Let `avloc` begin without imports, on this project's machine and with its code."""
        with tempfile.TemporaryDirectory() as folder:  # a socket's path has to be short
            address = f"{folder}/avloc"
            server = subprocess.Popen(
                [sys.executable, str(WARM / "warm_server.py"), address],
                env=self.environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            with server:
                assert server.stdin is not None and server.stdout is not None
                assert server.stdout.readline() == "ready\n"
                self.environment["AVLOC_WARM"] = address
                self.environment["PATH"] = f"{WARM}{os.pathsep}{self.environment['PATH']}"
                yield
                server.stdin.close()

    def params(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "params.yaml").read_text())

    def write_params(self, content: Mapping[str, Any], sort: bool = False) -> None:
        # Through JSON, so that what the studies share is written out instead of as aliases.
        plain = json.loads(json.dumps(content))
        (self.folder / "params.yaml").write_text(yaml.safe_dump(plain, sort_keys=sort))

    def lock(self) -> dict[str, Any]:
        return yaml.safe_load((self.folder / "dvc.lock").read_text())["stages"]


def repro_both(twins: tuple[Project, Project], *targets: str) -> tuple[set[str], set[str]]:
    """The stages that `dvc repro` ran in each of two projects, at the same time."""
    command = ("dvc", "repro", *targets)
    with twins[0].start(*command) as one, twins[1].start(*command) as two:
        return ran(twins[0].finish(one)), ran(twins[1].finish(two))


def ran(output: str) -> set[str]:
    return set(re.findall(r"Running stage '([^']+)'", output))


def copy_project(folder: Path) -> None:
    """The project as a fresh clone would bring it, uncommitted changes included."""
    listed = subprocess.run(
        ["git", "ls-files", "-coz", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if name != "dvc.lock" and (ROOT / name).is_file():  # listed although deleted
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


def merged(values: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """`values` with `changes` put over them, mappings entry by entry."""
    result = dict(values)
    for key, change in changes.items():
        inner = result.get(key)
        both = isinstance(change, Mapping) and isinstance(inner, Mapping)
        result[key] = merged(inner, change) if both else change  # type: ignore[arg-type]
    return result


def shrink(project: Project) -> None:
    """Small values, two benchmarks, and no other study than the active one."""
    content = project.params()
    active = content["active"]
    active["corpora"] = {name: active["corpora"][name] for name in ("toy", "toy-test")}
    active["corpora"]["toy-test"]["decode"] = {"side": 32}
    active["tests"] = {"toy-test": list(BENCHMARKS)}
    project.write_params(
        {
            "toy": merged(content["toy"], SMALL),
            "paper": content["paper"],
            "execution": content["execution"],
            "studies": {"toy": active},
            "active": active,
        }
    )


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, Project]]:
    """Two copies of the project after `dvc repro`, in two folders and on seemingly two machines."""
    projects = []
    for name, extra in (("one", {}), ("elsewhere/two", {"machine": ANOTHER_MACHINE})):
        folder = tmp_path_factory.mktemp("copy") / name
        folder.mkdir(parents=True)
        copy_project(folder)
        project = Project(folder)
        for module, text in extra.items():
            (folder.parent / module).mkdir()
            (folder.parent / module / "sitecustomize.py").write_text(text)
            project.environment["PYTHONPATH"] += f"{os.pathsep}{folder.parent / module}"
        shrink(project)
        project.run("git", "init", "--quiet")
        projects.append(project)
    ask = (
        "import os, socket, time; "
        "print(len(os.sched_getaffinity(0)), socket.gethostname(), int(time.time()))"
    )
    cores, host, clock = projects[1].run("python", "-c", ask).split()
    assert (cores, host) == ("3", "elsewhere") and int(clock) > time.time() + 3e7
    both = (projects[0], projects[1])
    with ExitStack() as servers:
        for project in both:
            servers.enter_context(project.warm())
        made = repro_both(both)
        assert made == (set(both[0].lock()), set(both[1].lock()))
        yield both


@pytest.fixture(scope="module")
def project(twins: tuple[Project, Project]) -> Project:
    """The project after `dvc repro`, which tests leave as they found it."""
    return twins[0]


def test_every_output_is_there(project: Project) -> None:
    outs = [out["path"] for stage in project.lock().values() for out in stage.get("outs", [])]
    assert len(outs) == len(set(outs)) > 15
    assert all((project.folder / out).exists() for out in outs)
    assert not list(project.folder.rglob("*.partial"))


def test_scores_stand_beside_their_baselines(project: Project) -> None:
    results = project.folder / RESULTS
    scores = json.loads((results / "metrics.json").read_text())
    for name in BENCHMARKS:
        metrics = scores[name]
        assert metrics["samples"] == metrics["official_samples"] == 12
        assert metrics["leaked_clips"] == 0
        for baseline in ("random", "centre", "texture", "untrained", "bound"):
            assert f"cIoU_adaptive.{baseline}" in metrics
        assert metrics["cIoU_adaptive.bound"] >= metrics["cIoU_adaptive"]
        assert {"cIoU_ogl", "AUC", "AUC_adaptive"} <= set(metrics)
        assert (results / "curves" / name / "success.tsv").is_file()
        assert (results / "details" / name / "maps.npy").is_file()
    expected = {"pointing_distractors", "swap", "both", "class_R@1_a2i", "mAP_a2i"}
    assert expected <= set(scores["scenes"])
    assert (project.folder / "data/report/scenes.png").is_file()


def test_dvc_shows_a_few_scores(project: Project) -> None:
    shown = json.loads(project.run("dvc", "metrics", "show", "--json"))[""]["data"]
    path = "data/report/scores.json"
    assert shown[path]["data"] == json.loads((project.folder / path).read_text())
    columns = [key for benchmark in shown[path]["data"].values() for key in benchmark]
    assert 0 < len(columns) <= 12 and len(shown) == 1
    page = project.folder / "dvc_plots" / "index.html"
    project.run("dvc", "plots", "show")
    assert f"data/runs/{RUN}/history.tsv" in page.read_text()
    shutil.rmtree(page.parent)


@pytest.mark.trust
def test_folder_workers_host_and_clock_change_no_byte(twins: tuple[Project, Project]) -> None:
    one, two = (project.lock() for project in twins)
    assert one.keys() == two.keys()
    for stage in one:
        assert one[stage] == two[stage], stage


@pytest.mark.trust
def test_what_changes_no_content_runs_nothing(twins: tuple[Project, Project]) -> None:
    _, changed = twins  # and the first is as it was
    before = (changed.folder / "params.yaml").read_text()
    changed.write_params(changed.params(), sort=True)
    assert (changed.folder / "params.yaml").read_text() != before
    for name in ("stages/train.py", "pipeline/decode/corpus.py", "data/toys/toy/lists/train.txt"):
        (changed.folder / name).touch()
    (changed.folder / "README.md").write_text("another page")
    assert repro_both(twins) == (set(), set())


@pytest.mark.trust
def test_a_comment_touches_the_stages_that_import_the_module(project: Project) -> None:
    module = project.folder / "pipeline/neighbours/search.py"
    before = module.read_text()
    module.write_text(f"{before}\n# A comment.\n")
    status = project.run("dvc", "status", "--json", "dvc.yaml")
    module.write_text(before)
    assert set(json.loads(status)) == {"neighbours@toy"}


@pytest.mark.trust
def test_a_changed_key_reruns_what_reads_it_and_what_follows(
    twins: tuple[Project, Project],
) -> None:
    before = [project.lock() for project in twins]
    params = [project.params() for project in twins]
    params[0]["toy"]["evaluate"]["seed"] += 1
    params[1]["toy"]["train"]["epochs"] += 1
    for project, content in zip(twins, params, strict=True):
        project.write_params(content)
    last = "evaluate@alignment-full-0-toy-test"
    assert repro_both(twins, last) == ({last}, {"train@alignment-full-0", last})

    params[0]["toy"]["evaluate"]["seed"] -= 1
    params[1]["toy"]["train"]["epochs"] -= 1
    for project, content in zip(twins, params, strict=True):
        project.write_params(content)
    assert repro_both(twins) == (set(), set())  # DVC remembers what it made before
    assert [project.lock() for project in twins] == before


@pytest.fixture(params=["folder", "s3"])
def remote(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[dict[str, str]]:
    """The settings of a remote: a folder, or a bucket of an S3 that is served on loopback."""
    if request.param == "folder":
        yield {"url": str(tmp_path / "remote")}
        return
    nothing = tmp_path / "aws"
    nothing.touch()
    for name, value in {
        "AWS_ACCESS_KEY_ID": "nobody",
        "AWS_SECRET_ACCESS_KEY": "nothing",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_CONFIG_FILE": str(nothing),
        "AWS_SHARED_CREDENTIALS_FILE": str(nothing),
        "NO_PROXY": "127.0.0.1",
    }.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=address).create_bucket(Bucket="colleagues")
    # One process serves, beside other tests: not DVC's default of thirty connections at once.
    patience = {"jobs": "4", "connect_timeout": "300", "read_timeout": "300"}
    yield {"url": "s3://colleagues/avloc", "endpointurl": address, **patience}
    server.stop()


@pytest.mark.trust
def test_a_colleague_gets_the_same_without_running_anything(
    project: Project, remote: dict[str, str], tmp_path: Path
) -> None:
    here = Project(project.folder)  # in the environment that the remote needs
    config = here.folder / ".dvc" / "config"
    before = config.read_text()
    settings = "".join(f"    {key} = {value}\n" for key, value in remote.items())
    with_remote = before.replace("[core]\n", "[core]\n    remote = shared\n")
    config.write_text(f"{with_remote}['remote \"shared\"']\n{settings}    verify = true\n")
    here.run("git", "add", "--all")
    here.run("git", "commit", "--quiet", "--message", "all of it")
    here.run("dvc", "push", "dvc.yaml")
    here.run("git", "clone", "--quiet", str(here.folder), str(tmp_path / "there"))
    config.write_text(before)

    there = Project(tmp_path / "there")
    there.run("dvc", "pull", "neighbours@toy")
    untracked = there.run("git", "ls-files", "--others", "data").split()
    assert {Path(name).parts[1] for name in untracked} == {"neighbours"}
    there.run("dvc", "pull", "dvc.yaml")
    assert ran(there.run("dvc", "repro")) == set()
    assert there.run("git", "status", "--porcelain") == ""
    show = ("dvc", "metrics", "show", "--json")
    assert there.run(*show) == here.run(*show)
    check = ("python", "-m", "stages.cli", "cache", "check", *there.lock())
    assert ", 0 not in the cache" in there.run(*check)
