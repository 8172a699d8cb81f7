"""Run two command lines in one process of a `torch.distributed.run` launch: one whole, one whose save fails.

The argument is a JSON list of three command lines: the whole run, one that a fault ends, and the same resumed.
`<folder of the second>.error-<rank>` then holds the message that this process got.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from classification.errors import RunError
from classification.training.processes import leave_together
from run_classification import main

if __name__ == "__main__":
    whole, failing, resumed = json.loads(sys.argv[1])
    main(whole)
    folder = next(word.partition("=")[2] for word in failing if word.startswith("--output_dir="))
    try:
        main(failing)
    except RunError as error:
        Path(f"{folder}.error-{os.environ['RANK']}").write_text(str(error), encoding="utf-8")
    main(resumed)
    leave_together()
