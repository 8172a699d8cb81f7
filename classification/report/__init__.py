"""In: the files that a run has left. Out: their content as values, and what the page and the card share."""
