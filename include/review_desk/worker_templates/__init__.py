"""Worker templates: Liquid, crowd elements and the lenient values in their attributes."""
