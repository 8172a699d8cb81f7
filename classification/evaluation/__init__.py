"""In: logits and labels. Out: metrics, thresholds and significance."""
