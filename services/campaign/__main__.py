"""`python -m services.campaign serve|migrate|resume`."""

import sys

from services.campaign.main import main

sys.exit(main())
