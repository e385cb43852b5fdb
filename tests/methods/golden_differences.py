"""How far each method is from the numbers that its published functions gave: the greatest
difference of its losses, gradients and maps, as a share of the largest entry of the array compared.

`pytest -n 0 -s -k table tests/methods/test_golden_differences.py` prints the table. What an array
of `goldens/*.npz` is stands in the methods' own tests, which compare more of them, and whose ways
of filling a method are used here.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import test_alignment
import test_attention10k
import test_attention10k_2018
import test_dmc
import test_dsol
import test_ezvsl
import test_fnac
import test_hardpos
import test_heartheflow
import test_marginnce
import test_slavc
import test_ssltie
import test_sspl
import torch
from contract_checks import FIRST, FORM, SMALL, maker
from golden_numbers import read_golden
from pair_goldens import Pairs, loss_of
from projection_goldens import projection_gradients
from torch import Tensor
from torch.nn.functional import adaptive_max_pool2d

from pipeline.methods.contract import Dice, Method, Moment
from pipeline.methods.lvs import LVS, LVSSettings

KINDS = ("loss", "gradient", "map")
ROOT = Path(__file__).resolve().parents[2]
LATER = Moment(50, 300, 5, 30)

# One of `KINDS`, what ours gives, and what the published functions gave.
Compared = Iterator[tuple[str, Tensor | None, Tensor]]


def apart(found: Tensor | None, expected: Tensor) -> float:
    """The greatest difference, as a share of the largest entry expected."""
    assert found is not None and found.shape == expected.shape, (found, expected.shape)
    largest = float(expected.double().abs().max())
    return float((found.detach().double() - expected.double()).abs().max()) / largest


def greatest(name: str, *, double: bool = False) -> dict[str, float]:
    """Of a method and each of `KINDS` the greatest difference of all arrays, in float32 as methods
    compute, or in float64, which leaves what formulas and references differ by."""
    found: dict[str, float] = {}
    with in_float64() if double else nullcontext():
        for kind, ours, theirs in COMPARED[name]():
            found[kind] = max(found.get(kind, 0.0), apart(ours, theirs))
    return found


@contextmanager
def in_float64() -> Iterator[None]:
    """What methods and references are in float32 is in float64."""
    from_numpy, before = torch.from_numpy, torch.get_default_dtype()

    def doubled(array: np.ndarray) -> Tensor:
        tensor = from_numpy(array)
        return tensor.double() if tensor.is_floating_point() else tensor

    with (
        patch.object(torch, "from_numpy", doubled),
        patch.object(Tensor, "float", Tensor.double),
    ):
        torch.set_default_dtype(torch.float64)
        try:
            yield
        finally:
            torch.set_default_dtype(before)


def total(parts: Mapping[str, Tensor]) -> Tensor:
    """The loss that is minimised."""
    return torch.stack(list(parts.values())).sum()


def _alignment() -> Compared:
    golden, weights, maps = test_alignment._kccv()
    method = test_alignment._of_golden(weights)
    features = test_alignment._features(maps)
    parts = method.loss(features, Dice(0, 0), FIRST)
    yield "loss", parts["localization"], golden["losses"][:9].sum()
    yield "loss", parts["alignment"], golden["losses"][9:].sum()
    yield "loss", total(parts), golden["loss"]
    total(parts).backward()
    yield "gradient", maps["v"].grad, golden["grad_org_v"]
    yield "gradient", maps["a_aug"].grad, golden["grad_aug_a_map"]
    for ours, theirs in (("image_projection", "w_v"), ("audio_projection", "w_a")):
        yield "gradient", method.get_parameter(f"{ours}.0.weight").grad, golden[f"grad_{theirs}"]
    yield "map", method.maps(features["v"], features["a"]), golden["map"]
    golden, weights, maps = test_alignment._second()
    method = test_alignment._of_golden(weights)
    features = test_alignment._features(maps)
    loss = total(method.loss(features, Dice(0, 0), FIRST))
    yield "loss", loss, golden["loss"]
    loss.backward()
    yield "gradient", maps["v"].grad, golden["grad_v_plain"]
    yield "map", method.maps(features["v"], features["a"]), golden["A"][:, 0]


def _lvs_of(method: Method, cases: tuple[str, ...]) -> Compared:
    golden = read_golden("lvs")
    for case in cases:
        features: dict[str, Any] = {n: golden[f"{case}_{n}"].requires_grad_() for n in ("v", "a")}
        loss = total(method.loss(features, Dice(0, 0), FIRST))
        yield "loss", loss, golden[f"{case}_loss"]
        loss.backward()
        for name, leaf in features.items():
            yield "gradient", leaf.grad, golden[f"{case}_grad_{name}"]
        maps = method.maps(features["v"], features["a"])
        yield "map", maps, golden[f"{case}_map"]


def _lvs() -> Compared:
    for own_negative, cases in ((True, ("relu", "quirk")), (False, ("relu",))):
        settings = LVSSettings(**SMALL, own_negative=own_negative)
        yield from _lvs_of(LVS(settings, FORM, seed=1), cases)


def _heartheflow() -> Compared:
    yield from _lvs_of(maker("heartheflow")(), ("relu",))
    for variant in ("cnn", "maxpool"):
        golden = test_heartheflow.Golden(variant)
        loss = golden.loss()
        yield "loss", loss, golden.named["loss"]
        loss.backward()
        found = golden.gradients()
        del found["w_key_conv.bias"]  # 0 but for rounding: a softmax does not feel what all have
        for name, gradient in found.items():
            yield "gradient", gradient, golden.named[f"grad_{name}"]
        yield "map", golden.maps(), golden.named["A"]


def _hardpos() -> Compared:
    golden = read_golden("hardpos")
    for tau in (1.0, 0.07):
        method = maker("hardpos", {**test_hardpos.SETTINGS, "temperature": tau})()
        names = test_hardpos.NAMES
        features: dict[str, Any] = {n: golden[n].clone().requires_grad_() for n in names}
        loss = total(method.loss(features, Dice(0, 0), FIRST))
        yield "loss", loss, golden[f"tau{tau}_loss"]
        loss.backward()
        for name in names:
            if f"tau{tau}_grad_{name}" in golden:
                yield "gradient", features[name].grad, golden[f"tau{tau}_grad_{name}"]
    yield "map", method.maps(golden["v"], golden["a"]), golden["map"]


def _ezvsl() -> Compared:
    golden = read_golden("ezvsl")
    method = test_ezvsl._of_golden(golden)
    leaves = {name: golden[name].requires_grad_() for name in ("v", "a")}
    x, y = method.img_proj(leaves["v"]), method.aud_proj(leaves["a"])
    loss = total(method.loss({"v": x, "a": y}, Dice(0, 0), FIRST))
    yield "loss", loss, golden["loss"]
    loss.backward()
    for name, found in {
        "v": leaves["v"].grad,
        "a": leaves["a"].grad,
        **projection_gradients(method),
    }.items():
        yield "gradient", found, golden[f"grad_{name}"]
    yield "map", method.maps(x, y), golden["map"]


def _fnac() -> Compared:
    golden = read_golden("fnac")
    for case in ("plain", "dropout"):
        method, losses, leaves = test_fnac._losses(golden, case, LATER)
        loss = total(losses)
        yield "loss", loss, golden[f"{case}_loss"]
        loss.backward()
        found = {**{n: leaf.grad for n, leaf in leaves.items()}, **projection_gradients(method)}
        for name, gradient in found.items():
            if f"{case}_grad_{name}" in golden:
                yield "gradient", gradient, golden[f"{case}_grad_{name}"]
    kept = golden["dropout_dropout_mask"]
    v = test_fnac.drop(golden["v"], kept, test_fnac.GOLDEN_DROPOUT)
    maps = method.maps(method.img_proj(v), method.aud_proj(golden["a"]))
    yield "map", maps, golden["dropout_map"]


def _marginnce() -> Compared:
    golden = read_golden("marginnce")
    for pooling, named in test_marginnce.POOLINGS.items():
        for tau in (0.03, 0.07):
            for anchor, row in test_marginnce.ROWS.items():
                changes = {"pooling": pooling, "temperature": tau, "anchor": anchor}
                method = test_marginnce._of_golden(golden, **changes)
                leaves = {n: golden[n].clone().requires_grad_() for n in ("v", "a")}
                x, y = method.img_proj(leaves["v"]), method.aud_proj(leaves["a"])
                loss = total(method.loss({"v": x, "a": y}, Dice(0, 0), FIRST))
                yield "loss", loss, golden[f"{named}_tau{tau}_{row}"]
                loss.backward()
                for name, leaf in leaves.items():
                    kind = test_marginnce.GRADIENTS.get(anchor)
                    expected = golden.get(f"{named}_tau{tau}_grad_{kind}_{name}")
                    if expected is not None:
                        yield "gradient", leaf.grad, expected
    yield "map", method.maps(x, y), golden["map"]


def _slavc() -> Compared:
    golden = read_golden("slavc")
    method = test_slavc._of_golden(golden)
    leaves = {name: golden[name].requires_grad_() for name in ("v", "a")}
    for case in ("plain", "dropout"):
        features = test_slavc._features(method, golden, case == "dropout")
        parts = method.loss(features, Dice(0, 0), FIRST)
        yield "loss", total(parts), golden[f"{case}_loss"]
        yield "map", method.maps(features["v"], features["a"]), golden[f"{case}_map_online"]
    total(parts).backward()
    for name, leaf in leaves.items():
        yield "gradient", leaf.grad, golden[f"dropout_grad_{name}"]
    for space in "12":
        for name, gradient in projection_gradients(method, space).items():
            yield "gradient", gradient, golden[f"dropout_grad_{name}"]


def _ssltie() -> Compared:
    golden = read_golden("ssltie")
    method = test_ssltie._method(side=224)
    turn = test_ssltie._turn("half")
    method._turn = lambda dice, clips: turn  # type: ignore[method-assign]
    v, sounds, turned = (golden[n].requires_grad_() for n in ("v", "a", "half_v_ts"))
    features = {"v": v, "turned": turned, "a": adaptive_max_pool2d(sounds, 1).flatten(1)}
    parts = method.loss(features, Dice(0, 0), FIRST)
    yield "loss", parts["contrastive"], (golden["loss_cl"] + golden["half_loss_cl_ts"]) / 2
    yield "loss", parts["equivariance"], golden["half_loss_ts"]
    yield "loss", total(parts), golden["half_loss"]
    total(parts).backward()
    yield "gradient", v.grad[:, ::8], golden["half_grad_v"]
    yield "gradient", sounds.grad, golden["half_grad_a"]
    yield "gradient", turned.grad[:, ::8], golden["half_grad_v_ts"]
    yield "map", method.maps(v, features["a"]), golden["A"][:, 0]


def _pairs(method: Any, pairs: Pairs, loss: Tensor, case: str = "") -> Compared:
    yield "loss", loss, pairs.array(f"{case}loss")
    loss.backward()
    assert pairs.own.grad is not None and pairs.other.grad is not None
    gradients = pairs.arranged(pairs.own.grad, pairs.other.grad)
    yield "gradient", gradients, pairs.array(f"{case}grad_v_pairs")
    a = pairs.array(f"{case}grad_a_pairs")
    yield "gradient", pairs.sounds.grad, a[::2] + a[1::2]  # a sound stands in two of the pairs


def _attention10k() -> Compared:
    method, pairs = test_attention10k._golden()
    a = adaptive_max_pool2d(pairs.sounds, 1).flatten(1)
    yield from _pairs(method, pairs, loss_of(method, torch.cat([pairs.own, pairs.other]), a))
    maps = pairs.arranged(method.maps(pairs.own, a), method.maps(pairs.other, a))
    yield "map", maps, pairs.array("attention")


def _attention10k_2018() -> Compared:
    method, array = test_attention10k_2018._method(), test_attention10k_2018._array
    features = test_attention10k_2018._leaves()
    loss = total(method.loss(features, Dice(0, 0), FIRST))
    yield "loss", loss, array("loss")
    loss.backward()
    for name, gradient in test_attention10k_2018._gradients(method, features).items():
        yield "gradient", gradient, array(name)
    yield "map", method.maps(array("v"), array("sound")), array("attention")


def _dmc() -> Compared:
    layer = test_dmc._layer
    for centres in ((2, 1), (4, 2)):
        method, pairs, case = test_dmc._golden(centres)
        frames = layer(method.fc_v_1, torch.cat([pairs.own, pairs.other]))
        sounds = layer(method.fc_a_1, pairs.sounds)
        yield from _pairs(method, pairs, loss_of(method, frames, sounds), case)
        seen = [method.frame_centres(layer(method.fc_v_1, v)) for v in (pairs.own, pairs.other)]
        maps = pairs.arranged(*(assignments for _, assignments in seen))
        yield "map", maps, pairs.array(f"{case}assignment")


def _dsol() -> Compared:
    method, pairs = test_dsol._golden()
    a = method.projected_sounds(adaptive_max_pool2d(pairs.sounds, 1).flatten(1))
    own, other = (method.projected_positions(v) for v in (pairs.own, pairs.other))
    yield from _pairs(method, pairs, loss_of(method, torch.cat([own, other]), a))
    maps = pairs.arranged(method.maps(own, a), method.maps(other, a))
    yield "map", maps, pairs.array("map")[:, 0]


def _sspl(name: str, **changes: Any) -> Compared:
    golden = test_sspl.Golden(name, **changes)
    loss = golden.loss()
    yield "loss", loss, golden.array("loss")
    loss.backward()
    yield "gradient", golden.v1.grad[:, ::8], golden.array("grad_v1")
    yield "gradient", golden.sound.grad, golden.array("grad_sound")
    for key in golden.file.files:
        if key.startswith("grad_w_"):
            yield "gradient", golden.own[golden.named(key[7:])].grad, golden.array(key)
    golden = test_sspl.Golden(name, **changes)  # whose running statistics nothing has moved
    maps = golden.method.maps(golden.v1, golden.sound)
    yield "map", maps, golden.array("similarity1")


COMPARED: dict[str, Callable[[], Compared]] = {
    "alignment": _alignment,
    "attention10k": _attention10k,
    "attention10k_2018": _attention10k_2018,
    "dmc": _dmc,
    "dsol": _dsol,
    "ezvsl": _ezvsl,
    "fnac": _fnac,
    "hardpos": _hardpos,
    "heartheflow": _heartheflow,
    "lvs": _lvs,
    "marginnce": _marginnce,
    "slavc": _slavc,
    "ssltie": _ssltie,
    "sspl": partial(_sspl, "sspl"),
    "sspl_pcm": partial(_sspl, "sspl_pcm", pcm=True, cycles=4),
}


def table() -> str:
    """Markdown: each method, the lines of its file, its greatest differences, and in float64 the
    greatest of all kinds."""
    rows = ["| method | lines | loss | gradients | map | in float64 |", "|---|---|---|---|---|---|"]
    for name in COMPARED:
        lines = len((ROOT / f"pipeline/methods/{name}.py").read_text().splitlines())
        found = greatest(name)
        differences = " | ".join(f"{found[kind]:.1e}" for kind in KINDS)
        exact = max(greatest(name, double=True).values())
        rows.append(f"| `{name}` | {lines} | {differences} | {exact:.1e} |")
    return "\n".join(rows)
