"""A run that is resumed from an earlier checkpoint than its last one."""

from __future__ import annotations

import shutil

import pytest
from helpers import largest_difference

from classification.errors import RunError
from run_classification import main


def test_a_run_that_has_gone_back_does_not_return_to_its_old_course(command, tmp_path):
    """Its first save fails just before the new checkpoint gets its name; two later ones are still there."""
    flags = {"num_train_epochs": 3, "save_total_limit": 9, "load_best_model_at_end": False}
    main(command(**flags))
    shutil.copytree(tmp_path / "out", tmp_path / "whole")
    new = flags | {"learning_rate": 0.004, "resume_anyway": True}
    main(command(**new, output_dir=tmp_path / "whole", resume=tmp_path / "whole" / "checkpoint-8"))
    with pytest.raises(RunError, match="checkpoint-16 cannot be saved"):
        main(command(**new, resume=tmp_path / "out" / "checkpoint-8", inject_fault="eio@save=1:rename"))
    main(command(**new, resume="auto"))
    assert largest_difference(tmp_path / "whole", tmp_path / "out") == 0
