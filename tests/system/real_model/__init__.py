"""A real model, small and on this machine, behind llama.cpp's server: what a script of answers cannot show."""
