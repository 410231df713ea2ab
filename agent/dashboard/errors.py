"""What is wrong with serving or exporting the page."""

from agent.errors import VedetteError


class DashboardError(VedetteError):
    """The page cannot be served or exported: the message says why; whoever started it acts."""

    code = "dashboard"
