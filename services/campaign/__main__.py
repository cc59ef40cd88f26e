"""`python -m services.campaign serve|migrate|resume|dlq|rebuild|floor`."""

import sys

from services.campaign.main import main

sys.exit(main())
