"""Where rows come from: files, folders and data sets of the Hub -> columns of each split, as they are written."""
