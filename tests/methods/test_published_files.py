"""The authors' weight files in their real form: names, prefixes and what lies beside the weights,
as their scripts save them; and what they give here against torchvision's layers."""

import itertools
from pathlib import Path

import pytest
import torch
from made_published import FULL, METHODS, NARROW, SAME, made_networks, save_published

from pipeline.base.params import Parameters
from pipeline.clips.sound_form import SoundForm
from pipeline.errors import InputError
from pipeline.methods.common.anyone import open_anyones
from pipeline.methods.common.files import method_in, open_weights, save_weights
from pipeline.methods.contract import Method, load_method, method_name, method_names
from pipeline.networks.weights import read_state

ROOT = Path(__file__).resolve().parents[2]
BINS = 257


@pytest.fixture(autouse=True)
def _in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where params.yaml is, whose section `paper` says what a published file is fed."""
    monkeypatch.chdir(ROOT)


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A narrow file of each method."""
    folder = tmp_path_factory.mktemp("files")
    return {name: save_published(folder, name, made_networks(name)) for name in METHODS}


def asked(method: Method) -> tuple[torch.Tensor, torch.Tensor]:
    """Two tested frames of the network's side, and two stored sounds."""
    generator = torch.Generator().manual_seed(1)
    shape = (2, method.side, method.side, 3)
    frames = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    sounds = 4 * torch.randn(2, method.steps, BINS, generator=generator) - 8
    return frames, sounds.half()


@pytest.mark.parametrize("name", METHODS)
def test_a_full_file_gives_the_published_maps(name: str, tmp_path: Path) -> None:
    """Of ResNet-18s at 224 px, fed as the paper's section of params.yaml says."""
    networks = made_networks(name, FULL, seed=3)
    method = open_anyones(save_published(tmp_path, name, networks), name)
    assert method_name(method) == name and not method.training
    assert method.settings.blocks == [2, 2, 2, 2] and method.settings.channels == list(FULL)
    assert tuple(method.settings.strides) == networks.strides
    frames, sounds = asked(method)
    with torch.no_grad():
        found = method.maps(method.frame_features(frames), method.sound_features(sounds))
    expected = networks.maps(frames, sounds)
    assert expected.shape[1:] == ((14, 14) if networks.strides[-1] == 1 else (7, 7))
    assert float(expected.std()) > 1e-3  # the maps are no constants
    torch.testing.assert_close(found.double(), expected, atol=1e-5, rtol=0)


def test_the_momentum_copies_of_slavc_answer_where_they_are_asked(files: dict[str, Path]) -> None:
    networks = made_networks("slavc")
    kind = load_method("slavc")
    form = Parameters().read("paper.forms.slavc", SoundForm)
    settings = kind.Settings(momentum_at_test=True)
    method = open_weights(files["slavc"], "slavc", settings, form)
    frames, sounds = asked(method)
    with torch.no_grad():
        found = method.maps(method.frame_features(frames), method.sound_features(sounds))
    online = networks.maps(frames, sounds)
    for name in ("imgnet", "audnet", "img_proj1", "img_proj2", "aud_proj1", "aud_proj2"):
        setattr(networks, name, networks.get_submodule(f"momentum_{name}"))
    torch.testing.assert_close(found.double(), networks.maps(frames, sounds), atol=1e-5, rtol=0)
    assert float((found - online).abs().max()) > 0.01


def test_what_has_no_use_is_named(files: dict[str, Path]) -> None:
    stems = {f"{n}.{s}.weight" for n in ("imgnet", "audnet") for s in ("conv1_flow", "fc")}
    stems |= {"imgnet.conv1_a.weight", "audnet.conv1.weight", "imgnet.fc.bias", "audnet.fc.bias"}
    form = SoundForm()
    for name, further in (("lvs", ()), ("ssltie", ("conv3", "norm3", "vision_fc1"))):
        state = read_state(files[name])
        kind = load_method(name)
        _, unused = kind.read_published(state, kind.Settings(), form, "file")
        layers = {key for key in state if key.split(".")[0] in further}
        assert set(unused) == stems | layers
    for name in (*SAME, "slavc", "heartheflow"):
        kind = load_method(name)
        assert kind.read_published(read_state(files[name]), kind.Settings(), form, "file")[1] == []


@pytest.mark.parametrize("name", METHODS)
def test_a_file_of_another_method_is_one_line(name: str, files: dict[str, Path]) -> None:
    for other in METHODS:
        if other == name or {other, name} <= set(SAME):
            continue
        with pytest.raises(InputError) as caught:
            open_anyones(files[other], name)
        assert str(caught.value).startswith(f"{files[other]}: ") and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("asked_for", "held", "said"),
    [
        ("lvs", "ssltie", "holds the entries of ssltie, expected those of lvs"),
        ("alignment", "lvs", None),  # its own earlier files are as LVS's
        ("alignment", "ezvsl", "holds the entries of ezvsl, fnac or marginnce, expected those of"),
        ("ssltie", "lvs", "holds the entries of alignment or lvs, expected those of ssltie"),
        ("heartheflow", "slavc", "holds the entries of slavc, expected those of heartheflow"),
        ("hardpos", "fnac", "holds the entries of ezvsl, fnac or marginnce, expected those of"),
    ],
)
def test_whose_file_it_is_is_told(
    files: dict[str, Path], asked_for: str, held: str, said: str | None
) -> None:
    if said is None:
        assert method_name(open_anyones(files[held], asked_for)) == asked_for
        return
    with pytest.raises(InputError, match=said):
        open_anyones(files[held], asked_for)


@pytest.mark.parametrize("name", METHODS)
def test_a_truncated_file_is_one_line(name: str, files: dict[str, Path], tmp_path: Path) -> None:
    content = files[name].read_bytes()
    path = tmp_path / files[name].name
    for tenth in (0, 1, 5, 9):
        path.write_bytes(content[: len(content) * tenth // 10])
        with pytest.raises(InputError) as caught:
            open_anyones(path, name)
        assert str(caught.value).startswith(f"{path}: expected torch's weights, found a damaged")
        assert "\n" not in str(caught.value)


def test_a_file_without_a_layer_names_it(files: dict[str, Path], tmp_path: Path) -> None:
    for name, entry in itertools.product(METHODS, ("layer3.1.bn2.running_var", "layer2.0.conv1")):
        state = read_state(files[name])
        whole = next(key for key in state if key.startswith(f"audnet.{entry}"))
        del state[whole]
        path = tmp_path / "best.pth"
        torch.save({"model": state}, path)
        with pytest.raises(InputError, match=rf"best\.pth: .*audnet\.{entry}"):
            open_anyones(path, name)


def test_entries_tell_the_method_or_that_they_cannot(
    files: dict[str, Path], tmp_path: Path
) -> None:
    assert method_in(files["slavc"]) == "slavc"
    assert method_in(files["ssltie"]) == "ssltie"
    for name in SAME:
        message = (
            r"the entries of ezvsl, fnac or marginnce have the same names, "
            r"expected --method ezvsl, fnac or marginnce"
        )
        with pytest.raises(InputError, match=message):
            open_anyones(files[name])
    with pytest.raises(InputError, match="expected --method alignment or lvs"):
        open_anyones(files["lvs"])
    # The paper's later files differ from LVS's by the projections, which are linear.
    state = {**read_state(files["lvs"]), "img_proj.weight": torch.ones(10, 10)}
    state |= {"img_proj.bias": torch.ones(10), "aud_proj.bias": torch.ones(10)}
    torch.save({"model_state_dict": {**state, "aud_proj.weight": torch.ones(10, 10)}}, path := (
        tmp_path / "ours.pth.tar"
    ))  # fmt: skip
    assert method_in(path) == "alignment"
    assert method_name(open_anyones(path)) == "alignment"
    torch.save({"encoder.weight": torch.ones(2)}, path)
    with pytest.raises(InputError, match="of no method's published file, expected --method align"):
        open_anyones(path)
    # Ours says itself what it is.
    save_weights(tmp_path / "own.safetensors", open_anyones(files["fnac"], "fnac"))
    assert method_in(tmp_path / "own.safetensors") == "fnac"
    assert method_name(open_anyones(tmp_path / "own.safetensors")) == "fnac"


@pytest.mark.parametrize("name", ["attention10k", "dmc", "dsol"])
def test_the_group_of_three_is_told_apart(name: str) -> None:
    kind = load_method(name)
    words = {*kind.layers, "visual_net", "audio_net", "fc_av"}  # type: ignore[attr-defined]
    state = {f"{word}.weight": torch.ones(1) for word in words}
    assert [n for n in method_names() if load_method(n).is_published(state)] == [name]
    own = {key.split(".")[0] for key in kind(kind.Settings(channels=list(NARROW)), SoundForm())
           .state_dict()} - {"imgnet", "audnet"}  # type: ignore[call-arg]  # fmt: skip
    assert own == kind.layers  # type: ignore[attr-defined]
