"""In: run.json, all_results.json and config.json of a run. Out: the model card README.md in the Hub's format."""
