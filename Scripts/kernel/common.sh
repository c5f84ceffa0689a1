# Where the guest's kernel is kept. Sourced by the scripts beside it, not run.

package=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
cache=$package/.build/kernel
# The number changes with what is in there.
clips=$cache/clips-1

# The guest's files, set by `find_kernel`.
release= version= home= modules=

# The kernel whose headers are installed; the guest must run exactly that one, as modules built
# with its headers fit no other.
find_kernel() {
  release=$(dpkg-query -W -f '${Depends}\n' linux-headers-amd64 2>/dev/null |
    sed -n 's/.*linux-headers-\(6\.1[^ ,]*\).*/\1/p')
  version=$(dpkg-query -W -f '${Version}' "linux-headers-$release" 2>/dev/null || true)
  home=$cache/$release-$version
  modules=$home/root/lib/modules
}

say() { printf 'kernel: %s\n' "$*" >&2; }
fail() {
  printf 'kernel: %s\n' "$*" >&2
  exit 69 # EX_UNAVAILABLE
}
