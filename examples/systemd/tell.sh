#!/bin/sh
# Sends a message about the end of a run. systemd passes the unit and the result
# (MONITOR_UNIT, MONITOR_EXIT_STATUS). Replace the last line with your mail or
# chat command; the journal has the message in any case.
set -eu
unit=${MONITOR_UNIT:-mkhooks} status=${MONITOR_EXIT_STATUS:-unknown}
case "$status" in
  0) exit 0 ;;
  1) why='it failed: network, service or files' ;;
  2) why='live rules differ from the files' ;;
  3) why='config, rule files, flags, token or key are wrong' ;;
  4) why='a change was refused: blocked, stale, or not what was reviewed' ;;
  5) why='something was applied, and something failed or is unverified' ;;
  *) why="it was ended ($status)" ;;
esac
level=3
if [ "$status" = 2 ]; then level=4; fi # a warning: nothing is broken
echo "<$level>$unit: $why; read: journalctl --unit $unit"
