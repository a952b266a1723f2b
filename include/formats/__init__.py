"""Formats that several rooms read and write the same way: the standard library, numpy and Pillow only."""
