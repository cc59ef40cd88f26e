"""The main job on real orders: import a shop's history, go live, and show what Rapport made of it."""

from deploy.local.demo.job import run_demo

__all__ = ["run_demo"]
