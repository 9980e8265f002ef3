#!/usr/bin/env bash
# Removes the ArtStore appliance's program and unit. Documents (/var/lib/artstore) and settings (/etc/artstore) are kept:
# an uninstaller must never be the thing that loses a document.
set -euo pipefail
[ "$(id -u)" = 0 ] || { echo 'artstore: run as root' >&2; exit 1; }
if [ -d /run/systemd/system ]; then
  systemctl disable --now --quiet artstore-appliance{-api.socket,-probe.socket,.service} || true
fi
rm -f /etc/systemd/system/artstore-appliance{.service,-api.socket,-probe.socket}
rm -rf /opt/artstore
if [ -d /run/systemd/system ]; then systemctl daemon-reload; fi
echo 'artstore: removed. Documents in /var/lib/artstore and settings in /etc/artstore are untouched.'
