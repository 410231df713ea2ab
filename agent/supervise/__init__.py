"""Wanted children become real children, and what they say becomes windows, results and status.

Invariant: nobody starts or stops anything; commands change what is wanted, and one idempotent step makes
reality match. The agent process touches no pixel and decodes no result.
"""
