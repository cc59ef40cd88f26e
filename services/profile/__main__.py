"""`python -m services.profile serve|migrate|resume`."""

import sys

from services.profile.main import main

sys.exit(main())
