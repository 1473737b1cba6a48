"""OpenVLA: seven tokens for one step of the tool. Proven against tests/importers/requirements-openvla.txt."""
