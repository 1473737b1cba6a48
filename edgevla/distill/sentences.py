"""The words the students learn; they are the tabletop's, see sim/sentences.py."""

from edgevla.sim.sentences import LENGTH, PADDING, paraphrases, vocabulary

__all__ = ["LENGTH", "PADDING", "paraphrases", "vocabulary"]
