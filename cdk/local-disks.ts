/** User data for the local NVMe disks of an Auto Scaling group's instances: one file system for the tasks, at LOCAL_DISK. */

/** Where the volumes of the tasks are on an instance. */
export const LOCAL_DISK = '/mnt/selm';

const SCRIPT = '/usr/local/sbin/selm-local-disks';

/**
 * Makes a file system of the disks and mounts it, at every boot: what was on them is gone after a stop, and is a cache anyway. Several
 * disks are striped by the kernel's device mapper (`dmsetup`, which the system's own packages need): the image has neither mdadm nor
 * LVM. The S3 endpoint reaches the repository of its packages (endpoints.ts).
 */
const script = `#!/bin/bash
set -Eeuo pipefail
fail() {
  echo "selm: $1. This instance does not join the cluster and shuts down." | tee /dev/console >&2
  systemctl poweroff
  exit 1
}
trap 'fail "the local disks cannot be used: $BASH_COMMAND failed"' ERR
has() { command -v "$1" > /dev/null || dnf install --assumeyes --quiet "$2"; }
mountpoint --quiet ${LOCAL_DISK} && exit 0
udevadm settle
shopt -s nullglob
links=(/dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage_*)
[ \${#links[@]} -gt 0 ] || fail 'there is no local NVMe disk'
# Each disk has several links.
disks=($(realpath "\${links[@]}" | sort --unique))
count=\${#disks[@]}
device=\${disks[0]}
if [ "$count" -gt 1 ]; then
  has dmsetup device-mapper
  smallest=$(for disk in "\${disks[@]}"; do blockdev --getsz "$disk"; done | sort --numeric-sort | sed --quiet 1p)
  chunk=512
  dmsetup create selm --table "0 $((smallest / chunk * chunk * count)) striped $count $chunk \${disks[*]/%/ 0}"
  device=/dev/mapper/selm
fi
has mkfs.xfs xfsprogs
mkfs.xfs -f -K "$device"
mkdir --parents ${LOCAL_DISK}
mount --options noatime "$device" ${LOCAL_DISK}
install --directory --owner 10001 --group 10001 ${LOCAL_DISK}/home
install --directory --mode 1777 ${LOCAL_DISK}/tmp`;

/** Has the ECS agent start only after the script: if it fails, the instance gets no task that would fill the root volume. */
export const LOCAL_DISKS = `cat > ${SCRIPT} << 'END'
${script}
END
chmod 755 ${SCRIPT}
mkdir -p /etc/systemd/system/ecs.service.d
printf '[Service]\\nExecStartPre=%s\\n' ${SCRIPT} > /etc/systemd/system/ecs.service.d/selm.conf
systemctl daemon-reload`;
