"""In: tensors. Out: the same numbers, faster. Optional reading: numerics for CPU and GPU."""
