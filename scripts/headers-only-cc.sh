#!/bin/sh
# Stands for a C compiler of another target where only its preprocessor is asked for, as OpenSSL's build script does to learn the
# version of the headers. Leaves out what this machine's compiler does not know.
for argument in "$@"; do
    shift
    case $argument in
    -arch | x86_64 | arm64 | --target=* | -target | -mmacosx-version-min=* | -m64 | -march=*) ;;
    *) set -- "$@" "$argument" ;;
    esac
done
exec cc "$@"
