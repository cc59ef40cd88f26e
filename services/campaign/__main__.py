"""`python -m services.campaign serve|migrate|resume|dlq|rebuild|send-cutoff`."""

import sys

from shared.service.command_line import missing_packages_explained

with missing_packages_explained("campaign"):
    from services.campaign.main import main

sys.exit(main())
