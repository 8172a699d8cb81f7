"""In: run.json, predictions.csv, all_results.json and neighbours.json of a run. Out: report.html and the model card."""
