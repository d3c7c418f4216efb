/** A real PostgreSQL server for tests, which accepts connections with TLS and a password only, as Amazon RDS does with `rds.force_ssl`. */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, chownSync, copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { installPackages } from './debian-packages.ts';
import { freePort } from './free-port.ts';

const VERSIONS = '/usr/lib/postgresql';
const ADMINISTRATOR = 'administrator';

export interface Postgres {
  port: number;
  /** Runs a statement as the administrator. @returns the rows, with columns separated by | */
  query(statement: string, database?: string): string;
  stop(): Promise<void>;
}

/** The folder of the newest installed version's programs. */
export async function findPostgres(): Promise<string> {
  await installPackages(VERSIONS, 'postgresql');
  const newest = Math.max(...readdirSync(VERSIONS).map(Number));
  return join(VERSIONS, String(newest), 'bin');
}

/** Starts a server at the name `localhost`. @param certificate of the server, for this name */
export async function startPostgres(folder: string, certificate: { cert: string; key: string }): Promise<Postgres> {
  const programs = await findPostgres();
  const home = join(folder, 'postgres');
  const data = join(home, 'data');
  mkdirSync(home);
  // PostgreSQL refuses to run as root.
  const user = process.getuid?.() === 0 ? { uid: idOf('-u'), gid: idOf('-g') } : {};
  const own = (file: string) => user.uid !== undefined && chownSync(file, user.uid, user.gid);
  own(home);
  chmodSync(folder, 0o755);
  const setUp = ['--pgdata', data, '--username', ADMINISTRATOR, '--encoding', 'UTF8', '--locale', 'C', '--no-sync'];
  execFileSync(join(programs, 'initdb'), setUp, { ...user, stdio: 'pipe' });
  for (const [source, name] of [
    [certificate.cert, 'server.crt'],
    [certificate.key, 'server.key'],
  ]) {
    copyFileSync(source, join(data, name));
    own(join(data, name));
    chmodSync(join(data, name), 0o600);
  }
  writeFileSync(
    join(data, 'pg_hba.conf'),
    [
      `local all ${ADMINISTRATOR} trust`,
      ...['127.0.0.1/32', '::1/128'].map((ip) => `hostssl all all ${ip} scram-sha-256`),
    ]
      .map((line) => `${line}\n`)
      .join(''),
  );
  const port = await freePort();
  const settings = { listen_addresses: 'localhost', port, unix_socket_directories: home, ssl: 'on', fsync: 'off' };
  const flags = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = spawn(join(programs, 'postgres'), ['-D', data, ...flags], {
    ...user,
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await new Promise<void>((ready, failed) => {
    let log = '';
    server.stderr.on('data', (text) => {
      log += text;
      if (log.includes('ready to accept connections')) ready();
    });
    server.once('exit', () => failed(new Error(log)));
  });
  return {
    port,
    query: (statement, database = 'postgres') =>
      execFileSync(
        join(programs, 'psql'),
        [
          '-h',
          home,
          '-p',
          String(port),
          '-U',
          ADMINISTRATOR,
          '-d',
          database,
          '-tA',
          '-v',
          'ON_ERROR_STOP=1',
          '-c',
          statement,
        ],
        { encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'] },
      ).trim(),
    async stop() {
      const exited = once(server, 'exit');
      server.kill('SIGINT');
      await exited;
    },
  };
}

const idOf = (flag: string) => Number(execFileSync('id', [flag, 'nobody'], { encoding: 'utf8' }));
