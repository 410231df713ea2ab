"""Fixtures for the tests of the dashboard's page."""

from tests.system.page_parts import chromium_driver, page, page_browser, watched

__all__ = ["chromium_driver", "page", "page_browser", "watched"]
