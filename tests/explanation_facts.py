"""The figures of an explanation that is complete, for tests of how explanations are shown."""

COMPLETE = {
    "output": 1.2,
    "baseline": 0.2,
    "completeness_error": 0.003,
    "steps": 16,
    "is_exact": True,
    "is_predicted": True,
}
