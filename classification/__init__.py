"""The parts of the recipe, one idea a file. `run_classification.py` ties them together."""
