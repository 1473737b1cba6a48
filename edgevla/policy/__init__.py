"""From an observation to a chunk: preprocessing, language, engine, decoding."""
