"""The parts of the recipe, one folder for each stage of the work; see docs/architecture.md."""
