"""`make chaos`: breaks a deployment on real servers, prints the tally, writes build/chaos.json.

Ends with 1 if anything was lost or doubled.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from random import Random

from chaos_kit.campaign import START_PERIOD, campaign, schedule
from chaos_kit.faults import DROPS, FAULTS, possible
from chaos_kit.packets import own_network
from chaos_kit.records import keep, record_of, total
from chaos_kit.tally import figures, show, show_worst

BUILD = Path(__file__).resolve().parents[3] / "build"


def main() -> int:
    """Runs the campaign, reports, and says by its exit code whether the platform kept its word."""
    parser = argparse.ArgumentParser(prog="make chaos", description=__doc__)
    parser.add_argument("--kills", type=int, default=1000)
    parser.add_argument("--others", type=int, default=3, help="how often each other fault happens")
    parser.add_argument("--workers", type=int, default=3)
    parser.add_argument(
        "--only", action="append", choices=sorted({**FAULTS, **DROPS}), help="of the other faults only these"
    )
    parser.add_argument(
        "--period", type=float, default=START_PERIOD, help="seconds between two starts of runs"
    )
    parser.add_argument("--fsync", choices=("on", "off"), default="on", help="of PostgreSQL")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--add", action="store_true", help="to the campaigns before, in build/chaos.json")
    options = parser.parse_args()
    os.environ["QD_SERVICES_FSYNC"] = options.fsync
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # a worker that starts again shall not compile all of it
    packets = own_network()
    dropping = (
        "in a network namespace of its own" if packets else "without a network namespace: no packets dropped"
    )
    print(f"seed {options.seed}, fsync={options.fsync}, {dropping}", flush=True)
    names = options.only or possible(packets=packets is not None)
    faults = schedule(options.kills, options.others, Random(options.seed), names)
    screens = BUILD / "chaos-screen"
    verdict, weather, seconds = campaign(
        faults, options.workers, options.seed, screens, packets, options.period
    )
    record = record_of(verdict, weather, options.seed, seconds)
    BUILD.mkdir(exist_ok=True)
    records = keep(record, BUILD / "chaos-campaigns.jsonl", anew=not options.add)
    (BUILD / "chaos.json").write_text(json.dumps(figures(total(records)), indent=2) + "\n")
    show(record)
    show_worst(verdict, weather)
    if options.add:
        show(total(records))
    return 0 if verdict.clean and not weather.take_overs.never else 1


if __name__ == "__main__":
    sys.exit(main())
