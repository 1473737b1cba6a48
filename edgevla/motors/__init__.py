"""Servo buses: one interface, sans-I/O codecs, and a serial port around them."""
