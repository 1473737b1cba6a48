"""The simulated robot: a MuJoCo arm behind the real servo protocol and HTTP cameras."""
