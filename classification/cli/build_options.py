"""From checked flags to `Options`: which value each stage of the work reads."""

from __future__ import annotations

from arguments import ObjectiveArguments
from classification.cli.checks.push_flags import repo_id_of
from classification.cli.flag_values import (
    average_of,
    baselines_of,
    class_weights_of,
    curve_of,
    layer_decay_of,
    rule_of,
    seeds_of,
    task_flags_of,
    teacher_of,
)
from classification.cli.flags import Flags, TrainerFlags, comma_separated
from classification.cli.options import Options, RunChoices, Search, Study
from classification.cli.searched_flags import space_of
from classification.data.columns import Columns
from classification.data.corpus import SPLITS, RowChoices, Source
from classification.data.encoding import Encoding
from classification.data.hub_access import HubAccess, PushTarget
from classification.data.label_hints import LabelHints
from classification.data.named_columns import split_names
from classification.data.splitting import SplitPlan
from classification.models.choice import ModelChoice
from classification.training.faults import parse_faults
from classification.training.objective import LossOptions
from classification.training.plan import TrainingChoices


def build_options(flags: Flags) -> Options:
    """The values of checked flags."""
    data = flags.data
    return Options(
        source=source_of(flags),
        columns=columns_of(flags),
        hints=LabelHints(
            do_regression=data.do_regression if "do_regression" in flags.given else None,
            delimiter=data.label_delimiter,
        ),
        rows=rows_of(flags),
        split=SplitPlan(
            fraction=None if data.validation_fraction == "auto" else float(data.validation_fraction),
            strategy=data.validation_strategy,
            seed=data.shuffle_seed,
        ),
        model=model_of(flags),
        encoding=Encoding(
            cache_dir=flags.model.cache_dir,
            num_workers=data.preprocessing_num_workers,
            overwrite_cache=data.overwrite_cache,
            pad_to_max_length=data.pad_to_max_length,
        ),
        loss=loss_of(flags.objective, flags.trainer),
        training=training_of(flags),
        run=run_of(flags),
        study=study_of(flags),
        search=None if flags.run.search is None else Search(flags.run.search, space_of(flags), flags),
        push=push_of(flags),
        phases=frozenset(phase for phase in ("train", "eval", "predict") if flags.includes(phase)),
        trainer=flags.trainer,
        given=flags.given,
        argv=flags.argv,
        notes=flags.notes,
        as_typed=flags.as_typed(),
        values=flags.values,
        repeats=flags.repeats,
    )


def rows_of(flags: Flags) -> RowChoices:
    data, run = flags.data, flags.run
    return RowChoices(
        on_bad_row="report" if run.check_data and data.on_bad_row == "error" else data.on_bad_row,
        drop_duplicates=data.drop_duplicates,
        drop_leaked=data.drop_leaked,
        limits=dict(
            zip(SPLITS, (data.max_train_samples, data.max_eval_samples, data.max_predict_samples), strict=True)
        ),
        shuffle=data.shuffle_train_dataset,
        seed=data.shuffle_seed,
    )


def training_of(flags: Flags) -> TrainingChoices:
    objective = flags.objective
    return TrainingChoices(
        sampler=objective.sampler,
        head_init=flags.model.head_init,
        patience=objective.early_stopping_patience,
        average=average_of(flags),
        calibrate=objective.calibrate,
        rule=rule_of(objective),
        task_flags=task_flags_of(flags),
        layerwise_lr_decay=layer_decay_of(objective),
        r_drop=objective.r_drop,
        teacher=teacher_of(flags),
        metric_name=flags.run.metric_name,
        trust_remote_code=flags.model.trust_remote_code,
    )


def run_of(flags: Flags) -> RunChoices:
    run = flags.run
    return RunChoices(
        precision=run.precision,
        check_data=run.check_data,
        check_rows=run.check_rows,
        suspect_labels=run.suspect_labels,
        strict=run.strict,
        dry_run=run.dry_run,
        resume=run.resume,
        resume_anyway=run.resume_anyway,
        overwrite_output_dir=run.overwrite_output_dir,
        logging_dir=run.logging_dir,
        baselines=baselines_of(run.baselines),
        learning_curve=curve_of(run.learning_curve),
        csv_safe=run.csv_safe,
        faults=parse_faults(run.inject_fault),
        neighbours=run.neighbours,
        report_texts=run.report_texts,
    )


def source_of(flags: Flags) -> Source:
    data = flags.data
    names = (data.train_split_name, data.validation_split_name, data.test_split_name)
    return Source(
        files=flags.files,
        dataset_name=data.dataset_name,
        dataset_config_name=data.dataset_config_name,
        split_names=dict(zip(SPLITS, names, strict=True)),
        remove_splits=comma_separated(data.remove_splits),
        cache_dir=flags.model.cache_dir,
        token=flags.model.token,
        revision=flags.repeats.dataset_commit(flags.values) if flags.repeats else None,
    )


def columns_of(flags: Flags) -> Columns:
    data = flags.data
    return Columns(
        text=split_names(data.text_column_names),
        delimiter=data.text_column_delimiter,
        label=data.label_column_name,
        labels=split_names(data.label_column_names),
        label_delimiter=data.label_delimiter,
        id=data.id_column_name,
        group=data.validation_group_column,
        time=data.time_column,
        slices=split_names(data.slice_columns),
        remove=split_names(data.remove_columns),
    )


def model_of(flags: Flags) -> ModelChoice:
    model, data = flags.model, flags.data
    return ModelChoice(
        name=model.model_name_or_path,
        config_name=model.config_name,
        tokenizer_name=model.tokenizer_name,
        hub=HubAccess(model.cache_dir, model.model_revision, model.token, model.trust_remote_code),
        from_scratch=flags.from_scratch,
        pooling=model.pooling,
        attention_dropout=model.attention_dropout,
        ignore_mismatched_sizes=model.ignore_mismatched_sizes,
        max_length=data.max_seq_length,
        truncation_strategy=data.truncation_strategy,
        window_stride=data.window_stride,
        freeze=model.freeze,
        freeze_layers=model.freeze_layers,
        lora_r=model.lora_r,
        lora_merge=model.lora_merge,
    )


def loss_of(objective: ObjectiveArguments, trainer: TrainerFlags) -> LossOptions:
    return LossOptions(
        class_weights=class_weights_of(objective),
        focal_gamma=objective.focal_gamma if objective.loss == "focal" else 0.0,
        label_smoothing=trainer.number("label_smoothing_factor"),
    )


def push_of(flags: Flags) -> PushTarget | None:
    """Where the model is pushed to: by default a private repository with the name of the output folder."""
    trainer = flags.trainer
    if not trainer.is_on("push_to_hub"):
        return None
    return PushTarget(
        repo_id=repo_id_of(flags),
        token=trainer.text("hub_token") or flags.model.token,
        private=trainer.get("hub_private_repo") is not False,
        revision=trainer.text("hub_revision") or None,
        with_report=flags.run.push_report,
    )


def study_of(flags: Flags) -> Study | None:
    if flags.study is None:
        return None
    return Study(seeds=seeds_of(flags.run.seeds)) if flags.study == "seeds" else Study(folds=flags.run.folds or 0)
