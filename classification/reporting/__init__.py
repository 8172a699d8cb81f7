"""In: values that a run computed. Out: lines on the terminal and files in the output folder."""
