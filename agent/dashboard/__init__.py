"""`vedette dashboard`: the page for browsers, as files. What it shows comes from the broker, not from here.

The page is written in TypeScript, in `dashboard/` of the sources, and built into `static`. Any web server may
serve it; the one here is for those who have none at hand. No request makes it do more than send bytes that
it read at its start.
"""
