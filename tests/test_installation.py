"""What is installed where: pyproject.toml's list on each system, and the image's."""

import json
import re
import subprocess
import sys
import tomllib

import pytest
from packaging.requirements import Requirement

from pipeline.base.code import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


@pytest.mark.parametrize(
    ("system", "machine", "build"),
    [
        ("Linux", "x86_64", "faiss-gpu"),
        ("Linux", "aarch64", "faiss-cpu"),
        ("Darwin", "arm64", "faiss-cpu"),
        ("Windows", "AMD64", "faiss-cpu"),
    ],
)
def test_each_system_has_one_build_of_faiss(system: str, machine: str, build: str) -> None:
    where = {"platform_system": system, "platform_machine": machine}
    wanted = [Requirement(text) for text in PROJECT["dependencies"]]
    found = [need.name for need in wanted if need.marker is None or need.marker.evaluate(where)]
    assert [name for name in found if name.startswith("faiss")] == [build]
    assert "torch" in found and len(found) == len(wanted) - 1


def _listed(*words: str) -> list[str]:
    command = [sys.executable, ".ci/requirements", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout.splitlines()


def test_the_image_installs_what_the_project_asks_for() -> None:
    listed = _listed("pyproject.toml", "test")
    both = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["test"]]
    assert listed == list(dict.fromkeys(both))
    without = _listed("--cpu", "pyproject.toml")
    assert [line for line in without if "faiss" in line] == ["faiss-cpu>=1.15"]
    assert {line for line in without if "faiss" not in line} == {
        line for line in PROJECT["dependencies"] if "faiss" not in line
    }


def test_the_image_s_files_are_there() -> None:
    text = (ROOT / ".devcontainer/Dockerfile").read_text()
    (copied,) = re.findall(r"^COPY (.+) \./$", text, re.MULTILINE)
    kept = (ROOT / ".devcontainer/Dockerfile.dockerignore").read_text().splitlines()
    assert kept == ["*", *(f"!{name}" for name in copied.split())]
    assert all((ROOT / name).is_file() for name in copied.split())
    settings = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert settings["build"] == {"dockerfile": "Dockerfile", "context": ".."}
    assert f"USER {settings['remoteUser']}" in text
    assert f"WORKDIR {settings['workspaceFolder']}" in text
