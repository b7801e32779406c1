#!/bin/sh
# Turns a tree of Debian's packages into what an ostree commit of an operating system looks like.
# usage: tree.sh TREE
set -eu
cd "$1"
# The parts of a system that ostree looks for. A container node has the machine's kernel, so nothing boots this one.
kernel=usr/lib/modules/0-container-node
mkdir -p "$kernel"
echo 'no kernel: for container nodes' > "$kernel/vmlinuz"
echo 'no initramfs: for container nodes' > "$kernel/initramfs.img"
# Configuration is merged by ostree, from /usr/etc; state is the machine's own.
: > etc/fstab
: > etc/machine-id
echo container-node > etc/hostname
mkdir -p usr/share/dpkg
mv var/lib/dpkg usr/share/dpkg/db
rm -rf boot dev proc run sys tmp var home root srv opt mnt media
mkdir boot dev proc run sys tmp var sysroot
chmod 1777 tmp
mv etc usr/etc
ln -s sysroot/ostree ostree
ln -s var/home home
ln -s var/roothome root
ln -s var/srv srv
ln -s var/opt opt
ln -s var/mnt mnt
ln -s run/media media
cat > usr/lib/tmpfiles.d/ostree-state.conf <<'END'
d /var/roothome 0700 root root -
d /var/home 0755 root root -
d /var/lib 0755 root root -
d /var/log 0755 root root -
d /var/opt 0755 root root -
d /var/srv 0755 root root -
d /var/mnt 0755 root root -
d /var/tmp 1777 root root -
END
echo base > usr/share/weir-bench
