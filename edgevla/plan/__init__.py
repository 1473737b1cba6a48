"""How long a policy will take on a machine, and what it needs there, before anything is built: a roofline estimate."""
