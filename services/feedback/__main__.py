"""`python -m services.feedback serve|migrate|resume|dlq|rebuild`."""

import sys

from services.feedback.main import main

sys.exit(main())
