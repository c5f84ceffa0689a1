#!/usr/bin/env bash
# Runs a command in a virtual machine with a real kernel, vicodec, vim2m and vivid:
#
#   Scripts/kernel/run-guest.sh [--multiplanar 0|1] [--cpus N] [--timeout SECONDS] COMMAND [ARGUMENT…]
#   Scripts/kernel/run-guest.sh [--multiplanar 0|1] [--cpus N] --shell
#
# The command runs as root in the caller's directory, on the host's files: it may write anywhere,
# but into memory only; what it leaves in /run/results is kept, at the path that is told at the
# end when something failed. Its output and exit code are the script's. The exit code is 70 when
# the guest did not end as it should (panic, hang, time-out) or when the kernel complained; then
# its log is shown.
set -euo pipefail
source "$(dirname "$0")/common.sh"

multiplanar=0 cpus=2 timeout=300 shell=0
while [ $# -gt 0 ]; do
  case $1 in
  --multiplanar) multiplanar=$2 && shift 2 ;;
  --cpus) cpus=$2 && shift 2 ;;
  --timeout) timeout=$2 && shift 2 ;;
  --shell) shell=1 && shift ;;
  *) break ;;
  esac
done
if [ $# -eq 0 ] && [ "$shell" -eq 0 ] || [[ ! $multiplanar$cpus =~ ^[01][1-9]$ ]]; then
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 64 # EX_USAGE
fi
find_kernel
[ -e "$home/initramfs" ] || fail "there is no guest yet; \`make kernel-setup\` makes it"

mkdir -p "$cache/runs"
# Those of earlier failures are kept for a while.
find "$cache/runs" -mindepth 1 -maxdepth 1 -mtime +7 -exec rm -rf {} +
results=$(mktemp -d "$cache/runs/$(date +%H%M%S)-XXXX")
# Colons and spaces would end the value of a QEMU option.
[[ $package =~ ^[A-Za-z0-9/._+-]*$ ]] || fail "the path $package is too unusual for QEMU"

{
  printf 'cd %q\n' "$PWD"
  # What the tests are to know.
  env -0 | while IFS= read -r -d '' variable; do
    if [[ $variable == V4L2ENC_*=* ]]; then printf 'export %q\n' "$variable"; fi
  done
  printf 'export V4L2ENC_KERNEL_GUEST=1 V4L2ENC_MULTIPLANAR=%q HOME=/root TERM=%q\n' \
    "$multiplanar" "${TERM:-dumb}"
  printf 'export PATH=%q\n' "$PATH"
  if [ -n "${LD_LIBRARY_PATH:-}" ]; then
    printf 'export LD_LIBRARY_PATH=%q\n' "$LD_LIBRARY_PATH"
  fi
} >"$results/environment"
{
  printf 'source /run/results/environment\n'
  printf '%q ' "$@"
  printf '\n'
} >"$results/command"
touch "$results/stdout" "$results/stderr"

# Emulated, not virtualised: the same everywhere, and CI has no /dev/kvm. A panic reboots, which
# ends QEMU; an oops is a panic, since a driver that oopsed proves nothing any more.
#
# What an emulated processor had better not have: string moves that are fast on a real one go byte
# by byte, and page tables of five levels and the guards of user pages are paid at every access.
processor=max,-erms,-la57,-smap,-smep,-pku
machine=(
  qemu-system-x86_64 -accel tcg,thread=multi -cpu "$processor" -smp "$cpus" -m 2G -nodefaults -display none
  -no-reboot -no-user-config
  -kernel "$home/vmlinuz" -initrd "$home/initramfs"
  -append "console=ttyS0 panic=-1 oops=panic quiet loglevel=5 mitigations=off random.trust_cpu=on \
guest.modules=$modules guest.multiplanar=$multiplanar guest.shell=$shell"
  -fsdev "local,id=host,path=/,security_model=none,readonly=on,multidevs=remap"
  -device virtio-9p-pci,fsdev=host,mount_tag=host
  -fsdev "local,id=results,path=$results,security_model=none"
  -device virtio-9p-pci,fsdev=results,mount_tag=results
)
if [ "$shell" -eq 1 ]; then
  "${machine[@]}" -serial mon:stdio
  rm -rf "$results"
  exit 0
fi

followers=()
"${machine[@]}" -serial "file:$results/console" </dev/null 2>"$results/qemu" &
guest=$!
finish() {
  kill -KILL "$guest" 2>/dev/null || true
  if [ ${#followers[@]} -gt 0 ]; then kill "${followers[@]}" 2>/dev/null || true; fi
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

tail -q -s 0.1 -n +1 -f --pid="$guest" "$results/stdout" &
followers+=($!)
tail -q -s 0.1 -n +1 -f --pid="$guest" "$results/stderr" >&2 &
followers+=($!)

state=ended
deadline=$((SECONDS + timeout))
while kill -0 "$guest" 2>/dev/null; do
  if [ "$SECONDS" -ge "$deadline" ]; then
    state="was killed after $timeout s"
    kill -KILL "$guest"
    break
  fi
  sleep 0.1
done
wait "$guest" 2>/dev/null || true
wait "${followers[@]}" 2>/dev/null || true
followers=()

show() {
  if [ -s "$results/$1" ]; then
    printf '== the last lines of %s\n' "$results/$1"
    tail -n "$2" "$results/$1"
  fi
} >&2
if [ ! -s "$results/status" ]; then
  show qemu 20
  show console 60
  say "the guest $state without a result; see $results"
  exit 70 # EX_SOFTWARE
fi
# Drivers built out of tree taint the kernel, which is no complaint. Neither is that of vivid's
# painting thread when it is late: it then passes the negative rest of its frame's time to
# schedule_timeout (vivid-kthread-cap.c), which says so with a trace.
complaints() {
  awk '
    /schedule_timeout: wrong timeout value/ { held = ""; holding = 1; isVivid = 0 }
    !holding { print; next }
    { held = held $0 "\n"; if (/vivid_thread_/) isVivid = 1 }
    /<\/TASK>/ { if (!isVivid) printf "%s", held; holding = 0 }
    END { if (holding) printf "%s", held }' "$results/dmesg" |
    grep -E 'WARNING:|BUG:|Oops|general protection|Call Trace|refcount_t|blocked for more than'
}
if complaints >&2; then
  show dmesg 60
  say "the guest's kernel complained; see $results"
  exit 70
fi
status=$(<"$results/status")
if [ "$status" -eq 0 ]; then
  rm -rf "$results"
else
  say "the command ended with $status; its results are in $results"
fi
exit "$status"
