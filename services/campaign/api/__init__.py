"""The routes of campaign."""
