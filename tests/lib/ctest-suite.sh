#!/bin/bash
# SPDX-License-Identifier: MIT
#
# tests/lib/ctest-suite.sh LABEL OUT BUILD [--long]: the tests of the CMake
# build BUILD that carry LABEL, as a suite of ./check.
set -euo pipefail

# shellcheck source=tests/lib/results.sh
. "$(dirname "${BASH_SOURCE[0]}")/results.sh"

# Of tests/apply.
[ "${4:-}" != --long ] || export VMIRING_EVERY_STEP=1
run_ctest "$2" "" "$3" -L "^$1\$"
