"""In: a command line. Out: frozen, typed options; every error that needs no data.

`arguments.py` declares the flags; `parser` reads them, `presets`, `recorded_run` (the run.json of a run that is
repeated) and `old_names` complete them, `resolve` fills in what follows, `checks` refuses what cannot be meant,
`options` holds the result. Nothing before `options` imports a library that takes long: `flag_table` knows the flags of
`TrainingArguments`, and `command` answers wrong flags at once.

The flags of `predict.py` are in `prediction_flags`, their checks in `prediction_values` (one value),
`prediction_combinations` (several) and `prediction_paths`. They import nothing that the training needs.
"""
