"""What holds for all tests."""

import os

# Nothing listens where spans would go; the whole pipeline's tests put this back.
os.environ["OTEL_TRACES_EXPORTER"] = "none"
