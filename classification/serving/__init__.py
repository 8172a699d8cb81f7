"""In: a saved model and HTTP requests. Out: answers in batches, with limits, metrics and a page to try texts."""
