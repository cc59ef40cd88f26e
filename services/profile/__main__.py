"""`python -m services.profile serve|migrate|resume|dlq|rebuild`."""

import sys

from services.profile.main import main

sys.exit(main())
