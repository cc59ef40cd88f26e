"""`python -m services.segment serve|migrate|resume`."""

import sys

from services.segment.main import main

sys.exit(main())
