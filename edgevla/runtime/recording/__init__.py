"""Recording: what the robot saw, planned, was told and did, in MCAP files that open in the tools people have.

The control and policy processes hand over records and never wait; a process of its own writes them. What cannot be
taken in time is dropped and counted, and the count is in the file.
"""
