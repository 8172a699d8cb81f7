"""What we lean on inside transformers is still as we read it; a failure names our lines to read again.

The pinned version is 5.23, and 5.17 is supported. Where the code of both differs, both hashes are listed. After reading
our lines and, if needed, changing them, add the new hash (the message of the failure has it).
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass

import pytest
import transformers
from accelerate import Accelerator
from helpers import ROOT
from torch import Tensor
from torch.nn.parallel import DistributedDataParallel
from torch.optim.lr_scheduler import LambdaLR, LRScheduler
from torch.utils.data import DataLoader
from transformers import Trainer, trainer, trainer_callback
from transformers.trainer_utils import EvalLoopOutput

from classification.training.trainer import ClassificationTrainer

TRAINING = "classification/training"
OVERRIDDEN = {  # method of the Trainer -> its parameters
    "compute_loss": "(self, model, inputs, return_outputs=False, num_items_in_batch=None)",
    "_get_train_sampler": "(self, train_dataset=None)",
    "get_batch_samples": "(self, epoch_iterator, num_batches, device)",
    "_get_eval_sampler": "(self, eval_dataset)",
    "prediction_step": "(self, model, inputs, prediction_loss_only, ignore_keys=None)",
    "evaluation_loop": "(self, dataloader, description, prediction_loss_only=None, ignore_keys=None,"
                       " metric_key_prefix='eval')",
    "predict": "(self, test_dataset, ignore_keys=None, metric_key_prefix='test')",
    "create_optimizer": "(self, model=None)",
    "create_scheduler": "(self, num_training_steps, optimizer=None)",
    "_save": "(self, output_dir=None, state_dict=None)",
    "training_step": "(self, model, inputs, num_items_in_batch=None)",
    "_get_grad_norm": "(self, model, grad_norm=None)",
    "train": "(self, resume_from_checkpoint=None, trial=None, ignore_keys_for_eval=None)",
    "_run_epoch": "(self, model, epoch, train_dataloader, steps_in_epoch, num_update_steps_per_epoch, trial,"
                  " ignore_keys_for_eval, start_time, resume_from_checkpoint, epochs_trained,"
                  " steps_trained_in_current_epoch)",
    "_maybe_log_save_evaluate": "(self, tr_loss, grad_norm, model, trial, epoch, ignore_keys_for_eval, start_time,"
                                " learning_rate=None)",
    "_determine_best_metric": "(self, metrics, trial)",
    "_save_checkpoint": "(self, model, trial)",
    "_init_training_state": "(self, max_steps, num_update_steps_per_epoch, num_train_epochs, resume_from_checkpoint,"
                            " trial)",
    "_load_best_model": "(self)",
    "_finalize_training": "(self, trial, num_train_samples, start_time)",
}  # fmt: skip


@dataclass(frozen=True)
class Reliance:
    """One function of the library: our lines that lean on it, what they expect, and the code that was read."""

    ours: str  # file: class or function
    expects: str
    hashes: tuple[str, ...]  # 5.23, then 5.17 where it differs


RELIANCES = {
    "Trainer._get_dataloader": Reliance(
        f"{TRAINING}/evaluation_order.py: TokenBoundedBatches",
        "two isinstance tests take a BatchRebalanceSampler for a sampler of batches and keep it out of the sharding of "
        "accelerate; the sampler gets the data set without unused columns",
        ("b9dbc317b3c1", "2883929f9f75"),
    ),
    "Trainer._get_num_items_in_batch": Reliance(
        f"{TRAINING}/trainer.py: compute_loss",
        "it counts the numbers in `labels` that are not -100, over all micro-batches and processes",
        ("e239410530aa", "93d2e70ff21e"),
    ),
    "Trainer.compute_loss": Reliance(
        f"{TRAINING}/trainer.py: compute_loss",
        "ours replaces it: the model gets the inputs without labels, and with `average_tokens_across_devices` the loss "
        "is multiplied by the number of processes",
        ("17c3332bfd24", "3c4e0e84f87c"),
    ),
    "Trainer.training_step": Reliance(
        f"{TRAINING}/objective.py: Objective",
        "the loss of a `compute_loss_func` is not divided by the accumulation steps",
        ("2aa994f1a077", "726064731eb2"),
    ),
    "Trainer._run_epoch": Reliance(
        f"{TRAINING}/divergence.py: FiniteSteps",
        "per optimizer step: training_step for each micro-batch, one _get_grad_norm, then the optimizer, on_step_end, "
        "and only then an evaluation or a checkpoint; a resumed epoch leaves out its first batches",
        ("2898c67349bc", "9c4ceff4b877"),
    ),
    "Trainer._get_grad_norm": Reliance(
        f"{TRAINING}/divergence.py: _get_grad_norm",
        "it returns the norm before clipping, of the gradient of all processes",
        ("4262ab7efcb6",),
    ),
    "Trainer._prepare_inputs": Reliance(
        f"{TRAINING}/trainer.py: evaluation_batches",
        "it only moves tensors to the device",
        ("0eac07b20782",),
    ),
    "Trainer._prepare_input": Reliance(
        f"{TRAINING}/trainer.py: prediction_step",
        "it only moves tensors to the device",
        ("67fce0288c3f",),
    ),
    "Trainer.prediction_step": Reliance(
        f"{TRAINING}/trainer.py: prediction_step",
        "without labels it returns no loss, and the logits of a model as a tensor, or a tuple that begins with them",
        ("61c14e79c518",),
    ),
    "Trainer.evaluation_loop": Reliance(
        f"{TRAINING}/trainer.py: evaluation_loop",
        "predictions and labels come in the order of the sampler; the key `loss` of compute_metrics becomes eval_loss",
        ("764f99b4daf3", "952dee96027d"),
    ),
    "Trainer._get_eval_sampler": Reliance(
        f"{TRAINING}/trainer.py: _get_eval_sampler",
        "it is asked for every evaluation and prediction, in every process",
        ("6eee8f3cff63",),
    ),
    "Trainer._get_train_sampler": Reliance(
        f"{TRAINING}/trainer.py: _get_train_sampler",
        "`random` and `group_by_length` are the strategies that we replace",
        ("ea9408849724",),
    ),
    "Trainer._save": Reliance(
        f"{TRAINING}/checkpoints.py: tidy_saved_model",
        "it writes weights, tokenizer and training_args.bin, for checkpoints too, in the main process",
        ("7b1a6396e0ed", "3958e52046f2"),
    ),
    "Trainer._save_checkpoint": Reliance(
        f"{TRAINING}/sealed_checkpoints.py: _save_checkpoint",
        "ours replaces it and calls the same methods: model, optimizer, scheduler, scaler, random state, the states of "
        "callbacks, trainer_state.json; then the push and the deletion of old checkpoints",
        ("e4ed968434a0",),
    ),
    "Trainer._save_rng_state": Reliance(
        f"{TRAINING}/sealed_checkpoints.py: _write_checkpoint",
        "every process writes one file of its own into the folder of the checkpoint",
        ("97dcc2985811",),
    ),
    "Trainer._save_optimizer_and_scheduler": Reliance(
        f"{TRAINING}/sealed_checkpoints.py: _write_checkpoint",
        "without DeepSpeed and FSDP it waits for no other process, and the main process writes",
        ("6a07e2d02218",),
    ),
    "Trainer._init_training_state": Reliance(
        f"{TRAINING}/sealed_checkpoints.py: _init_training_state",
        "it reads trainer_state.json, with the numbers of steps of then (logging, eval, save); `compute_steps` sets "
        "anew; it drops a best_model_checkpoint that does not exist with a warning that begins "
        "`The best checkpoint `",
        ("529be83765be",),
    ),
    "Trainer._inner_training_loop": Reliance(
        f"{TRAINING}/run_state.py: LossSums",
        "before on_train_begin it resets _tr_loss, _total_loss_scalar, _globalstep_last_logged and, in 5.23, "
        "_initial_global_step",
        ("5473852bd885", "84ccf70ccb65"),
    ),
    "Trainer._finalize_training": Reliance(
        f"{TRAINING}/sealed_checkpoints.py: _finalize_training",
        "train_loss is the sum of the losses over the steps, the time counts from start_time, the best model is "
        "loaded, and with a save_total_limit of 1 the last checkpoint is deleted",
        ("0aadd1fe85e6", "e891fcfc8dc5"),
    ),
    "Trainer._load_best_model": Reliance(
        f"{TRAINING}/sealed_checkpoints.py: _load_best_model",
        "it loads the weights in `state.best_model_checkpoint`, in every process",
        ("decb211fce32",),
    ),
    "Trainer._maybe_log_save_evaluate": Reliance(
        f"{TRAINING}/callbacks.py: EpochLines",
        "it evaluates (and calls on_evaluate) before it saves, so that a checkpoint has the figures of its epoch",
        ("692af792be9a",),
    ),
    "Trainer.evaluate": Reliance(
        f"{TRAINING}/callbacks.py: ResumableEarlyStopping",
        "the figures are in `state.log_history` before on_evaluate is called",
        ("55ada3e26060",),
    ),
    "Trainer.log": Reliance(
        f"{TRAINING}/callbacks.py: ResumableEarlyStopping",
        "an entry of `state.log_history` has the figures and the step",
        ("f23204316207",),
    ),
    "EarlyStoppingCallback.check_metric_value": Reliance(
        f"{TRAINING}/callbacks.py: ResumableEarlyStopping",
        "an equal value and nan are no improvement",
        ("5c015f99b331",),
    ),
    "Trainer._load_callback_state": Reliance(
        f"{TRAINING}/callbacks.py: EpochLines",
        "a callback that is no ExportableState is kept as it is when a run is resumed",
        ("15d7a15b0318",),
    ),
    "Trainer.set_initial_training_values": Reliance(
        f"{TRAINING}/schedule.py: from_args",
        "steps per epoch are rounded up, and so is a part of an epoch",
        ("76038c5c0104",),
    ),
    "DefaultFlowCallback.on_step_end": Reliance(
        f"{TRAINING}/schedule.py: from_args",
        "with steps, it evaluates once more at the end",
        ("d88920cc2c32",),
    ),
    "DefaultFlowCallback.on_epoch_end": Reliance(
        f"{TRAINING}/schedule.py: from_args",
        "it evaluates after every epoch, also after a part of one",
        ("a59b509e63a2",),
    ),
    "Trainer.get_decay_parameter_names": Reliance(
        f"{TRAINING}/schedule.py: describe_decay",
        "biases and every kind of norm are excluded",
        ("91d98051f0d3",),
    ),
}


def fingerprint(source: str) -> str:
    """A hash of a function's code; comments, its docstring and white space do not count."""
    source = textwrap.dedent(source)
    first = ast.parse(source).body[0].body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    docstring = range(first.lineno, first.end_lineno + 1) if is_docstring else range(0)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    code = [token.string for token in tokens if token.type != tokenize.COMMENT and token.start[0] not in docstring]
    return hashlib.sha256("".join("".join(code).split()).encode()).hexdigest()[:12]


def library_function(name: str):
    owner, method = name.split(".")
    return getattr(getattr(trainer if owner == "Trainer" else trainer_callback, owner), method)


def test_a_fingerprint_follows_the_code_alone():
    plain = "    def f(self, a=1):\n        return a + 1\n"
    commented = '    def f(self, a=1):\n        """Add one."""\n        # more\n        return a  +  1  # done\n'
    assert fingerprint(plain) == fingerprint(commented) != fingerprint(plain.replace("1", "2"))


def test_twenty_methods_of_the_trainer_are_overridden():
    ours = set().union(*(vars(kind) for kind in ClassificationTrainer.__mro__ if not issubclass(Trainer, kind)))
    assert {name for name in ours & set(dir(Trainer)) if not name.startswith("__")} == set(OVERRIDDEN)
    assert "twenty methods overridden" in ClassificationTrainer.__doc__
    assert all(
        name in ClassificationTrainer.__doc__ and getattr(ClassificationTrainer, name).__doc__ for name in OVERRIDDEN
    )


@pytest.mark.parametrize("name", OVERRIDDEN)
def test_an_overridden_method_has_the_parameters_of_the_library(name):
    signature = inspect.signature(getattr(Trainer, name))
    parameters = [each.replace(annotation=inspect.Parameter.empty) for each in signature.parameters.values()]
    shown = str(inspect.Signature(parameters))
    assert shown == OVERRIDDEN[name], (
        f"transformers {transformers.__version__}: Trainer.{name} is now {shown}. Read {TRAINING}/trainer.py: {name} "
        "again, and change OVERRIDDEN here."
    )
    ours = inspect.signature(getattr(ClassificationTrainer, name))
    names = [each for each in signature.parameters if each != "self"]
    ours.bind(None, *names)  # whatever the library passes by place
    takes_any = any(each.kind == each.VAR_KEYWORD for each in ours.parameters.values())
    assert takes_any or set(names) <= set(ours.parameters)  # or by name


@pytest.mark.parametrize("name", RELIANCES)
def test_what_we_lean_on_is_unchanged(name):
    reliance = RELIANCES[name]
    found = fingerprint(inspect.getsource(library_function(name)))
    assert found in reliance.hashes, (
        f"transformers {transformers.__version__} changed {name}. Read {reliance.ours} again, which expects: "
        f"{reliance.expects}. If that still holds, add the hash {found!r} to RELIANCES[{name!r}]."
    )


@pytest.mark.parametrize("name", RELIANCES)
def test_our_lines_that_lean_on_the_library_exist(name):
    path, place = RELIANCES[name].ours.split(": ")
    tree = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    assert place in {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}


def test_the_progress_callback_of_the_library_is_the_one_that_is_removed():
    assert trainer.DEFAULT_PROGRESS_CALLBACK is trainer_callback.ProgressCallback, (
        f"the Trainer adds {trainer.DEFAULT_PROGRESS_CALLBACK}: read {TRAINING}/trainer.py: __init__ again."
    )


def test_the_result_of_an_evaluation_is_a_tuple_with_names():
    fields = ("predictions", "label_ids", "metrics", "num_samples")
    assert EvalLoopOutput._fields == fields, f"read {TRAINING}/trainer.py: evaluation_loop again."


def test_the_trainer_tests_for_the_class_that_our_batches_inherit_from():
    """`BatchRebalanceSampler` is imported from a private module."""
    from transformers.trainer_pt_utils import BatchRebalanceSampler

    assert trainer.BatchRebalanceSampler is BatchRebalanceSampler, f"read {TRAINING}/evaluation_order.py again."


PRIVATE = {  # our file -> what it reads or sets inside a class of a library, as it is written there
    "smaller_batches.py": (
        (DistributedDataParallel, "self.reducer._rebuild_buckets()"),  # in the forward pass, once
        (DistributedDataParallel, "self.require_forward_param_sync = True"),
        (DistributedDataParallel, "and self.forward_sync_buffers"),  # `broadcast_buffers` before it had this name
    ),
    "optimizer_trial.py": (
        (Trainer, "self._created_lr_scheduler = "),
        (Tensor.register_post_accumulate_grad_hook, "self._post_accumulate_grad_hooks"),
    ),
    "resumed_optimizer.py": ((LRScheduler, "self._last_lr"), (LambdaLR, "self.lr_lambdas")),
    "loaders.py": ((Accelerator, "self._dataloaders"), (DataLoader, "self._iterator")),
}


@pytest.mark.parametrize("file", PRIVATE)
def test_private_names_of_the_libraries_mean_what_they_meant(file):
    ours = (ROOT / TRAINING / file).read_text(encoding="utf-8")
    for owner, written in PRIVATE[file]:
        assert written in inspect.getsource(owner), f"{owner.__name__} lacks {written!r}: read {TRAINING}/{file} again."
        assert re.search(r"\w+(?=\W*(=\s*\w*)?$)", written)[0] in ours, f"{file} no longer needs {written!r}."
