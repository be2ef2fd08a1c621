"""Durable runs: started under a journal, driven by whichever process is alive, read and answered from anywhere.

Owns the bridge between a run (`runtime`) and its store (`journal`): what a run was asked as JSON, one drive of it, its
inbox, and the process's end of a journal. The log is the run's; nothing here makes an event up.
"""
