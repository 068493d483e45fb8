#!/usr/bin/env bash
# Fetches the sources of lwIP and mbedtls that the firmware is built of, from Debian's source packages, into build/third-party.
# For anybody: apt's lists and caches for it lie in build/, and the system's apt is left as it is. Quick when they are there.
# Not asked for what LWIP_SOURCE or MBEDTLS_SOURCE names another checkout of.
set -euo pipefail
cd "$(dirname "$0")/../.."

target=$PWD/build/third-party
apt=$PWD/build/apt
# Name, what the folder is stamped with, its tarball's SHA-256.
sources=(
  "lwip lwip_2.1.3+dfsg1.orig.tar.xz 0a8276d09fc4e97bbba2f953d74af2388fc2195ea156be9d7589e297a68fde24"
  "mbedtls mbedtls_2.28.3.orig.tar.gz 3b4953aa55a681e084d31892d9904cc5328d6b4958ea57b90ae4b4f94ae69a8d"
)

fail() {
  echo "$1" >&2
  exit 1
}

# The system's archives of bookworm as lines of a sources list, for its sources; options of apt-get.
list_archives() {
  apt-get "$@" indextargets --format 'deb-src [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $(REPO_URI) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
    sort -u | grep -E ' bookworm(-security|-updates)? '
}

# apt names archives whose lists it has: where nobody has run apt-get update, they are fetched to where ours are.
write_list() {
  list_archives > "$apt/sources.list" && return 0
  local own=(-o Dir::State="$apt/system" -o Dir::Cache="$apt/cache" -o Dir::State::status=/var/lib/dpkg/status -o APT::Sandbox::User=root)
  mkdir -p "$apt/system/lists/partial"
  apt-get "${own[@]}" update -qq </dev/null || true
  list_archives "${own[@]}" > "$apt/sources.list" ||
    fail "apt knows no archive of Debian bookworm, whose sources of lwIP and mbedtls the firmware needs. Set LWIP_SOURCE and MBEDTLS_SOURCE to folders with lwIP 2.1.3 and mbedtls 2.28"
}

own_apt() {
  apt-get -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State="$apt/state" -o Dir::Cache="$apt/cache" \
    -o Dir::State::status=/var/lib/dpkg/status -o APT::Sandbox::User=root "$@" </dev/null
}

refreshed=
refresh() {
  [ -z "$refreshed" ] || return 0
  command -v apt-get >/dev/null || fail "There is no apt-get to fetch Debian's sources with. Set LWIP_SOURCE and MBEDTLS_SOURCE to folders with lwIP 2.1.3 and mbedtls 2.28"
  mkdir -p "$apt/state/lists/partial" "$apt/cache/archives/partial" "$apt/files"
  write_list
  own_apt update -qq || fail "Debian's lists of sources cannot be fetched; is the network there?"
  refreshed=1
}

fetch() {
  local name=$1 tarball=$2 sum=$3
  local folder=$target/$name
  [ "$(cat "$folder/.sha256" 2>/dev/null)" = "$sum" ] && return 0
  if ! sha256sum --status --check <<<"$sum  $apt/files/$tarball" 2>/dev/null; then
    echo "Fetching $tarball"
    refresh
    local version=${tarball#*_}
    version=${version%.orig.*}
    # The Debian revision behind the upstream version may move on; its upstream tarball does not.
    local package
    package=$(own_cache showsrc "$name" 2>/dev/null | awk -v version="$version-" '/^Version: / && index($2, version) == 1 { print $2; exit }')
    [ -n "$package" ] || fail "Debian's archive has no $name $version any more. Set ${name^^}_SOURCE to a folder with it"
    (cd "$apt/files" && own_apt source -qq --download-only "$name=$package") || fail "$tarball cannot be fetched"
    sha256sum --status --check <<<"$sum  $apt/files/$tarball" || fail "$tarball is not what it was: its SHA-256 should be $sum"
  fi
  rm -rf "$folder" "$folder.partial"
  mkdir -p "$folder.partial"
  tar -xf "$apt/files/$tarball" -C "$folder.partial" --strip-components=1
  echo "$sum" > "$folder.partial/.sha256"
  mv "$folder.partial" "$folder"
}

own_cache() {
  apt-cache -o Dir::Etc::sourcelist="$apt/sources.list" -o Dir::Etc::sourceparts=- -o Dir::State="$apt/state" -o Dir::Cache="$apt/cache" "$@"
}

# Makes that run at the same time wait for each other.
mkdir -p build
exec 9>build/third-party.lock
flock 9

for source in "${sources[@]}"; do
  read -r name tarball sum <<<"$source"
  variable=${name^^}_SOURCE
  [ -n "${!variable:-}" ] || fetch "$name" "$tarball" "$sum"
done
