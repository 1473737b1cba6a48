"""One interface to whatever runs the graph; members onnxruntime, tensorrt, triton."""
