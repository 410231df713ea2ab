"""The studio: an algorithm on a source, looked at in a browser while its parameters change.

Invariant: what plays does so in threads of its own, knows no browser, and ends with whoever looked at it.
Streamlit is known to the modules that draw the page (`board` and what it imports) and to `serve`.
"""
