"""`python -m services.ingest serve|migrate|resume|dlq|source`."""

import sys

from services.ingest.main import main

sys.exit(main())
