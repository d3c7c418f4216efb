/** Temporal's server and its schema tool in the version of the deployment's images, built once with Go. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SERVER_IMAGE } from '../cdk/temporal-images.ts';
import { cacheFolder } from '../workers/places.ts';

const VERSION = `v${/:([\d.]+)@/.exec(SERVER_IMAGE)![1]}`;
/** Go packages of the server's module, by the names of their programs in the images. */
const PROGRAMS = { 'temporal-server': 'cmd/server', 'temporal-sql-tool': 'cmd/tools/sql' };

/**
 * The folder of the programs. Building takes about 5 minutes on 2 cores.
 * @throws Error with the end of Go's output when they cannot be built
 */
export async function findTemporalServer(): Promise<string> {
  const folder = join(cacheFolder(), `temporal-server-${VERSION}`);
  if (existsSync(folder)) return folder;
  console.error(`Building Temporal's server ${VERSION} with Go, once, in ${folder}.`);
  mkdirSync(cacheFolder(), { recursive: true });
  const building = mkdtempSync(`${folder}-`);
  try {
    for (const [program, path] of Object.entries(PROGRAMS)) {
      await install(`go.temporal.io/server/${path}@${VERSION}`, building);
      renameSync(join(building, path.split('/').at(-1)!), join(building, program));
    }
    // Another test run may have built it meanwhile.
    if (!existsSync(folder)) renameSync(building, folder);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
  return folder;
}

async function install(goPackage: string, folder: string): Promise<void> {
  const compiler = spawn('go', ['install', goPackage], {
    env: { ...process.env, GOBIN: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let log = '';
  compiler.stderr.on('data', (text) => (log = `${log}${text}`.slice(-2000)));
  const [code] = await once(compiler, 'exit');
  if (code !== 0) throw new Error(`Temporal's server cannot be built (go install ${goPackage}):\n${log}`);
}
