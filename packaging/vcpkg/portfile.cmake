# Draft of a port, filled in by `scripts/release-check.sh recipes`. vcpkg has no Rust of its own: cargo must be installed.
vcpkg_download_distfile(ARCHIVE
    URLS "@REPOSITORY@/releases/download/v@VERSION@/holdfast-@VERSION@-source.tar.gz"
    FILENAME "holdfast-@VERSION@-source.tar.gz"
    SHA512 @SHA512@
)
vcpkg_extract_source_archive(SOURCE_PATH ARCHIVE "${ARCHIVE}")

find_program(CARGO cargo REQUIRED)
find_program(MAKE make REQUIRED)
set(ENV{OPENSSL_DIR} "${CURRENT_INSTALLED_DIR}")
vcpkg_execute_required_process(
    COMMAND "${MAKE}" install "CARGO=${CARGO}" "PREFIX=${CURRENT_PACKAGES_DIR}"
    WORKING_DIRECTORY "${SOURCE_PATH}"
    LOGNAME "install-${TARGET_TRIPLET}"
)
vcpkg_cmake_config_fixup(CONFIG_PATH lib/cmake/holdfast)
vcpkg_fixup_pkgconfig()
vcpkg_install_copyright(FILE_LIST "${SOURCE_PATH}/LICENSE-MIT" "${SOURCE_PATH}/LICENSE-APACHE")
