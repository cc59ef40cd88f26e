"""`python -m services.profile serve|migrate|resume|dlq|rebuild`."""

import sys

from shared.service.command_line import missing_packages_explained

with missing_packages_explained("profile"):
    from services.profile.main import main

sys.exit(main())
