"""`python -m services.ingest serve|migrate|resume|source`."""

import sys

from services.ingest.main import main

sys.exit(main())
