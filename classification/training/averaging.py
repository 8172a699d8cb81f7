"""Averages of the weights along a training (`--average`), in fp32: of all steps, or of the last evaluations.

Izmailov et al. 2018 (arXiv 1803.05407) average checkpoints of one training, and Lu et al. 2022 (arXiv 2212.05956) do it
with pretrained language models. `torch.optim.swa_utils.AveragedModel` is not used: it copies the whole model, also what
is frozen, starts from the weights before the first step, and keeps no state in a checkpoint.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn
from transformers import Trainer, TrainerCallback

from classification.errors import UsageError
from classification.messages.log import Line, log_lines, warning
from classification.training.average_kind import Average
from classification.training.schedule import Schedule

FILE = "average.safetensors"  # of a checkpoint
FLOAT = 4  # bytes of a number in fp32

Weights = dict[str, torch.Tensor]  # by the name of the parameter


def trainable(model: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that train, tied ones once."""
    return {name: parameter for name, parameter in model.named_parameters() if parameter.requires_grad}


class WeightAverage(TrainerCallback):
    """The part that both kinds of average share: the sums, and their file in a checkpoint.

    Args:
        trainer: whose weights are averaged.
        choice: what was asked for. plan: what a resumed run must have in common with its checkpoint.

    Attributes:
        means: running averages; the result is their mean.
        count: how many weights have been averaged, after steps or at evaluations.
    """

    copies = 1  # of the weights, at most

    def __init__(self, trainer: Trainer, choice: Average, plan: str):
        self.trainer, self.choice, self.plan = trainer, choice, plan
        self.means: list[Weights] = []
        self.count = 0

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")

    @property
    def bytes(self) -> int:
        """In memory, and in each checkpoint."""
        return self.copies * FLOAT * sum(each.numel() for each in trainable(self.trainer.model).values())

    def blend(self, share: float) -> None:
        """Move the running average towards the current weights by this share; the first weights begin it."""
        current = trainable(self.trainer.model)
        if not self.means:
            self.means = [self.copy_of(current)]
            return
        mean = self.means[0]
        weights = [each.detach().to(self.device, torch.float32) for each in current.values()]
        get_ema_multi_avg_fn(1 - share)([mean[name] for name in current], weights, None)

    def copy_of(self, current: dict[str, nn.Parameter]) -> Weights:
        return {name: each.detach().to(self.device, torch.float32, copy=True) for name, each in current.items()}

    def weights(self) -> Weights:
        """The average, by the name of the parameter; empty before the first weights."""
        if len(self.means) < 2:
            return dict(self.means[0]) if self.means else {}
        return {name: torch.stack([mean[name] for mean in self.means]).mean(0) for name in self.means[0]}

    def save(self, folder: Path) -> None:
        """Write the state into a checkpoint."""
        tensors = {f"{number}.{name}": each for number, mean in enumerate(self.means) for name, each in mean.items()}
        state = json.dumps({"count": self.count, "plan": self.plan})  # one entry: several have no fixed order
        save_file(tensors, folder / FILE, metadata={"state": state})
        (folder / FILE).chmod((folder / "config.json").stat().st_mode)

    def load(self, folder: Path) -> None:
        """Go on with the state of a checkpoint; without one, a warning, and the average begins here."""
        if not (folder / FILE).is_file():
            log_lines([warning(f"--average {self.choice}: {folder} holds no average; it begins at its step")])
            return
        with safe_open(folder / FILE, "pt", device=str(self.device)) as file:
            facts = json.loads(file.metadata()["state"])
            if facts["plan"] != self.plan:
                log_lines([warning(f"--average: {folder} holds another one ({facts['plan']}); a new one begins")])
                return
            self.count, means = facts["count"], dict[int, Weights]()
            for key in file.keys():  # noqa: SIM118
                number, _, name = key.partition(".")
                means.setdefault(int(number), {})[name] = file.get_tensor(key).clone()
        self.means = [means[number] for number in sorted(means)]

    def describe(self) -> str:
        """What is averaged, in a few words."""
        raise NotImplementedError

    def summary(self) -> list[Line]:
        """Before training: what is averaged, and what it costs."""
        args, size = self.trainer.args, self.bytes / 1e6
        where = "memory" if args.save_strategy == "no" or args.save_only_model else "memory and in each checkpoint"
        shown = f"{size:,.0f}" if size >= 10 else f"{size:.2g}"
        return [Line("average", f"{self.describe()}; {shown} MB more in {where}")]


class StepAverage(WeightAverage):
    """An exponential moving average of the weights after each step, with a correction of its start.

    After t steps the average is the sum of (1 - d) d^(t - i) w_i over i = 1 to t, divided by 1 - d^t: the weights
    before the first step have no part in it (as in Adam, Kingma and Ba 2015). A step that the scaler of fp16 skips does
    not count.
    """

    def __init__(self, trainer: Trainer, choice: Average, steps: int):
        self.decay = choice.decay_for(steps)
        super().__init__(trainer, choice, str(choice))

    @property
    def device(self) -> torch.device:
        return self.trainer.args.device  # it is read and written at each step

    def on_step_end(self, args, state, control, **kwargs):
        if self.trainer.accelerator.optimizer_step_was_skipped:
            return
        self.count += 1
        self.blend((1 - self.decay) / (1 - self.decay**self.count))

    def describe(self) -> str:
        return f"exponential moving average of the weights, decay {self.decay:.6g}"


class EvaluationAverage(WeightAverage):
    """The mean of the weights at the last evaluations.

    Where early stopping may end the training, nobody knows which evaluations are the last ones, and each one's weights
    are kept. Else a running mean of the right ones is enough. `--save_total_limit` changes neither.

    Args:
        total: evaluations of the training. may_stop: whether early stopping may end it before.
    """

    def __init__(self, trainer: Trainer, choice: Average, total: int, *, may_stop: bool):
        self.may_stop = may_stop
        self.skipped = 0 if may_stop else total - choice.evaluations
        super().__init__(trainer, choice, f"{choice} after {self.skipped}")
        self.copies = choice.evaluations if may_stop else 1

    def on_evaluate(self, args, state, control, **kwargs):
        done = sum("eval_runtime" in entry and entry["step"] > 0 for entry in state.log_history)
        if not self.trainer.is_in_train or not state.global_step or done <= self.skipped:
            return
        self.count += 1
        if self.may_stop:
            recent = self.means[1 - self.choice.evaluations :]
            self.means = [*recent, self.copy_of(trainable(self.trainer.model))]
        else:
            self.blend(1 / self.count)

    def describe(self) -> str:
        return f"mean of the weights at the last {self.choice.evaluations} evaluations"


def attach_average(trainer: Trainer, choice: Average, schedule: Schedule, patience: int | None) -> WeightAverage:
    """Let a trainer average its weights, and keep the state of the average in its checkpoints.

    Raises:
        UsageError: the model has running statistics, which belong to one set of weights.
    """
    for name, layer in trainer.model.named_modules():
        if isinstance(layer, nn.modules.batchnorm._NormBase):
            raise UsageError(
                f"--average {choice}: {name} keeps statistics of its inputs ({type(layer).__name__}), which do not fit "
                "averaged weights. Leave the flag out."
            )
    if choice.kind == "ema":
        average: WeightAverage = StepAverage(trainer, choice, schedule.steps)
    else:
        average = EvaluationAverage(trainer, choice, schedule.evaluations, may_stop=patience is not None)
    trainer.add_callback(average)
    return average
