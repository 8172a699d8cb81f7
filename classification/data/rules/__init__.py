"""In: flags or a saved config, and a task. Out: the rule by which the task decides: thresholds or costs."""
