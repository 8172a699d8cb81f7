"""In: a command line. Out: frozen, typed options; every error that needs no data."""
