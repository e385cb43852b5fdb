"""One optimisation step of any method: views, features, losses, gradients, Adam.

The views of a step are encoded one after the other, in the plain form and in the one that caches
gradients, so that batch normalisation sees one view of the batch at a time in both. On a CPU the
views of pictures and those of sounds can be on a thread each, since they go through networks of
their own: every sum is made in the same order, so the bits are the same, and two cores are worth
more to two networks than to the threads of one small convolution. The loss is on one thread then,
and the next step's views are made beside it.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from pipeline.methods.contract import Dice, Features, Method, Moment, View
from pipeline.networks import ranks
from pipeline.networks.device import has_bfloat16
from pipeline.train.ahead import Ahead
from pipeline.train.batches import Batch
from pipeline.train.schedule import learning_rate
from pipeline.train.settings import Train

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def on_device(recipe: Train, device: torch.device) -> Train:
    """A recipe with the precision that `native` is on a device."""
    if recipe.precision != "native":
        return recipe
    return replace(recipe, precision="bfloat16" if has_bfloat16(device) else "float32")


class Prepared(NamedTuple):
    """What a step begins with: the views of a batch, its random numbers, where the run stands."""

    views: dict[str, View]
    dice: Dice
    moment: Moment


class Stepper:
    """A method's optimiser and what a step does with a batch."""

    def __init__(
        self,
        method: Method,
        recipe: Train,
        seed: int,
        device: torch.device,
        *,
        side_by_side: bool = False,
    ) -> None:
        """`method` is in training mode on `device`, which the batches are brought to.

        `side_by_side` has pictures and sounds on a thread each, of a CPU alone, where one process
        trains in the plain form."""
        self.method, self.seed, self.device = method, seed, device
        self.recipe = recipe = on_device(recipe, device)
        self.optimiser = torch.optim.Adam(
            method.parameter_groups(recipe.learning_rate),
            lr=recipe.learning_rate,
            weight_decay=recipe.weight_decay,
            fused=device.type == "cuda" or None,  # one launch in place of a dozen
        )
        # A method may learn one part faster than another: each group keeps its share of the rate.
        self._shares = [g["lr"] / recipe.learning_rate for g in self.optimiser.param_groups]
        self.scaler = torch.amp.GradScaler(device.type, enabled=recipe.precision == "float16")
        self._encode: Callable[[View], Features] = method.encode
        if recipe.compile:
            ranks.leave_uncompiled(method)
            # Frames and sounds have one shape each, and are compiled for it.
            self._encode = torch.compile(method.encode, dynamic=False)
        plain = not (recipe.compile or recipe.cache_gradients) and ranks.count() == 1
        self._pool = (
            ThreadPoolExecutor(3, "step")  # pictures, sounds, the next views
            if side_by_side and plain and device.type == "cpu"
            else None
        )
        self._ahead: Ahead[Prepared] | None = None

    def step(self, batch: Batch, moment: Moment) -> Tensor:
        """Prepare and take a step on a batch of `pipeline.train.batches.TrainingSet`."""
        return self.take(self.prepare(batch, moment))

    def prepare(self, batch: Batch, moment: Moment) -> Prepared:
        """The views of a batch, for which no weight is asked."""
        dice = Dice(self.seed, moment.step, ranks.rank(), ranks.count(), moment.epoch)
        return Prepared(self.views(batch, dice), dice, moment)

    def prepared(self, batches: Iterable[Batch], moments: Iterable[Moment]) -> Iterator[Prepared]:
        """Each step, prepared; side by side that is done beside the loss of the step before, and
        so is the loading of its batch, where no process of its own does it."""
        steps = (self.prepare(*both) for both in zip(batches, moments, strict=True))
        if self._pool is None:
            return steps
        self._ahead = Ahead(steps, self._pool)
        return self._ahead

    def take(self, prepared: Prepared) -> Tensor:
        """Train on a prepared step.

        Returns (1 + parts,): the loss and its parts, the mean over all ranks, not yet waited for.
        """
        views, dice, moment = prepared
        rate = learning_rate(
            self.recipe.schedule, self.recipe.learning_rate, moment.step, moment.steps
        )
        self.method.before_step(moment)
        for group, share in zip(self.optimiser.param_groups, self._shares, strict=True):
            group["lr"] = share * rate
        self.optimiser.zero_grad(set_to_none=True)
        losses = self.backward(views, dice, moment)
        ranks.average([p.grad for p in self.method.parameters() if p.grad is not None])
        ranks.average([losses])
        self.scaler.step(self.optimiser)
        self.scaler.update()
        return losses

    def views(self, batch: Batch, dice: Dice) -> dict[str, View]:
        """The method's views of a batch, on the device and in the networks' layout."""
        inputs = {key: part.to(self.device, non_blocking=True) for key, part in batch.items()}
        views = self.method.views(inputs, dice)
        if not self.recipe.channels_last:
            return views
        return {
            name: view._replace(input=_channels_last(view.input)) for name, view in views.items()
        }

    def backward(self, views: Mapping[str, View], dice: Dice, moment: Moment) -> Tensor:
        """Add the gradients of the loss of these views to the parameters (times the scaler's
        factor); returns the loss and its parts, (1 + parts,), of this rank."""
        if self._pool is not None:
            return self._side_by_side(self._pool, views, dice, moment)
        if not self.recipe.cache_gradients:
            features = {name: self._features(view) for name, view in views.items()}
            return self._loss_backward(features, dice, moment)
        # Gradient caching: features without a graph, their gradients by the loss, and then one
        # view's graph at a time, so that the activations of one view are held instead of all.
        with torch.no_grad():
            features = {name: self._features(view) for name, view in views.items()}
        learned = [name for name, view in views.items() if not view.momentum]
        for name in learned:
            for part in _parts(features[name]):
                part.requires_grad_()
        losses = self._loss_backward(features, dice, moment)
        buffers = [buffer.clone() for buffer in self.method.buffers()]
        for name in learned:
            _pass_back(_parts(self._features(views[name])), _parts(features[name]))
        for buffer, before in zip(self.method.buffers(), buffers, strict=True):
            buffer.copy_(before)  # the running statistics count every view once
        return losses

    def _side_by_side(
        self, pool: ThreadPoolExecutor, views: Mapping[str, View], dice: Dice, moment: Moment
    ) -> Tensor:
        """`backward` with a thread for the sounds and one for all other views."""
        heard = [name for name, view in views.items() if view.modality == "sound"]
        groups = [[name for name in views if name not in heard], heard]

        def encode(names: list[str]) -> dict[str, Features]:
            return {name: self._features(views[name]) for name in names}

        made: dict[str, Features] = {}
        for part in pool.map(encode, groups):
            made |= part
        learned = {name for name, view in views.items() if not view.momentum}
        features = {name: _leaves(made[name]) if name in learned else made[name] for name in views}
        if self._ahead is not None:
            self._ahead.begin()
        losses = self._loss_backward(features, dice, moment)

        def pass_back(names: list[str]) -> None:
            learnt = [name for name in names if name in learned]
            _pass_back(
                [part for name in learnt for part in _parts(made[name])],
                [leaf for name in learnt for leaf in _parts(features[name])],
            )

        list(pool.map(pass_back, groups))
        return losses

    def state_dict(self) -> dict[str, Any]:
        """The optimiser's and the loss scaler's state."""
        return {"optimiser": self.optimiser.state_dict(), "scaler": self.scaler.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue from `state_dict`'s."""
        self.optimiser.load_state_dict(state["optimiser"])
        self.scaler.load_state_dict(state["scaler"])

    def _features(self, view: View) -> Features:
        dtype = PRECISIONS[self.recipe.precision]
        half = dtype is not torch.float32
        with (
            torch.autocast(self.device.type, dtype, enabled=half),
            torch.set_grad_enabled(torch.is_grad_enabled() and not view.momentum),
        ):
            return self._encode(view)

    def _loss_backward(
        self, features: Mapping[str, Features], dice: Dice, moment: Moment
    ) -> Tensor:
        found = self.method.loss(features, dice, moment)
        parts = [found[name] for name in self.method.parts]
        loss = parts[0]
        for part in parts[1:]:
            loss = loss + part
        self.scaler.scale(loss).backward()
        return torch.stack([loss.detach(), *(part.detach() for part in parts)])


def _parts(features: Features) -> tuple[Tensor, ...]:
    return (features,) if isinstance(features, Tensor) else features


def _pass_back(parts: Sequence[Tensor], leaves: Sequence[Tensor]) -> None:
    """Pass the gradients that the loss has left in `leaves` back through the same features; a part
    that the loss does not use has none."""
    used = [(x, leaf.grad) for x, leaf in zip(parts, leaves, strict=True) if leaf.grad is not None]
    if used:
        torch.autograd.backward([x for x, _ in used], [gradient for _, gradient in used])


def _leaves(features: Features) -> Features:
    """The same features, where a backward pass ends and leaves its gradients."""
    parts = tuple(part.detach().requires_grad_() for part in _parts(features))
    return parts[0] if isinstance(features, Tensor) else parts


def _channels_last(images: Tensor) -> Tensor:
    if images.ndim != 4:
        return images
    return images.contiguous(memory_format=torch.channels_last)
