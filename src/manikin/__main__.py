"""``python -m manikin``, where the command is not on the path."""

import sys

from manikin.cli import main

sys.exit(main())
