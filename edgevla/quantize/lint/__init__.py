"""What TensorRT takes of a Q/DQ graph, and what wrecks the numbers: one named rule each."""
