"""Requests in, answers out: who may ask, what a body may hold, how a stream, a socket or a refusal gets out."""
