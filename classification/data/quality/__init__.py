"""In: splits with encoded labels. Out: findings: what is wrong with the data, one kind in each file."""
