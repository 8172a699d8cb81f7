"""In: a corpus and the function `run`. Out: several runs, or other methods, in one table."""
