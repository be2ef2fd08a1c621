"""Durable runs: started under a journal, driven by whichever process is alive, read and answered from anywhere.

Owns the bridge between a run (`runtime`) and its store (`journal`): the request as JSON, one drive of a run, its inbox,
and the process's part of a journal. The run owns its log; nothing here may invent an event.
"""
