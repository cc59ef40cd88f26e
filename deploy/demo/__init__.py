"""The main job on real orders: import a shop's history, go live, and show what Rapport made of it."""

from deploy.demo.job import NotShown, run_demo

__all__ = ["NotShown", "run_demo"]
