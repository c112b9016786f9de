"""The models behind ragbot. Nothing is loaded on import."""

import sys

# openvino reports each import over the network where it finds this package; where there is none it does not. Nothing leaves the
# machine with the bundled models: not that they are used, either.
sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
