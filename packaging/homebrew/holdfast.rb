# Draft of a formula, filled in by `scripts/release-check.sh recipes`: the C library, its C++ wrapper, and the program.
class Holdfast < Formula
  desc "PostgreSQL connection pool for C, C++ and Rust that does not let go"
  homepage "@REPOSITORY@"
  url "@REPOSITORY@/releases/download/v@VERSION@/holdfast-@VERSION@-source.tar.gz"
  sha256 "@SHA256@"
  license any_of: ["MIT", "Apache-2.0"]

  depends_on "pkgconf" => :build
  depends_on "rust" => :build
  depends_on "openssl@3"

  def install
    if OS.mac?
      # The Makefile installs the shared library of Linux; macOS has the static one.
      system "make", "lib"
      lib.install "target/c/libholdfast.a"
      include.install "include/holdfast.h", "bindings/cpp/holdfast.hpp", "bindings/cpp/holdfast"
    else
      system "make", "install", "PREFIX=#{prefix}"
    end
    system "cargo", "install", *std_cargo_args(path: "cli")
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/holdfast --version")
    (testpath/"program.c").write <<~C
      #include <holdfast.h>
      int main(void) { return holdfast_check_version(HOLDFAST_VERSION_NUMBER, 0) ? 1 : 0; }
    C
    system ENV.cc, "program.c", "-I#{include}", "-L#{lib}", "-L#{Formula["openssl@3"].opt_lib}",
           "-lholdfast", "-lssl", "-lcrypto", "-o", "program"
    system "./program"
  end
end
