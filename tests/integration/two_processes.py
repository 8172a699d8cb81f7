"""Run several command lines in one process of a `torch.distributed.run` launch. The argument is a JSON list of them."""

from __future__ import annotations

import json
import sys

from run_classification import main

for arguments in json.loads(sys.argv[1]):
    main(arguments)
