#!/bin/bash
# SPDX-License-Identifier: MIT
#
# bench/plot.sh CSV SVG: medians of vmiring-bench --csv as bars, with the least
# and the greatest, one panel for each group; logarithmic.  Needs gnuplot.
set -euo pipefail

[ $# = 2 ] || { echo "usage: $0 CSV SVG" >&2; exit 2; }
command -v gnuplot >/dev/null || { echo "$0: gnuplot is not installed" >&2; exit 1; }
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

python3 - "$1" "$scratch" <<'PYTHON'
import csv
import statistics
import sys

groups = {}
with open(sys.argv[1]) as source:
    for row in csv.DictReader(l for l in source if not l.startswith("#")):
        cases = groups.setdefault(row["group"], {})
        cases.setdefault(row["case"], []).append(float(row["ns_per_event"]))
with open(sys.argv[2] + "/plot", "w") as plot:
    plot.write("set style fill solid 0.6\nset boxwidth 0.7\nset logscale y\n"
               "set xtics rotate by -35\nset ylabel 'ns per event'\n"
               "set multiplot layout %d,2\nset key off\n" %
               ((len(groups) + 1) // 2))
    for i, (group, cases) in enumerate(groups.items()):
        with open("%s/%d" % (sys.argv[2], i), "w") as data:
            for n, (case, ns) in enumerate(cases.items()):
                data.write('%d "%s" %f %f %f\n' % (
                    n, case, statistics.median(ns), min(ns), max(ns)))
        plot.write("set title '%s'\nplot '%s/%d' using 1:3:xtic(2) with boxes,"
                   " '' using 1:3:4:5 with yerrorbars lc black pt 0\n" %
                   (group, sys.argv[2], i))
PYTHON
gnuplot -e "set terminal svg size 1200,3000; set output '$2'" "$scratch/plot"
