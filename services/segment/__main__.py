"""`python -m services.segment serve|migrate|resume|dlq|rebuild`."""

import sys

from shared.service.command_line import missing_packages_explained

with missing_packages_explained("segment"):
    from services.segment.main import main

sys.exit(main())
