/**
 * The user data of an Auto Scaling group's instances, run in a mount namespace of its own with loop devices as the NVMe disks. Only
 * systemd is not there, and the device mapper where the kernel lacks it.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { temporaryFolder } from '../temporary.ts';
import { resourcesOf, synthesize, VARIANTS } from './variants.ts';

const DISK_BYTES = 400 * 2 ** 20;
const SECTORS = DISK_BYTES / 512;
/** Loop devices and mounts are for root, and not for that of every container. */
const canMount = [
  ['losetup', '--find'],
  ['unshare', '--mount', 'true'],
].every(([command, ...args]) => process.getuid!() === 0 && spawnSync(command, args).status === 0);

const folder = temporaryFolder();
/** Programs in the place of those that this machine does not have or must not run; dmsetup; and those that the instance's image has. */
const [standIns, mapper, tools] = ['stand-ins', 'mapper', 'tools'].map((name) => join(folder, name));
const TOOLS =
  'bash blockdev cat chmod cut findmnt install ln ls mkdir mkfs.ext4 mkfs.xfs mknod mount mountpoint readlink realpath sed sort stat tee touch';
let userData = '';
const disks: string[] = [];

const standIn = (place: string, name: string, script: string) =>
  writeFileSync(join(place, name), `#!/bin/bash\n${script}\n`, { mode: 0o755 });

/** The path of a program of this machine; undefined if it has none. */
const find = (name: string): string | undefined =>
  spawnSync('bash', ['-c', `PATH=$PATH:/usr/sbin command -v ${name}`], { encoding: 'utf8' }).stdout.trim() || undefined;

beforeAll(() => {
  const [{ Properties }] = resourcesOf(
    synthesize(VARIANTS['node, 1 NAT']).filter(({ name }) => name === 'selm-gpu'),
    'AWS::EC2::LaunchTemplate',
  );
  const parts = Properties['LaunchTemplateData'].UserData['Fn::Base64']['Fn::Join'][1] as unknown[];
  userData = parts.map((part) => (typeof part === 'string' ? part : 'the-cluster')).join('');
  for (const place of [standIns, mapper, tools]) mkdirSync(place);
  standIn(standIns, 'systemctl', 'echo "systemctl $*" >> "$LOG"');
  standIn(standIns, 'udevadm', '');
  standIn(standIns, 'dnf', 'echo "dnf $*" >> "$LOG"; exit 1');
  const link = 'mkdir -p /dev/mapper; ln -s "$(echo "$4" | cut -d" " -f6)" "/dev/mapper/$2"';
  standIn(mapper, 'dmsetup', `echo "dmsetup $*" >> "$LOG"; ${link}`);
  for (const name of TOOLS.split(' ')) {
    const place = find(name);
    if (place !== undefined) symlinkSync(place, join(tools, name));
  }
  if (find('mkfs.xfs') === undefined) standIn(standIns, 'mkfs.xfs', 'mkfs.ext4 -q "${@: -1}"');
  if (!canMount) return;
  for (const name of ['one', 'other']) {
    const file = join(folder, name);
    writeFileSync(file, '');
    truncateSync(file, DISK_BYTES);
    disks.push(execFileSync('losetup', ['--find', '--show', file], { encoding: 'utf8' }).trim());
  }
});
afterAll(() => {
  for (const disk of disks) execFileSync('losetup', ['--detach', disk]);
});

/**
 * Runs the user data, then what systemd runs before the ECS agent, then `after`.
 * @param count number of disks of the instance
 */
function boot(count: number, { before = '', after = '', path = [standIns, mapper, tools] } = {}) {
  const [log, console] = [join(folder, 'log'), join(folder, 'console')];
  for (const file of [log, console]) writeFileSync(file, '');
  const nvme = '/dev/disk/by-id/nvme-Amazon_EC2_NVMe_Instance_Storage';
  writeFileSync(join(folder, 'user-data'), userData);
  const script = [
    'set -e',
    // A /dev of its own, with the links that udev makes: two for each disk.
    `mkdir ${folder}/dev-$$; mount -t tmpfs dev ${folder}/dev-$$; cd ${folder}/dev-$$`,
    'mknod null c 1 3; mkdir -p disk/by-id',
    ...disks.map((disk) => `touch .${disk.slice(4)}; mount --bind ${disk} .${disk.slice(4)}`),
    `touch console; mount --bind ${console} console`,
    'mount --move . /dev; cd /',
    ...disks
      .slice(0, count)
      .flatMap((disk, i) => [`ln -s ${disk} ${nvme}_AWS0${i}`, `ln -s ${disk} ${nvme}_AWS0${i}_1`]),
    'for place in /mnt /usr/local/sbin /etc; do mount -t tmpfs here $place; done',
    'mkdir -p /etc/ecs',
    before,
    `bash ${folder}/user-data`,
    'start=$(sed -n s/ExecStartPre=//p /etc/systemd/system/ecs.service.d/selm.conf)',
    '"$start" || code=$?',
    after,
    'exit ${code:-0}',
  ].join('\n');
  const env = { PATH: path.join(':'), LOG: log };
  const { status, stdout, stderr } = spawnSync(find('unshare')!, ['--mount', 'bash', '-c', script], {
    env,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  return { status, stdout, stderr, log: readFileSync(log, 'utf8'), console: readFileSync(console, 'utf8') };
}

it('is valid for bash', () => {
  expect(spawnSync('bash', ['-n'], { input: userData, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
  expect(userData).not.toContain('mdadm');
});

describe.skipIf(!canMount)('on an instance', () => {
  it('one disk is the volume of the tasks, for the user of the containers', () => {
    const after = 'findmnt -no SOURCE /mnt/selm; stat -c "%a %u" /mnt/selm/home /mnt/selm/tmp; cat /etc/ecs/ecs.config';
    const { status, stdout, stderr, log, console } = boot(1, { after });
    expect(status, stderr).toBe(0);
    const lines = stdout.split('\n');
    for (const line of [disks[0], '755 10001', '1777 0', 'ECS_AWSVPC_BLOCK_IMDS=true', 'ECS_CLUSTER=the-cluster'])
      expect(lines).toContain(line);
    expect([log, console]).toEqual(['systemctl daemon-reload\n', '']);
  });

  it('several disks are striped over their whole size', () => {
    const { status, stderr, log } = boot(2, { after: 'findmnt -no SOURCE /mnt/selm >> "$LOG"' });
    expect(status, stderr).toBe(0);
    // The table of the device mapper's target: start, length, "striped", stripes, chunk, then device and offset of each.
    expect(log).toContain(`dmsetup create selm --table 0 ${2 * SECTORS} striped 2 512 ${disks[0]} 0 ${disks[1]} 0\n`);
  });

  it('the agent that starts again keeps the files; a boot makes the volume anew', () => {
    const again = 'touch /mnt/selm/home/kept; "$start"; ls /mnt/selm/home';
    expect(boot(1, { after: again })).toMatchObject({ status: 0, stdout: expect.stringContaining('kept') as string });
    expect(boot(1, { after: 'ls /mnt/selm/home' }).stdout).not.toContain('kept');
  });

  it.each([
    ['an instance without local disks', 0, {}, 'there is no local NVMe disk'],
    [
      'a disk that takes no file system',
      1,
      { before: 'mount --bind /dev/null "$(readlink -f /dev/disk/by-id/*_1)"' },
      'mkfs.xfs -f -K "$device" failed',
    ],
    ['no program to stripe disks, and no route to one', 2, { path: [standIns, tools] }, 'dnf install'],
  ])('%s says so on its console and shuts down, and the agent does not start', (_, count, how, reason) => {
    const { status, log, console } = boot(count, { ...how, after: 'mountpoint /mnt/selm >> "$LOG"' });
    expect(status).toBe(1);
    expect(console).toMatch(/^selm: .*This instance does not join the cluster and shuts down\.\n$/);
    expect(console).toContain(reason);
    expect(log).toContain('systemctl poweroff\n');
    expect(log).not.toContain('is a mountpoint');
  });
});
