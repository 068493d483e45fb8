#!/usr/bin/env bash
# Sees to programs that npm does not bring: tools/need.sh PROGRAM:DEBIAN-PACKAGE...
# Root on Debian gets the missing packages installed; anybody else is told the command.
set -euo pipefail
# Where daemons live; not on everybody's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin

programs=() packages=()
for pair in "$@"; do
  command -v "${pair%%:*}" >/dev/null && continue
  programs+=("${pair%%:*}") packages+=("${pair##*:}")
done
[ ${#packages[@]} = 0 ] && exit 0

if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  export DEBIAN_FRONTEND=noninteractive
  apt-get update -qq </dev/null
  exec apt-get install -y --no-install-recommends "${packages[@]}" </dev/null
fi
echo "Missing: ${programs[*]}. Run: sudo apt-get install ${packages[*]}" >&2
exit 1
