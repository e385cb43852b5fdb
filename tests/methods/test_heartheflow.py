"""HearTheFlow without flow: LVS's published loss, an image network that never learns, and the
contract of a method."""

from pathlib import Path

import numpy as np
import pytest
import torch
from contract_checks import (
    FORM,
    SMALL,
    backward,
    check_answers,
    check_cached_gradients,
    check_compile,
    check_kill_and_resume,
    check_ranks,
    check_step,
    made_batch,
    maker,
)

from pipeline.errors import InputError
from pipeline.methods.contract import Dice, Moment
from pipeline.methods.heartheflow import METHOD

MAKE = maker("heartheflow")


def test_loss_gradients_and_map_are_lvs_s_published_ones() -> None:
    golden = np.load(Path(__file__).parent / "goldens/lvs.npz")
    v, a = (torch.from_numpy(golden[f"relu_{name}"]).requires_grad_() for name in ("v", "a"))
    loss = MAKE().loss({"v": v, "a": a}, Dice(0, 0), Moment(0, 1, 0, 1))["contrastive"]
    assert float(loss.detach()) == pytest.approx(float(golden["relu_loss"]), abs=1e-5)
    loss.backward()
    for name, found in (("v", v.grad), ("a", a.grad)):
        np.testing.assert_allclose(found, golden[f"relu_grad_{name}"], atol=1e-5)
    maps = MAKE().maps(v.detach(), a.detach())
    np.testing.assert_allclose(maps, golden["relu_map"], atol=1e-5)


def test_the_image_network_never_learns_and_is_normalised_by_the_batch() -> None:
    method = MAKE()
    before = {name: tensor.clone() for name, tensor in method.imgnet.state_dict().items()}
    _, gradients, _ = backward(method)
    assert gradients and all(name.startswith("audnet.") for name in gradients)
    for name, tensor in method.imgnet.state_dict().items():
        still = torch.equal(tensor, before[name])
        assert still == (not name.endswith(("running_mean", "running_var", "tracked"))), name
    batch = made_batch(method)
    view = method.views(batch, Dice(0, 0))["v"]
    pre_relu: list[torch.Tensor] = []
    method.imgnet.bn1.register_forward_hook(lambda *given: pre_relu.append(given[2].clone()))
    method.encode(view)
    shift = method.imgnet.bn1.bias
    torch.testing.assert_close(pre_relu[0].mean(dim=(0, 2, 3)), shift, atol=1e-5, rtol=0)


def test_a_file_with_flow_is_refused_and_one_without_is_read() -> None:
    method = MAKE().eval()
    state = method.state_dict()
    read, unused = METHOD.read_published(state, method.settings, FORM, "best.pth")
    assert unused == []
    assert all(torch.equal(read.state_dict()[name], state[name]) for name in state)
    flow = {**state, "flowatt.query_conv.bias": torch.ones(1)}
    with pytest.raises(InputError, match=r"best\.pth: holds flowatt\.query_conv\.bias, expected"):
        METHOD.read_published(flow, method.settings, FORM, "best.pth")


def test_the_published_map_has_all_strides() -> None:
    with torch.device("meta"):
        assert METHOD(METHOD.Settings(), FORM).map_size() == (7, 7)
    assert METHOD.label(METHOD.Settings()) == "without flow"


def test_a_step() -> None:
    check_step(MAKE)


def test_cached_gradients() -> None:
    check_cached_gradients(MAKE)


def test_compiled() -> None:
    check_compile(MAKE)


def test_kill_and_resume(tmp_path: Path) -> None:
    check_kill_and_resume(MAKE, tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_ranks("heartheflow", SMALL, tmp_path)


def test_answers(tmp_path: Path) -> None:
    check_answers(MAKE, tmp_path)
