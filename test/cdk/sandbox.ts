/**
 * A container's file system for processes of this machine, without a container runtime: a read-only root with the system's folders and
 * those of the image, the volumes that a task definition mounts, and the image's user.
 */
import { spawnSync } from 'node:child_process';
import { chmodSync, chownSync, existsSync, mkdirSync } from 'node:fs';

/** The user and group of the images. */
const UID = 10001;
const isRoot = process.getuid?.() === 0;
// Without root, a user namespace allows mounts. It has no other users, so the process keeps its own.
const UNSHARE = ['--mount', '--propagation', 'private', ...(isRoot ? [] : ['--user', '--map-root-user'])];
const SYSTEM = ['/usr', '/etc', '/bin', '/lib', '/lib64'];

/** Why this machine cannot make a sandbox; undefined if it can. */
export function sandboxProblem(): string | undefined {
  const { error, stderr, status } = spawnSync('unshare', [...UNSHARE, 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], {
    encoding: 'utf8',
  });
  if (status === 0) return undefined;
  return `this machine refuses mount namespaces (unshare ${UNSHARE.join(' ')}: ${error?.message ?? stderr.trim()})`;
}

/** What a process in the sandbox sees besides the system. */
export interface Sandbox {
  /** An empty folder of this machine, where the root is mounted while the process runs. */
  root: string;
  /** The folder of an image's files, which are the root. Default: a root with the system folders of this machine. */
  image?: string;
  /** Read-only folders and files: paths of this machine by paths in the sandbox. */
  readOnly: Record<string, string>;
  /** Writable volumes: folders of this machine by paths in the sandbox. */
  writable: Record<string, string>;
}

/** A volume as the image's VOLUME makes it: /tmp is open to all users, every other one is the image's user's. */
export function makeVolume(folder: string, path: string): string {
  mkdirSync(folder, { recursive: true });
  if (path === '/tmp') chmodSync(folder, 0o1777);
  else if (isRoot) chownSync(folder, UID, UID);
  return folder;
}

/**
 * The command that runs another one in a sandbox. It replaces itself by the other one, which gets its signals.
 * @param cwd a folder in the sandbox
 */
export function inSandbox({ root, image, readOnly, writable }: Sandbox, cwd: string, command: string[]): string[] {
  const system = image === undefined ? Object.fromEntries(SYSTEM.filter(existsSync).map((path) => [path, path])) : {};
  const mount = (isWritable: boolean) => (entry: [string, string]) =>
    `bind ${entry.map(quote).join(' ')} ${isWritable ? 'rw' : 'ro'}`;
  const script = [
    'set -e',
    `root=${quote(root)}`,
    // All mounts are the namespace's own: nothing of them is left when the process has ended.
    image === undefined ? 'mount -t tmpfs -o mode=755 tmpfs "$root"' : `mount --bind ${quote(image)} "$root"`,
    'bind() {',
    '  if [ -d "$2" ]; then mkdir -p "$root$1"; else mkdir -p "$(dirname "$root$1")"; touch "$root$1"; fi',
    '  mount --bind "$2" "$root$1"',
    '  mount -o "remount,bind,$3" "$root$1"',
    '}',
    ...Object.entries({ ...system, ...readOnly }).map(mount(false)),
    ...Object.entries(writable).map(mount(true)),
    'mkdir -p "$root/proc" "$root/dev"',
    'mount --rbind /proc "$root/proc"',
    'mount --rbind /dev "$root/dev"',
    'mount -o remount,bind,ro "$root"',
    'cd "$root"',
    `exec /usr/sbin/chroot "$root" sh -c 'cd "$0" && exec "$@"' ${quote(cwd)} ${isRoot ? AS_USER : ''} "$@"`,
  ].join('\n');
  return ['unshare', ...UNSHARE, 'sh', '-c', script, 'sandbox', ...command];
}

const AS_USER = `setpriv --reuid ${UID} --regid ${UID} --clear-groups --no-new-privs`;
const quote = (text: string) => `'${text.replaceAll("'", `'\\''`)}'`;
