"""For every test: a machine that is busy with something else is not a mistake of the code under test."""

from hypothesis import HealthCheck, settings

settings.register_profile("patient", settings(), suppress_health_check=[HealthCheck.too_slow], deadline=None)
settings.load_profile("patient")
