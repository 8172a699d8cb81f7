"""In: files and Hub data sets. Out: splits of `id, text, text_pair?, label?`, the task, and token ids."""
