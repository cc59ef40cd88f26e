"""`python -m services.feedback serve|migrate|resume`."""

import sys

from services.feedback.main import main

sys.exit(main())
