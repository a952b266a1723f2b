"""Sets up both Python environments, started by whatever Python from 3.9 on there is.

Standard library only, and valid for Python 3.9: the rest of the project runs in what this makes.
"""
