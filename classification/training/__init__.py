"""In: a model and encoded rows. Out: trained weights, with exact losses and counts."""
