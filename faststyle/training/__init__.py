"""Training and export: the only room of faststyle that imports torch and onnx."""
