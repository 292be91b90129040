#!/bin/sh
# Builds the prebuilt addon of the Node package for the platform that this runs on, into bindings/node/npm, and tries whether it
# loads. In a container with Alpine, as root, it installs what is missing first. Those for glibc are built by
# bindings/node/scripts/prebuild-linux.sh. Written for any POSIX shell: Alpine has no
# other at first.
#
# Usage: scripts/prebuild.sh                  on each platform
#        scripts/prebuild.sh --gather FOLDER  lays out and packs the main package; FOLDER has an npm-<platform> of each platform
set -eu
cd "$(dirname "$0")/.."

if [ "${1:-}" = --gather ]; then
    for folder in "$2"/npm-*; do
        platform=${folder##*/npm-}
        mkdir -p "bindings/node/npm/$platform"
        cp -R "$folder/." "bindings/node/npm/$platform/"
    done
    cd bindings/node
    node scripts/prebuild.js --main
    cd npm
    for folder in */; do
        npm pack --silent "./$folder"
    done
    exit
fi

if [ "$(id -u)" = 0 ] && command -v apk >/dev/null; then
    apk add --no-cache bash build-base curl make openssl-dev openssl-libs-static perl pkgconf
fi
if ! command -v cargo >/dev/null; then
    curl --proto '=https' --tlsv1.2 --silent --show-error --fail https://sh.rustup.rs | sh -s -- -y --profile minimal
    PATH=$HOME/.cargo/bin:$PATH
    export PATH
fi

cd bindings/node
npm ci --ignore-scripts --no-audit --no-fund
npm run prebuild
platform=$(node -p 'require("./lib/native/platform").platformName()')
node -e 'require(require("path").resolve(process.argv[1]))' "npm/$platform/holdfast.node"
echo "holdfast: the addon of $platform loads"
