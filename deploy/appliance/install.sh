#!/usr/bin/env bash
# Installs the ArtStore appliance from the unpacked tarball. Run it again to upgrade: documents and settings stay as they are.
#   install.sh [--no-start] [--root DIR]      --root installs into a directory tree (for images and tests) and starts nothing
set -euo pipefail

root=''
start=yes
while [ $# -gt 0 ]; do
  case $1 in
    --no-start) start=no ;;
    --root) root=${2:?--root needs a directory}; start=no; shift ;;
    --help|-h) sed -n '2,3s/^# //p' "$0"; exit 0 ;;
    *) echo "install.sh: unknown argument $1 (try --help)" >&2; exit 2 ;;
  esac
  shift
done
here=$(cd "$(dirname "$0")" && pwd)
say() { printf 'artstore: %s\n' "$*"; }
fail() { printf 'artstore: %s\n' "$*" >&2; exit 1; }

[ "$(id -u)" = 0 ] || fail "run as root: it makes the user 'artstore', writes to /opt, /etc and /var/lib"
architecture=$(cat "$here/ARCHITECTURE")
[ "$(uname -m)" = "$architecture" ] || fail "this tarball is for $architecture, this machine is $(uname -m)"
(cd "$here" && sha256sum --quiet --check SHA256SUMS) || fail "the tarball is damaged: fetch it again"

missing_libraries() { ldd "$here/bin/artstore-appliance" | awk '/not found/ {print $1}'; }
if [ -z "$root" ] && [ -n "$(missing_libraries)" ]; then
  packages=(libssl3 libsqlite3-0 liblz4-1 libjemalloc2 libseccomp2)
  say "installing the libraries it needs: ${packages[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if ! { apt-get update -qq && apt-get install -y -qq --no-install-recommends "${packages[@]}"; } >/dev/null; then
    fail "apt-get could not install them. Missing: $(missing_libraries | tr '\n' ' ')
install ${packages[*]} by hand, then run this again"
  fi
  [ -z "$(missing_libraries)" ] || fail "still missing after the installation: $(missing_libraries | tr '\n' ' ')"
fi

if ! grep -q '^artstore:' "$root/etc/passwd" 2>/dev/null; then
  say "making the system user 'artstore'"
  useradd ${root:+--root "$root"} --system --home-dir /var/lib/artstore --no-create-home --shell /usr/sbin/nologin artstore
fi
install -d -m 0755 "$root/opt/artstore/bin" "$root/opt/artstore/doc" "$root/etc/systemd/system"
install -d -m 0750 "$root/etc/artstore"
# Beside and renamed, so that a running daemon keeps its file and an interrupted upgrade leaves the old program.
install -m 0755 "$here/bin/artstore-appliance" "$root/opt/artstore/bin/artstore-appliance.new"
mv -f "$root/opt/artstore/bin/artstore-appliance.new" "$root/opt/artstore/bin/artstore-appliance"
install -m 0644 "$here/README.md" "$here"/LICENSE* "$root/opt/artstore/doc/"
install -m 0755 "$here/uninstall.sh" "$here/claim-code" "$root/opt/artstore/"
install -m 0644 "$here"/artstore-appliance{.service,-api.socket,-probe.socket} "$root/etc/systemd/system/"
if [ ! -e "$root/etc/artstore/appliance.env" ]; then
  install -m 0640 "$here/appliance.env" "$root/etc/artstore/appliance.env"
else
  say "keeping /etc/artstore/appliance.env"
fi
chroot "${root:-/}" chgrp artstore /etc/artstore /etc/artstore/appliance.env
chroot "${root:-/}" install -d -o artstore -g artstore -m 0700 /var/lib/artstore

units=(artstore-appliance-api.socket artstore-appliance-probe.socket artstore-appliance)
if [ -d /run/systemd/system ] && [ -z "$root" ]; then
  systemctl daemon-reload
  if [ "$start" = yes ]; then
    systemctl enable --quiet "${units[@]}"
    # Before there were socket units the service itself held the ports.
    systemctl is-active --quiet artstore-appliance-api.socket || systemctl stop --quiet artstore-appliance
    systemctl start artstore-appliance-api.socket artstore-appliance-probe.socket
    systemctl restart artstore-appliance
    say "started; state: $(systemctl is-active artstore-appliance || true)"
    say 'the claim code for the web console: /opt/artstore/claim-code'
  fi
else
  say "installed; start it with: systemctl enable --now ${units[*]}"
fi
