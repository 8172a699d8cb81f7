"""In: a saved model, and texts or a stream of rows. Out: answers as values or as a file; nothing here can train.

`saved_classifier` loads the model, an engine of `engines` computes its logits, `answers` and `answer_columns` say what
follows from them. `file_prediction` predicts a whole input, part by part. `explanation` tells which words decided.
"""
