"""A latency table of `micro` that needs no measuring: known prices of a few features."""

import json

from dass.networks.latency import LatencyTable, Prices, Spread, pack_table

NEAR = Spread(median=0.03, p95=0.1, spearman=0.99)
COEFFICIENTS = {"networks": 0.05, "layers": 0.1, "writes": 1e-4}


def table_of(device="phone", **changes):
    """Return a table with float32 at batches 1 and 8, and int8 at batch 1, twice as fast."""
    prices = [
        Prices(
            precision=precision,
            batch=batch,
            vector=8,
            coefficients={name: factor * price for name, price in COEFFICIENTS.items()},
            held_out=NEAR,
            repeatability=NEAR,
        )
        for precision, batch, factor in (
            ("float32", 1, 1.0),
            ("float32", 8, 6.0),
            ("int8", 1, 0.5),
        )
    ]
    facts = {"cpu": "ARMv8", "onnxruntime": "1.20", "space": "micro", "num_classes": 10}
    return LatencyTable(device=device, measurements=(), prices=tuple(prices), **facts | changes)


def file_of(**changes):
    """Return the same as the file that `dass latency` writes, with changed top-level values."""
    return json.dumps(json.loads(pack_table(table_of())) | changes).encode()
