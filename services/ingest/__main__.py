"""`python -m services.ingest serve|migrate|resume|dlq|source`."""

import sys

from shared.service.command_line import missing_packages_explained

with missing_packages_explained("ingest"):
    from services.ingest.main import main

sys.exit(main())
