"""Weight files from strangers: nothing in them runs, fills the memory, or is taken for another."""

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from made_method import small_method
from outcomes import Outcomes
from torch import Tensor

from pipeline.clips.sound_form import SoundForm
from pipeline.encoders.imagenet import image_encoder
from pipeline.encoders.vggsound import AudioEncoder, audio_encoder
from pipeline.methods.common.files import load_weights, open_weights, save_weights
from pipeline.networks.weights import read_metadata, read_state, save_safetensors, save_torch

pytestmark = pytest.mark.trust

Load = Callable[[Path], Any]
FORM = SoundForm(bands=16)
METHOD = small_method(FORM, 12)


class Code:
    """Pickles as a call that makes a folder."""

    def __init__(self, call: Callable[..., Any], argument: str) -> None:
        self.call, self.argument = call, argument

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call, (self.argument,)


def _image_state() -> dict[str, Tensor]:
    import timm

    network = timm.create_model(
        "resnet18", num_classes=0, layers=(1, 1, 1, 1), channels=(4, 6, 6, 6)
    )
    return network.state_dict()


def _bomb(whole: Path, path: Path) -> Path:
    """The same archive, its megabytes of zeros compressed to nothing."""
    with (
        zipfile.ZipFile(whole) as source,
        zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for entry in source.infolist():
            target.writestr(entry.filename, source.read(entry))
    return path


def _changed(state: dict[str, Tensor], key: str, tensor: Tensor) -> dict[str, Tensor]:
    return {**state, key: tensor}


def test_hostile_weights(tmp_path: Path) -> None:
    cases = Outcomes("weights")
    traces = tmp_path / "traces"
    traces.mkdir()
    torch.manual_seed(0)
    states: dict[str, dict[str, Tensor]] = {
        "localizer": METHOD.state_dict(),
        "sound": AudioEncoder((1, 1), (4, 6), stem=4, classes=3).state_dict(),
        "image": _image_state(),
    }
    published = {k: v for k, v in states["localizer"].items() if "projection" not in k}
    states["localizer"] = published
    loads: dict[str, Load] = {
        "localizer": lambda path: open_weights(path, "alignment", METHOD.settings, FORM),
        "sound": audio_encoder,
        "image": lambda path: image_encoder("resnet18", path),
    }

    def refused(case: str, load: Load, path: Path, says: str = "") -> None:
        cases.read(case, lambda: load(path), names=path, says=says)

    def torch_file(name: str, content: Any, zipped: bool = True) -> Path:
        path = tmp_path / name
        torch.save(content, path, _use_new_zipfile_serialization=zipped)
        return path

    for name, load in loads.items():
        state = states[name]
        whole = torch_file(f"{name}.pth.tar", {"state_dict": state})
        cases.read(f"{name}: whole", lambda p=whole, g=load: g(p), right=lambda made: True)
        old = torch_file(f"{name}.pt", {"state_dict": state}, zipped=False)
        cases.read(f"{name}: whole, old form", lambda p=old, g=load: g(p), right=lambda m: True)
        for zipped in (True, False):
            form = "zip" if zipped else "old form"
            for label, call in (("os.system", os.system), ("eval", eval), ("exec", exec)):
                argument = f"mkdir {traces}/{name}" if call is os.system else f"1/0 #{name}"
                content = {"state_dict": state, "x": Code(call, argument)}
                path = torch_file("code.pth", content, zipped)
                refused(f"{name}: {label} in a pickle, {form}", load, path, "could run code")
            path = torch_file("module.pth", torch.nn.Linear(2, 2), zipped)
            refused(f"{name}: a pickled module, {form}", load, path, "could run code")
        for suffix, source in (("pth.tar", whole), ("pt", old)):
            content = source.read_bytes()
            for tenth in range(10):
                path = tmp_path / f"cut.{suffix}"
                path.write_bytes(content[: len(content) * tenth // 10])
                refused(f"{name}: {tenth} tenths of .{suffix}", load, path)
        first = next(key for key in state if key.endswith("layer1.0.conv1.weight"))
        shape = tuple(state[first].shape)
        for label, tensor in (
            ("NaN", torch.full(shape, float("nan"))),
            ("infinity", torch.full(shape, float("inf"))),
            ("a wrong shape", torch.zeros(shape[0], shape[1], 1, 1)),
            ("a million channels", torch.zeros(1_000_000, 1, 1, 1)),
            ("a million channels of nothing", torch.zeros(1_000_000, 0, 1, 1)),
            ("a view of 10^12 over a number", torch.zeros(1).expand(10**12)),
            ("a sparse tensor", torch.eye(4).to_sparse()),
            ("a number", torch.tensor(3.0)),
        ):
            path = torch_file("changed.pth", _changed(state, first, tensor))
            refused(f"{name}: {label}", load, path)
        last = next(key for key in reversed(list(state)) if "conv2.weight" in key)
        path = torch_file("wide.pth", _changed(state, last, torch.zeros(1_000_000, 1, 1, 1)))
        refused(f"{name}: a last layer of a million channels", load, path)
        path = torch_file("missing.pth", {k: v for k, v in state.items() if k != last})
        refused(f"{name}: a layer is missing", load, path)
        path = torch_file("nested.pth", {"state_dict": {"a": {"b": torch.zeros(1)}}})
        refused(f"{name}: a dict in a dict", load, path)
        refused(f"{name}: a list", load, torch_file("list.pth", [torch.zeros(1)]))
        refused(f"{name}: nothing in it", load, torch_file("none.pth", {}))
        refused(f"{name}: absent", load, tmp_path / "absent.pth")
        large = {**state, "zeros": torch.zeros(2_000_000)}
        save_torch(tmp_path / "large.pth", large)
        path = _bomb(tmp_path / "large.pth", tmp_path / "bomb.pth")
        refused(f"{name}: a zip bomb", load, path, "declares")
        for other in states:
            if other != name:
                path = torch_file("other.pth", {"state_dict": states[other]})
                refused(f"{name}: the file of {other}", load, path)

    ours = tmp_path / "weights.safetensors"
    save_weights(ours, METHOD)
    cases.read("ours: whole", lambda: load_weights(ours), right=lambda made: True)
    content = ours.read_bytes()
    for tenth in range(10):
        path = tmp_path / "cut.safetensors"
        path.write_bytes(content[: len(content) * tenth // 10])
        refused(f"ours: {tenth} tenths", load_weights, path)
    metadata = read_metadata(ours)
    state = read_state(ours)
    path = tmp_path / "claims.safetensors"

    def claims(label: str, changed: dict[str, str], says: str = "") -> None:
        save_safetensors(path, state, changed)
        refused(f"ours: {label}", load_weights, path, says)

    for label, part, key, value in (
        ("a number of 400 digits", "settings", "k", 10**400),
        ("a billion blocks", "settings", "blocks", [10**9, 1]),
        ("a million channels", "settings", "channels", [4, 10**6]),
        ("a billion layers in p_v", "settings", "projection_layers", 10**9),
        ("4096 layers in p_v", "settings", "projection_layers", 4096),
        ("a stage more", "settings", "blocks", [1, 1, 1]),
        ("no stride", "settings", "strides", [0, 0]),
        ("channels in words", "settings", "channels", "many"),
        ("an unknown setting", "settings", "colour", "red"),
        ("an unknown pooling", "settings", "pooling", "median"),
        ("a side of -1", "settings", "side", -1),
        ("a side of NaN", "settings", "side", float("nan")),
        ("a window of -1 s", "settings", "seconds", -1.0),
        ("a window of 10^9 s", "settings", "seconds", 1e9),
        ("a million bands", "form", "bands", 10**6),
        ("a hop of 0", "form", "hop", 0),
        ("a window of 10^12 samples", "form", "window", 10**12),
        ("a sample rate in words", "form", "sample_rate", "high"),
    ):
        changed = json.loads(metadata[part])
        changed[key] = value
        claims(label, {**metadata, part: json.dumps(changed)})
    for part in ("settings", "form"):
        claims(f"no {part}", {key: text for key, text in metadata.items() if key != part}, part)
        claims(f"{part} that are no JSON", {**metadata, part: "not JSON"}, "cannot be read")
        claims(f"{part} in a list", {**metadata, part: "[]"}, "expected a mapping")
        claims(f"{part} nested 100000 deep", {**metadata, part: "[" * 100_000}, "cannot be read")
    for name in ("", "..", "contract", "common.files", "os", "a\n" * 5000):
        claims(f"the method {name[:20]!r}", {**metadata, "method": name}, "expected one of alignm")
    claims("no method", {}, "no method in the file's metadata")
    path = tmp_path / "text.safetensors"
    path.write_bytes((2**60).to_bytes(8, "little") + b"{}")
    refused("ours: a head of 2^60 bytes", load_weights, path)
    head = b'{"a":{"dtype":"F32","shape":[1000000000000],"data_offsets":[0,4000000000000]}}'
    path.write_bytes(len(head).to_bytes(8, "little") + head)
    refused("ours: a tensor beyond the file", load_weights, path)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(buffer.getvalue())
    refused("ours: a torch file called safetensors", load_weights, path)
    assert not list(traces.iterdir()), "something ran"
    cases.judge(at_least=120)
