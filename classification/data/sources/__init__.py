"""Where rows come from: files, folders and data sets of the Hub -> columns of each split, as they are written.

`readers` reads whole splits for a training. `row_streams` reads an input of `predict.py` some rows at a time.
"""
