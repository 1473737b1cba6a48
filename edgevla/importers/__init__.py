"""Other projects' checkpoints to bundles: their own code builds the network, this package writes down what it means."""
