"""The power cut: what a program wrote is recorded, every disk that a cut could leave is rebuilt, and it is started on each."""
