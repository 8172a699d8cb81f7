"""Masked-language-model training from files of texts to a folder that run_classification.py loads."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
from accelerate import PartialState
from transformers import PreTrainedConfig, PreTrainedTokenizerBase, set_seed

from classification.cli.build_options import build_options
from classification.cli.hardware import Hardware, decide_hardware
from classification.cli.options import Options
from classification.cli.pretraining_flags import PretrainingFlags, read_pretraining_flags
from classification.cli.stopping import stoppable
from classification.data.findings import quantity
from classification.data.hub_access import work_offline_if_hub_is_unreachable
from classification.errors import cosmetic
from classification.experiments.resuming_adaptation import Adaptation, facts_before, finished_adaptation, guard
from classification.messages.log import Line, log_lines
from classification.messages.shown_texts import texts_shown
from classification.models.fast_kernels import choose_kernels
from classification.models.loading import load_config
from classification.models.masked_lm import MaskedLm, check_can_predict, load_masked_lm, start_at_frequencies
from classification.models.tokenization import DEFAULT_LENGTH, check_length, load_tokenizer, longest_input
from classification.reporting.adapted_folder import CARD, RECORD, copy_sentence_files, fine_tuning, write_card
from classification.reporting.console import console
from classification.reporting.differences import mapping
from classification.reporting.output_folder import OutputFolder, output_guarded
from classification.reporting.run_record import run_record, write_json
from classification.reporting.run_result import raise_lost
from classification.training.checkpoint_pickles import refuse_code_in
from classification.training.disk_space import check_start
from classification.training.faults import faults_armed
from classification.training.final_model import save_final_model
from classification.training.loaders import end_workers
from classification.training.masked_tokens import MaskedBlocks, Masking
from classification.training.packed_texts import packed_blocks
from classification.training.pretraining import PretrainingTrainer, speed_lines
from classification.training.pretraining_texts import TextChoices, load_texts
from classification.training.processes import main_process_first, stop_together
from classification.training.schedule import Schedule


def main(argv: list[str]) -> dict[str, object]:
    """Run a command line of scripts/adapt_pretrain.py.

    Returns:
        What `results` of pretraining.json holds; with `--dry_run` the val_loss of one batch.

    Raises:
        UsageError: bad input, before the first step.
        RunError: training diverged, or a later error has cost a part of the output. `Stopped` after a signal.
    """
    read = read_pretraining_flags(argv)
    options = replace(build_options(read.flags), argv=tuple(argv))
    with (
        console(quiet=options.is_quiet), stoppable(options.argv, options.output_dir, options.guarded_dir),
        faults_armed(options.run.faults), output_guarded(options.output_dir), texts_shown(options.run.report_texts),
    ):  # fmt: skip
        log_lines(options.note_lines())
        start = time.perf_counter()
        ready = prepare(options, read)
        if options.run.dry_run:
            return dry_run(ready)
        if ready.finished:
            log_lines(
                [Line("resume", f"this training is finished: nothing to do; its model is in {options.output_dir}")]
            )
            return ready.finished
        with ready.folder.room(ready.has_begun), ready.trainer.until_saved():
            results = train(ready)
            save(options, read, ready, results | {"seconds": time.perf_counter() - start})
        raise_lost(ready.trainer.lost, options.output_dir)
        return results


@stop_together()
def prepare(options: Options, read: PretrainingFlags) -> Adaptation:
    """Claim the folder, read and pack the texts, load the model; each decision is printed."""
    inputs = [name for names in read.files.values() for name in names] + options.model.paths
    run = options.run
    folder = OutputFolder.claim(
        options.output_dir, options.guarded_dir, resume=run.resume, inputs=inputs, overwrite=run.overwrite_output_dir,
        check=not run.dry_run, finished=finished_adaptation,
    )  # fmt: skip
    hardware = decide_hardware(options, mapping(facts_before(folder), "decisions") if run.resume else {})
    set_seed(hardware.args.seed)
    with main_process_first():
        if options.model.needs_hub:
            work_offline_if_hub_is_unreachable()
        config = load_config(options.model)
        check_can_predict(options.model, config)
        texts = load_texts(text_choices(options, read))
        log_lines(texts.summary(), title="data")
        loaded, tokenizer = load(options, hardware, config)
        limit = longest_input(loaded.model, tokenizer)
        length = options.model.max_length or min(DEFAULT_LENGTH, limit or DEFAULT_LENGTH)
        check_length(length, limit)
        vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
        parts = {"train": texts.train, "validation": texts.validation}
        blocks = {
            split: packed_blocks(data, tokenizer, options.encoding, length, split, vocabulary)
            for split, data in parts.items()
            if data is not None
        }
    if loaded.has_new_head:
        start_at_frequencies(loaded.model, np.bincount(blocks["train"].ravel(), minlength=vocabulary))
    trainer = build_trainer(options, hardware, loaded, tokenizer, blocks, read.share)
    schedule = Schedule.from_args(trainer.args, len(blocks["train"]))
    schedule.check_best(trainer.args)
    log_lines(describe_blocks(trainer, length))
    log_lines([*loaded.lines, *hardware.summary()], title="model")
    log_lines(trainer.summary(schedule), title="training")
    ready = Adaptation(folder, texts, trainer, schedule, loaded.has_new_head, length, read.share)
    finished = guard(ready, hardware, resumes=bool(run.resume), anyway=run.resume_anyway)
    check_start(trainer, None if finished else schedule, checkpoint=folder.checkpoint)
    return replace(ready, finished=finished)


def text_choices(options: Options, read: PretrainingFlags) -> TextChoices:
    return TextChoices(
        files=read.files, columns=options.columns, on_bad_row=options.rows.on_bad_row, fraction=options.split.fraction,
        has_validation=options.trainer["eval_strategy"] != "no", limits=options.rows.limits, seed=options.rows.seed,
        cache_dir=options.source.cache_dir,
    )  # fmt: skip


def load(options: Options, hardware: Hardware, config: PreTrainedConfig) -> tuple[MaskedLm, PreTrainedTokenizerBase]:
    """The model with the kernels that are fast here, and its tokenizer."""
    choice = options.model
    tokenizer = load_tokenizer(choice.tokenizer_name or choice.name, choice.hub)
    kernels = choose_kernels(
        config, choice.attention_dropout, training=True, device=hardware.device, precision=hardware.precision,
        compiled=False, stored=hardware.attention,
    )  # fmt: skip
    loaded = load_masked_lm(choice, config, kernels.attention)
    return replace(loaded, lines=loaded.lines + kernels.install(loaded.model)), tokenizer


def build_trainer(
    options: Options,
    hardware: Hardware,
    loaded: MaskedLm,
    tokenizer: PreTrainedTokenizerBase,
    blocks: Mapping[str, np.ndarray],
    share: float,
) -> PretrainingTrainer:
    vocabulary = loaded.model.get_input_embeddings().weight.shape[0]
    masking = Masking.from_tokenizer(tokenizer, share, vocabulary)
    validation = blocks.get("validation")
    return PretrainingTrainer(
        model=loaded.model, args=hardware.args, tokenizer=tokenizer,
        train_dataset=MaskedBlocks(blocks["train"], masking, hardware.args.data_seed),
        # The same masks for every --seed: their val_loss can be compared.
        eval_dataset=validation if validation is None
        else MaskedBlocks(validation, masking, options.rows.seed, has_fixed_masks=True),
    )  # fmt: skip


def describe_blocks(trainer: PretrainingTrainer, length: int) -> list[Line]:
    parts = {"train": trainer.train_dataset, "validation": trainer.eval_dataset}
    return [
        Line("packed", f"{split:<10} {len(data):7d} blocks of {length} tokens, {data.num_tokens:,} in all, no padding")
        for split, data in parts.items()
        if data is not None
    ]


# -------------------------------------------------------------------------------------------------- training, results


def dry_run(ready: Adaptation) -> dict[str, object]:
    """The val_loss, or without validation the loss, of one batch: nothing is trained and nothing is written."""
    trainer, rows = ready.trainer, ready.trainer.args.per_device_eval_batch_size
    data = trainer.eval_dataset or trainer.train_dataset
    few = MaskedBlocks(data.blocks[:rows], data.masking, data.seed, has_fixed_masks=True)
    loss = trainer.evaluate(few)["eval_loss"]
    log_lines([Line("", f"\nDry run: loss {loss:.4f} on {quantity(len(few), 'block')}; nothing was trained.")])
    end_workers(trainer)
    return {"dry_run_loss": loss}


def train(ready: Adaptation) -> dict[str, object]:
    """Train, reload the best checkpoint and save the model."""
    trainer, checkpoint = ready.trainer, ready.folder.checkpoint
    trainer.args.eval_on_start &= checkpoint is None  # the run before has done it
    with refuse_code_in(checkpoint):
        outcome = trainer.train(resume_from_checkpoint=checkpoint)
    if not trainer.lost:
        with cosmetic("the line about the best checkpoint"):
            log_lines(trainer.best_summary())
    save_final_model(trainer)
    with cosmetic("end of the loader workers"):
        end_workers(trainer)
    results: dict[str, object] = {"train_loss": outcome.metrics.get("train_loss"), "steps": trainer.state.global_step}
    losses = {entry["step"]: entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry}
    results["val_loss_before"] = losses.get(0)
    best = trainer.state.best_metric if trainer.args.load_best_model_at_end and not trainer.lost else None
    results["val_loss"] = best if best is not None else losses.get(trainer.state.global_step)
    return results


def save(options: Options, read: PretrainingFlags, ready: Adaptation, results: dict[str, object]) -> None:
    """Write the card, the record and the files about the pooling; print what was reached.

    `lost` of the Trainer gets what an error has cost. It is in the record, and such a training is not finished.
    """
    trainer, folder, speed = ready.trainer, ready.folder.path, dict[str, dict[str, float]]()
    with cosmetic("speed"):
        speed = trainer.throughput()
    if not PartialState().is_main_process:
        return
    with cosmetic("the line about the speed"):
        log_lines(speed_lines(speed, trainer.args.device))
    before, after = results["val_loss_before"], results["val_loss"]
    if before is not None and after is not None:
        log_lines([Line("val_loss", f"{before:.4f} before, {after:.4f} after")])
    copied = list[str]()
    with cosmetic("the description of the pooling", trainer.lost):
        copied = copy_sentence_files(options.model, folder)
    with cosmetic(CARD, trainer.lost, asked=False):
        write_card(folder, card_facts(options, read, ready, results))
    with cosmetic(RECORD, trainer.lost):  # the last file: with it the training is finished
        write_json(folder / RECORD, record_of(options, ready, results, speed))
    files = ", ".join(["model.safetensors with the tokenizer", RECORD, CARD, *copied])
    log_lines([
        Line("", f"\nFiles in {folder}: {files}"),
        Line("", f"\nFine-tune it:\n  {fine_tuning(folder)} --train_file ..."),
    ])  # fmt: skip


def record_of(
    options: Options, ready: Adaptation, results: Mapping[str, object], speed: Mapping[str, object]
) -> dict[str, object]:
    """What pretraining.json holds."""
    trainer = ready.trainer
    facts = {"texts": ready.texts.facts(), "results": results, "throughput": speed, **trainer.facts}
    record = run_record(options.argv, {**options.as_typed, "trainer": trainer.args.to_dict()}, **facts)
    record["command"] = ["scripts/adapt_pretrain.py", *record["command"][1:]]  # type: ignore[index]
    return record | {"lost": trainer.lost}


def card_facts(
    options: Options, read: PretrainingFlags, ready: Adaptation, results: Mapping[str, object]
) -> dict[str, object]:
    texts, trainer = ready.texts, ready.trainer
    tests = f"{texts.test_texts} texts of test" if texts.has_test else "nothing of test: no test file was given"

    def shown(value: object) -> str:
        return f"{value:.4f}" if isinstance(value, float) else "not measured"

    return {
        "base": options.model.name,
        "texts": quantity(len(texts.train), "text"),
        "files": ", ".join(f"`{Path(name).name}`" for name in read.files["train"]),
        "left_out": f"{tests}; {texts.repeats} repeats",
        "length": ready.length,
        "blocks": len(trainer.train_dataset),
        "tokens": f"{trainer.train_dataset.num_tokens:,}",
        "steps": results["steps"],
        "share": ready.share,
        "before": shown(results["val_loss_before"]),
        "after": shown(results["val_loss"]),
        "validation": 0 if texts.validation is None else len(texts.validation),
        "head": "new, tied to the input embeddings" if ready.has_new_head else "that of the base model",
    }
