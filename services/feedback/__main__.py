"""`python -m services.feedback serve|migrate|resume|dlq|rebuild`."""

import sys

from shared.service.command_line import missing_packages_explained

with missing_packages_explained("feedback"):
    from services.feedback.main import main

sys.exit(main())
