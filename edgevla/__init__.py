"""EdgeVLA: the runtime that takes a vision-language-action policy to the arm, inside its bounds."""

__version__ = "0.1.0"
