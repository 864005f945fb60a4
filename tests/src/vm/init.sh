#!/bin/sh
# The first process of a guest: mounts what a system has, does the task, hands over what is in /out.
export PATH=/bin HOME=/root
mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t tmpfs tmp /tmp
mount -t tmpfs out /out
mkdir -p /dev/pts /dev/shm
mount -t devpts pts /dev/pts
mount -t tmpfs shm /dev/shm
ln -s /proc/self/fd /dev/fd
ln -s fd/0 /dev/stdin
ln -s fd/1 /dev/stdout
ln -s fd/2 /dev/stderr
mount -t tracefs tracing /sys/kernel/tracing
mount -t securityfs security /sys/kernel/security
mount -t cgroup2 cgroup /sys/fs/cgroup
mount -t bpf bpf /sys/fs/bpf 2>/dev/null
chmod 1777 /tmp
ip link set lo up
insmod /overlay.ko
echo "guest: $(uname -r) is up"
cd /root
sh /task </dev/null
echo "guest: ended $?"
# The disk holds nothing but this.
tar -cf /dev/nvme0n1 -C /out . && sync
echo "guest: done"
poweroff -f
