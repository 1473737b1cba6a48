"""The robot as a system service: what goes where, shown before it is changed, and taken away again."""
