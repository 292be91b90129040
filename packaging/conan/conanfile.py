"""Draft of a recipe, filled in by `scripts/release-check.sh recipes`. Conan has no Rust of its own: cargo must be installed."""

from conan import ConanFile
from conan.errors import ConanInvalidConfiguration
from conan.tools.files import copy, get


class Holdfast(ConanFile):
    name = "holdfast"
    version = "@VERSION@"
    description = "PostgreSQL connection pool for C and C++ that does not let go"
    homepage = "@REPOSITORY@"
    license = ("MIT", "Apache-2.0")
    package_type = "shared-library"
    settings = "os", "arch", "compiler", "build_type"
    requires = "openssl/[>=3 <4]"

    def validate(self):
        if self.settings.os != "Linux":
            raise ConanInvalidConfiguration("the Makefile installs the library of Linux only")

    def source(self):
        get(
            self,
            "@REPOSITORY@/releases/download/v@VERSION@/holdfast-@VERSION@-source.tar.gz",
            sha256="@SHA256@",
            strip_root=True,
        )

    def build(self):
        profile = "dev" if self.settings.build_type == "Debug" else "lib"
        self.run(f"OPENSSL_DIR={self.dependencies['openssl'].package_folder} make lib LIB_PROFILE={profile}")

    def package(self):
        profile = "dev" if self.settings.build_type == "Debug" else "lib"
        self.run(f"make install LIB_PROFILE={profile} PREFIX={self.package_folder}")
        copy(self, "LICENSE-*", self.source_folder, f"{self.package_folder}/licenses")

    def package_info(self):
        self.cpp_info.libs = ["holdfast"]
        self.cpp_info.set_property("cmake_file_name", "holdfast")
        self.cpp_info.set_property("pkg_config_name", "holdfast")
