"""In: a model name and the task. Out: a tokenizer and an encoder with a classification head, in fp32."""
