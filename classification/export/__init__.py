"""In: a trained model and real rows. Out: a folder for ONNX Runtime that gives the same answers, or a refusal with figures."""
