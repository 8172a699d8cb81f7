"""In: a trained model and real rows. Out: a folder for ONNX Runtime with the same answers, or a refusal with
figures."""
