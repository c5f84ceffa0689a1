#!/bin/busybox sh
# The guest's first process: puts the host's files together with a writable layer in memory, loads
# the drivers, runs the command it was given and turns the machine off. What it finds on the
# kernel's command line: guest.modules (where the host keeps the modules), guest.multiplanar,
# guest.shell.
export PATH=/bin
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev

say() { echo "guest: $*" >/dev/kmsg; }
fail() {
  say "$*"
  reboot -f
}

value() { tr ' ' '\n' </proc/cmdline | sed -n "s/^$1=//p"; }
modules=$(value guest.modules)
multiplanar=$(value guest.multiplanar)
shell=$(value guest.shell)

while read -r module; do
  insmod "/modules/$module" || fail "insmod $module failed"
done </modules/order

options=trans=virtio,version=9p2000.L,msize=512000
mkdir -p /layers /root
mount -t tmpfs -o size=75% layers /layers || fail "no tmpfs"
mkdir -p /layers/host /layers/upper /layers/work
# Nothing changes on the host while the guest runs that the guest would have to see.
mount -t 9p -o "ro,cache=loose,$options" host /layers/host || fail "no files of the host"
mount -t overlay -o lowerdir=/layers/host,upperdir=/layers/upper,workdir=/layers/work,redirect_dir=off,xino=off \
  root /root || fail "no overlay over the host's files"

mount -t tmpfs -o mode=755 run /root/run
mkdir /root/run/results
# Writes go straight to the host, so that what a panic leaves is there.
mount -t 9p -o "cache=none,$options" results /root/run/results || fail "no place for results"
mount --bind "/root$modules" /root/lib/modules || fail "no modules in $modules"
for name in proc sys dev; do mount --move "/$name" "/root/$name"; done
mkdir -p /root/dev/shm /root/dev/pts
mount -t tmpfs -o mode=1777 shm /root/dev/shm
mount -t devpts pts /root/dev/pts

cat >/root/run/guest.sh <<'SCRIPT'
#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
ip link set lo up 2>/dev/null
hostname guest
# Its debugfs and the tests of drivers want these; vivid makes one camera and its output.
for module in "vicodec multiplanar=$1" vim2m "vivid n_devs=1"; do
  modprobe $module || echo "guest: modprobe $module failed" >/dev/kmsg
done
udevadm settle 2>/dev/null
if [ "$2" = 1 ]; then
  source /run/results/environment
  echo "vicodec multiplanar=$1; leave with exit, or kill it with Ctrl-A X"
  setsid -c bash -i
  status=$?
else
  source /run/results/command >/run/results/stdout 2>/run/results/stderr </dev/null &
  wait $!
  status=$?
fi
dmesg >/run/results/dmesg
echo "$status" >/run/results/status
sync
SCRIPT
chroot /root /bin/bash /run/guest.sh "$multiplanar" "$shell" </dev/console >/dev/console 2>&1
reboot -f
