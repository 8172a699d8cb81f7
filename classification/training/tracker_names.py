"""Whether the trackers of `--report_to` exist and are installed."""

from __future__ import annotations

import os
from collections.abc import Sequence

from transformers.integrations import get_available_reporting_integrations
from transformers.integrations.integration_utils import INTEGRATION_TO_CALLBACK

from classification.errors import UsageError, did_you_mean, join_first

EXTRAS = "-r requirements-extras.txt"
PACKAGES = {
    "azure_ml": "azureml-mlflow", "comet_ml": "comet-ml", "flyte": "flytekit", "mlflow": EXTRAS, "tensorboard": EXTRAS,
}  # fmt: skip


def check_trackers(names: Sequence[str]) -> None:
    """Refuse a tracker that is unknown or not installed.

    Raises:
        UsageError: names the tracker, and the package that is missing.
    """
    installed = {"all", "none", *get_available_reporting_integrations()}
    for name in sorted(set(names) - installed):
        if name not in INTEGRATION_TO_CALLBACK:
            known = sorted(INTEGRATION_TO_CALLBACK)
            raise UsageError(
                f"--report_to {name}: is no tracker. Choose from {join_first(known, 20)}, or none."
                + did_you_mean(name, known)
            )
        if name == "mlflow" and os.environ.get("DISABLE_MLFLOW_INTEGRATION", "").upper() == "TRUE":
            raise UsageError(
                "--report_to mlflow: the variable DISABLE_MLFLOW_INTEGRATION turns it off. Unset it, or leave the flag "
                "out."
            )
        raise UsageError(
            f"--report_to {name}: is not installed. Install it with pip install {PACKAGES.get(name, name)}, or leave "
            "the flag out."
        )
