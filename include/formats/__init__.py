"""Formats that several packages read and write the same way; needs the standard library and Pillow only."""
