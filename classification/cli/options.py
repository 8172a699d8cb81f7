"""The checked command line as frozen values, one for each stage of the work."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from arguments import ModelArguments, ObjectiveArguments
from classification.cli.flags import BILSTM, Flags, TrainerFlags
from classification.cli.recorded_run import RecordedRun
from classification.cli.resolve import BILSTM_DEFAULTS
from classification.cli.search_space import Space
from classification.data.columns import Columns
from classification.data.corpus import RowChoices, Source
from classification.data.encoding import Encoding
from classification.data.hub_access import HubAccess, PushTarget
from classification.data.label_hints import LabelHints
from classification.data.splitting import SplitPlan
from classification.messages.log import Line
from classification.models.choice import ModelChoice
from classification.training.faults import Fault
from classification.training.objective import LossOptions
from classification.training.plan import TrainingChoices

MODEL_ONLY_FLAGS = frozenset({  # flags of the Trainer that are meant for the model, not for an LSTM beside it
    "max_steps", "gradient_checkpointing", "activation_checkpointing", "deepspeed", "fsdp", "fsdp_config",
    "torch_compile", "label_smoothing_factor", "push_to_hub", "learning_rate", "num_train_epochs",
})  # fmt: skip


@dataclass(frozen=True)
class RunChoices:
    """What the run does; the fields are flags."""

    precision: str = "auto"
    check_data: bool = False
    check_rows: int = 100_000
    suspect_labels: bool = False
    strict: bool = False
    dry_run: bool = False
    resume: str | None = None
    resume_anyway: bool = False
    overwrite_output_dir: bool = False
    logging_dir: str | None = None
    baselines: tuple[str, ...] = ()
    learning_curve: tuple[float, ...] = ()
    csv_safe: bool = False
    faults: tuple[Fault, ...] = ()
    neighbours: bool = True
    report_texts: bool = True


@dataclass(frozen=True)
class Study:
    """One command, several trainings: one for each of `seeds`, or for each of `folds` parts."""

    seeds: tuple[int, ...] = ()
    folds: int = 0
    key: str = field(default_factory=lambda: uuid.uuid4().hex, compare=False)  # of this command

    @property
    def kind(self) -> str:
        return "seeds" if self.seeds else "folds"


@dataclass(frozen=True)
class Search:
    """Settings that are tried on validation before the run: how many, from which space, beside the flags given."""

    trials: int
    space: Space
    flags: Flags


@dataclass(frozen=True)
class Options:
    """The checked command line.

    Args:
        phases: of `train`, `eval` and `predict`, those that run.
        trainer: values for `TrainingArguments`; given: names of the flags that the command line or preset gave.
        as_typed: every flag of this recipe and its value, for run.json.
        push: where the model that is kept is pushed to, if anywhere.
        guarded_dir: the folder that must hold no other run, where it is not `output_dir`.
        is_part: another run or a study needs the predictions of this run, also after a kill.
        member_of: the study that this run is a part of.
        values: what the command line or preset gave; empty where no command gives this run, as for a fold of a study.
        repeats: the earlier run that this one repeats.
        search: what is tried before the run. best_trial: the name of the trial whose settings the run has.
    """

    source: Source
    columns: Columns
    hints: LabelHints
    rows: RowChoices
    split: SplitPlan
    model: ModelChoice
    encoding: Encoding
    loss: LossOptions
    training: TrainingChoices
    run: RunChoices
    study: Study | None
    phases: frozenset[str]
    trainer: TrainerFlags
    given: frozenset[str]
    argv: tuple[str, ...]
    notes: tuple[str, ...]
    as_typed: Mapping[str, object]
    study_dir: Path | None = None
    push: PushTarget | None = None
    is_part: bool = False
    member_of: Study | None = None
    values: Mapping[str, object] = field(default_factory=dict)
    repeats: RecordedRun | None = None
    search: Search | None = None
    best_trial: str = ""

    @property
    def trains(self) -> bool:
        return "train" in self.phases

    @property
    def evaluates(self) -> bool:
        return "eval" in self.phases

    @property
    def predicts(self) -> bool:
        return "predict" in self.phases

    @property
    def head_at_zero(self) -> bool:
        """Whether a new head was asked to start at zero."""
        return self.trains and self.training.head_init == "zero"

    @property
    def output_dir(self) -> Path:
        return Path(self.trainer.text("output_dir"))

    @property
    def kept_model(self) -> str:
        """What `pipeline` loads after the run."""
        return str(self.output_dir) if self.trains else self.model.name

    @property
    def guarded_dir(self) -> Path:
        """The folder that must hold no other run: of a study its own folder, guarded by its first run."""
        return self.study_dir or self.output_dir

    @property
    def inputs(self) -> list[str]:
        """Every local file and folder that the run reads."""
        return [*self.source.paths, *self.model.paths, *(self.training.teacher.paths if self.training.teacher else ())]

    def note_lines(self) -> list[Line]:
        return [Line("note", note) for note in self.notes]

    @property
    def seed(self) -> int:
        return int(self.trainer.number("seed"))

    @property
    def loader_workers(self) -> int | None:
        """`--dataloader_num_workers`, None where it was not given."""
        return int(self.trainer.number("dataloader_num_workers")) if "dataloader_num_workers" in self.trainer else None

    @property
    def is_quiet(self) -> bool:
        """Whether progress bars are off."""
        return self.trainer.is_on("disable_tqdm")

    def for_one_run(self, folder: str, resume: str | None = None, /, *, first: bool, **trainer: object) -> Options:
        """The options of one run of a study, in a folder of its own inside the output folder.

        The first run guards that folder: it refuses another run there, or moves it aside.

        Args:
            resume: `auto` for a run that has begun before.
        """
        overwrites = self.run.overwrite_output_dir and first
        return replace(
            self,
            study=None,
            push=None,  # a study pushes one model, at its end
            run=replace(self.run, overwrite_output_dir=overwrites, resume=resume, suspect_labels=False),
            trainer=self.trainer.replaced(output_dir=str(self.output_dir / folder), **trainer),
            as_typed={**self.as_typed, "seeds": None, "folds": None, "overwrite_output_dir": overwrites},
            study_dir=self.output_dir if first else None,
            is_part=True,
            member_of=self.study,
            values=self.values_of_one_run(folder, trainer),
            repeats=self.repeats if first else None,
        )

    def values_of_one_run(self, folder: str, trainer: Mapping[str, object]) -> dict[str, object]:
        """What a command would give to train one seed of a study by itself; no command trains one fold."""
        if self.study is None or self.study.kind == "folds":
            return {}
        values = {name: value for name, value in self.values.items() if name != "seeds"}
        if trainer.get("data_seed") == trainer.get("seed"):  # it follows from the seed
            trainer = {name: value for name, value in trainer.items() if name != "data_seed"}
        return {**values, **trainer, "output_dir": str(self.output_dir / folder)}

    def _beside(self, folder: str, trainer: TrainerFlags) -> Options:
        """The options of a training beside the run itself, in a folder of its own; nothing is compared with it."""
        resumes = self.run.resume and not self.run.resume_anyway
        return replace(
            self,
            push=None,
            is_part=True,
            run=replace(
                self.run, baselines=(), learning_curve=(), suspect_labels=False, strict=False, resume_anyway=False,
                resume="auto" if resumes else None, overwrite_output_dir=True,
            ),
            trainer=trainer.replaced(output_dir=str(self.output_dir / folder), report_to="none"),
            notes=(),
            values={},
            repeats=None,
            as_typed={
                **self.as_typed, "baselines": None, "learning_curve": None, "suspect_labels": False, "strict": False,
                "resume_anyway": False, "resume": None, "overwrite_output_dir": True,
            },
        )  # fmt: skip

    def for_bilstm_baseline(self) -> Options:
        """The options of the LSTM baseline: the same data, splits and seeds, with a model and loss of its own."""
        hub = HubAccess(cache_dir=self.model.hub.cache_dir, token=self.model.hub.token)
        lengths = {name: getattr(self.model, name) for name in ("max_length", "truncation_strategy", "window_stride")}
        flags = {name: value for name, value in self.training.task_flags.items() if name in ("costs", "thresholds")}
        groups = (
            ModelArguments(
                model_name_or_path=BILSTM, cache_dir=hub.cache_dir, token=hub.token, head_init=self.training.head_init
            ),
            ObjectiveArguments(
                costs=_text_or_none(self.as_typed["costs"]),
                thresholds=_text_or_none(self.as_typed["thresholds"]),
                calibrate=False,
            ),  # fmt: skip
        )
        part = self._beside(f"baselines/{BILSTM}", self.trainer.without(MODEL_ONLY_FLAGS))
        return replace(
            part,
            model=ModelChoice(name=BILSTM, from_scratch=True, hub=hub, **lengths),
            loss=LossOptions(),
            training=TrainingChoices(
                metric_name=self.training.metric_name, rule=self.training.rule.without_fitting(), task_flags=flags,
                head_init=self.training.head_init, trust_remote_code=self.training.trust_remote_code,
            ),
            trainer=part.trainer.replaced(**BILSTM_DEFAULTS),
            given=self.given - MODEL_ONLY_FLAGS,
            as_typed={**part.as_typed, **vars(groups[0]), **vars(groups[1]), "unlabelled_file": None},
        )  # fmt: skip

    def for_curve_point(self, folder: str, rows: int, /, **trainer: object) -> Options:
        """The options of a point of `--learning_curve`: the same training on `rows` rows of train, without test."""
        part = self._beside(folder, self.trainer)
        return replace(
            part,
            rows=replace(self.rows, part=rows),
            phases=frozenset({"train", "eval"}),
            run=replace(part.run, neighbours=False),
            trainer=part.trainer.replaced(do_predict=False, **trainer),
            as_typed={**part.as_typed, "neighbours": False},
        )


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
