#!/usr/bin/env bash
# Otsu's method on two humps with nothing between them. Every cut inside the gap gives the same
# between-class variance, so one expects its middle. scikit-image 0.26 and OpenCV 4.12 return the
# lower edge: the last value of the lower hump. A rule "settled means below the threshold" then
# depends on whether < or <= is written, and one more point at the edge changes side.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/v"
"$folder/v/bin/pip" install -q numpy==2.2.6 scikit-image==0.26.0 opencv-python-headless==4.12.0.88 2>/dev/null
"$folder/v/bin/python" - <<'P'
import cv2
import numpy as np
import skimage
from skimage.filters import threshold_otsu

rng = np.random.default_rng(0)
low, high = rng.integers(40, 61, 500), rng.integers(180, 201, 500)
image = np.concatenate([low, high]).astype(np.uint8).reshape(20, 50)
expected = (int(low.max()) + int(high.min())) / 2
found = {
    f"scikit-image {skimage.__version__}": float(threshold_otsu(image)),
    f"OpenCV {cv2.__version__}": float(cv2.threshold(image, 0, 255, cv2.THRESH_OTSU)[0]),
}
print(f"humps 40-60 and 180-200, middle of the gap {expected}")
for name, value in found.items():
    print(f"{name}: threshold {value}")
assert set(found.values()) == {float(low.max())}, "changed: no longer the lower edge of the gap"
P
