"""`python -m services.segment serve|migrate|resume|dlq|rebuild`."""

import sys

from services.segment.main import main

sys.exit(main())
