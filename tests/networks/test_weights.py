"""Weight files: what is read, what is refused, and that nothing in them runs."""

import argparse
import os
import random
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.errors import InputError
from pipeline.networks.weights import (
    load_into,
    read_metadata,
    read_state,
    save_safetensors,
    save_torch,
)


def made_state() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    return {
        "conv1.weight": torch.randn(4, 3, generator=generator),
        "bn1.bias": torch.randn(4, generator=generator),
        "bn1.num_batches_tracked": torch.tensor(3),
    }


def assert_equal(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor)


@pytest.mark.parametrize("name", ["a.pth", "a.pth.tar", "a.pt", "a.bin"])
@pytest.mark.parametrize("wrapper", [None, "model_state_dict", "state_dict", "model"])
def test_torch_files_are_unwrapped(tmp_path: Path, name: str, wrapper: str | None) -> None:
    parallel = {f"module.{key}": tensor for key, tensor in made_state().items()}
    content: dict[str, Any] = dict(parallel)
    if wrapper:
        content = {
            "epoch": 3,
            "best": np.float64(0.5),
            "step": np.int64(9),
            "optimizer": {"state": {0: {"exp_avg": torch.zeros(2)}}},
            wrapper: parallel,
        }
    save_torch(tmp_path / name, content)
    assert_equal(read_state(tmp_path / name), made_state())


def test_lightning_s_files_are_unwrapped(tmp_path: Path) -> None:
    """`model.` stands before all names there, and the script's options lie beside the weights."""
    options = argparse.Namespace(lr=1e-3, gt_all={"clip": [[0.1, 0.2, 0.3, 0.4]]})
    content = {
        "pytorch-lightning_version": "1.6.5",
        "state_dict": {f"model.{key}": tensor for key, tensor in made_state().items()},
        "hyper_parameters": {"args": options},
    }
    for zipped in (True, False):
        torch.save(content, tmp_path / "best.ckpt", _use_new_zipfile_serialization=zipped)
        assert_equal(read_state(tmp_path / "best.ckpt"), made_state())
    # A network that has a part of that name, and others, keeps it.
    mixed = {"model.weight": torch.ones(2), "head.weight": torch.ones(3)}
    save_torch(tmp_path / "a.pth", mixed)
    assert_equal(read_state(tmp_path / "a.pth"), mixed)


def test_options_that_would_run_code_are_refused(tmp_path: Path) -> None:
    trace = tmp_path / "ran"
    options = argparse.Namespace(lr=Code(trace))
    torch.save({"state_dict": made_state(), "args": options}, tmp_path / "evil.ckpt")
    with pytest.raises(InputError, match=r"evil\.ckpt: holds \S*mkdir, which could run code"):
        read_state(tmp_path / "evil.ckpt")
    assert not trace.exists()


def test_the_older_torch_format_is_read(tmp_path: Path) -> None:
    path = tmp_path / "old.pth.tar"
    torch.save({"model_state_dict": made_state()}, path, _use_new_zipfile_serialization=False)
    assert_equal(read_state(path), made_state())


def test_safetensors_round_trip_with_metadata(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    save_safetensors(path, made_state(), {"z": "1", "a": "é"})
    assert_equal(read_state(path), made_state())
    assert read_metadata(path) == {"a": "é", "z": "1"}
    save_safetensors(path, made_state())
    assert read_metadata(path) == {}


def test_tensors_that_share_memory_are_saved_each_for_itself(tmp_path: Path) -> None:
    base = torch.arange(6.0)
    save_safetensors(tmp_path / "a.safetensors", {"all": base, "part": base[::2]})
    state = read_state(tmp_path / "a.safetensors")
    assert_equal(state, {"all": base, "part": base[::2]})


def test_saving_gives_the_same_bytes_in_every_process_and_folder(tmp_path: Path) -> None:
    script = (
        "import sys, torch; from pathlib import Path; from pipeline.networks.weights import *\n"
        "state = {f'l{i}': torch.full((3, 2), float(i)) for i in range(20)}\n"
        "folder = Path(sys.argv[1])\n"
        "save_torch(folder / sys.argv[2], {'model_state_dict': state})\n"
        "save_safetensors(folder / 's.safetensors', state, {str(i): 'x' for i in range(9)})\n"
    )
    folders = [tmp_path / "one", tmp_path / "two"]
    for folder, name in zip(folders, ("a.pth", "other.pth.tar"), strict=True):
        environment = {**os.environ, "PYTHONHASHSEED": str(len(name))}
        root = Path(__file__).parents[2]
        command = [sys.executable, "-c", script, str(folder), name]
        subprocess.run(command, check=True, cwd=root, env=environment)
    contents = [sorted(path.read_bytes() for path in folder.iterdir()) for folder in folders]
    assert contents[0] == contents[1]


class Code:
    """Pickles as a call that makes a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("zipped", [True, False])
def test_code_in_a_pickle_does_not_run(tmp_path: Path, zipped: bool) -> None:
    path, trace = tmp_path / "evil.pth", tmp_path / "ran"
    content = {"model_state_dict": made_state(), "x": Code(trace)}
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    with pytest.raises(InputError, match=r"evil\.pth: holds \S*mkdir, which could run code"):
        read_state(path)
    assert not trace.exists()


def test_a_zip_bomb_is_refused_before_it_unfolds(tmp_path: Path) -> None:
    save_torch(tmp_path / "a.pth", {"w": torch.zeros(5_000_000)})
    bomb = tmp_path / "bomb.pth"
    with (
        zipfile.ZipFile(tmp_path / "a.pth") as source,
        zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    assert bomb.stat().st_size < 100_000
    with pytest.raises(InputError, match=r"bomb\.pth: declares 2000\d+ bytes inside a file of"):
        read_state(bomb)


def test_a_view_that_claims_more_than_the_file_holds_is_refused(tmp_path: Path) -> None:
    save_torch(tmp_path / "a.pth", {"w": torch.zeros(1).expand(10**12)})
    with pytest.raises(InputError, match=r"a\.pth: w: claims the shape \(1000000000000,\)"):
        read_state(tmp_path / "a.pth")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ({"w": torch.tensor([1.0, float("nan")])}, "w: holds NaN or infinity"),
        ({"w": torch.tensor([1.0, float("inf")])}, "w: holds NaN or infinity"),
        ({"w": 3}, "entry 'w' is a int"),
        ({3: torch.zeros(1)}, "entry 3 is a Tensor"),
        ({"state_dict": {}}, "holds nothing"),
        ({}, "holds nothing"),
        ({"w": torch.zeros(1), "module.w": torch.ones(1)}, "holds both w and module.w"),
        ({"w": torch.eye(2).to_sparse()}, "w: expected a plain dense tensor"),
    ],
)
def test_content_that_is_no_state_dict(
    tmp_path: Path, content: dict[Any, Any], message: str
) -> None:
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        read_state(tmp_path / "a.pth")


def test_other_objects_files_and_names(tmp_path: Path) -> None:
    torch.save(torch.zeros(3), tmp_path / "a.pth")
    with pytest.raises(InputError, match="holds Tensor, expected a dict of named tensors"):
        read_state(tmp_path / "a.pth")
    with pytest.raises(InputError, match="not found"):
        read_state(tmp_path / "b.pth")
    (tmp_path / "a.onnx").write_bytes(b"x")
    with pytest.raises(InputError, match=r"ending in \.pth"):
        read_state(tmp_path / "a.onnx")
    for name in ("empty.pth", "text.pth.tar", "text.safetensors", "zip.pth"):
        (tmp_path / name).write_bytes(b"" if name == "empty.pth" else b"not weights at all")
    with zipfile.ZipFile(tmp_path / "zip.pth", "w") as archive:
        archive.writestr("readme", "hello")
    for name in ("empty.pth", "text.pth.tar", "text.safetensors", "zip.pth"):
        with pytest.raises(InputError, match=name):
            read_state(tmp_path / name)
    with pytest.raises(InputError, match="expected a safetensors file"):
        read_metadata(tmp_path / "text.safetensors")


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_damage_anywhere_is_one_line_or_still_weights(tmp_path: Path, kind: str) -> None:
    whole = tmp_path / ("whole.safetensors" if kind == "safetensors" else "whole.pth.tar")
    if kind == "safetensors":
        save_safetensors(whole, made_state())
    else:
        content = {"model_state_dict": made_state()}
        torch.save(content, whole, _use_new_zipfile_serialization=kind == "zip")
    original, dice = whole.read_bytes(), random.Random(0)
    path = whole.with_name(f"damaged{''.join(whole.suffixes)}")
    refused = 0
    for case in range(300):
        content_bytes = bytearray(original)
        if case < 100:
            content_bytes = content_bytes[: case * len(original) // 100]
        else:
            for _ in range(dice.choice([1, 2, 8])):
                content_bytes[dice.randrange(len(original))] = dice.randrange(256)
        path.write_bytes(content_bytes)
        try:
            state = read_state(path)
        except InputError as error:
            assert "damaged" in str(error) and "\n" not in str(error)
            refused += 1
        else:
            assert case >= 100 and state  # a flipped bit of a weight is a weight
    assert refused >= 150


def made_network() -> nn.Module:
    return nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))


def test_load_into_copies_and_reports_what_is_unused() -> None:
    source, target = made_network(), made_network()
    state = {**source.state_dict(), "fc.weight": torch.zeros(1), "aux.bias": torch.zeros(1)}
    del state["1.num_batches_tracked"]  # files older than the counter
    assert load_into(target, state, "file.pth") == ["aux.bias", "fc.weight"]
    assert torch.equal(target.state_dict()["0.weight"], source.state_dict()["0.weight"])
    with pytest.raises(InputError, match=r"file\.pth: holds aux\.bias, fc\.weight"):
        load_into(target, state, "file.pth", unused_ok=False)


def test_load_into_names_what_is_missing_or_of_another_shape() -> None:
    network = made_network()
    before = {key: tensor.clone() for key, tensor in network.state_dict().items()}
    state = {key: torch.ones_like(tensor) for key, tensor in network.state_dict().items()}
    wrong = {**state, "0.weight": torch.zeros(2, 1, 5, 5)}
    expected = r"f: 0\.weight: found shape \(2, 1, 5, 5\), expected \(2, 1, 3, 3\)"
    with pytest.raises(InputError, match=expected):
        load_into(network, wrong, "f")
    del state["0.weight"]
    with pytest.raises(InputError, match=r"f: misses 0\.weight of 7"):
        load_into(network, state, "f")
    with pytest.raises(InputError, match=r"misses 0\.weight, 0\.bias, 1\.weight and 3 more"):
        load_into(network, {"other": torch.zeros(1)}, "another network's file")
    assert_equal(network.state_dict(), before)
