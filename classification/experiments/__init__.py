"""In: a corpus and the function that runs the recipe once. Out: several runs, or other methods, in one table."""
