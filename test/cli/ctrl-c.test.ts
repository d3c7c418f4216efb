/** Ctrl-C where something does not end by itself: a thread that is blocked takes notice of no signal but SIGKILL. */
import { execFileSync, fork } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test, vi } from 'vitest';
import { joinDevServer, leaveDevServer } from '../../workers/dev-server/dev-server.ts';
import { connectLocal } from '../../workers/temporal/connection.ts';
import { CONTROL_QUEUE } from '../../workflows/queues.ts';
import { type Ended, startSelm, type Running } from '../command.ts';
import { temporaryFolder } from '../temporary.ts';
import { tinyRun } from '../tiny-run.ts';

const folder = temporaryFolder();
const path = (name: string) => join(folder, name);

writeFileSync(
  path('blocked.mjs'),
  `import { writeFileSync } from 'node:fs';
  export default () => {
    writeFileSync(${JSON.stringify(path('blocked'))}, String(process.pid));
    for (;;);
  };`,
);
tinyRun(folder, { name: 'blocked', label: { by: 'module', path: './blocked.mjs' } });

const isAlive = (pid: number) => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const hasPendingSignals = (pid: number) => /^ShdPnd:\s*0*[1-9a-f]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'));

const until = (condition: () => boolean) => expect.poll(condition).toBe(true);

/** Whether a process that selm has started for this folder is left. */
const isLeft = () => execFileSync('ps', ['-A', '-o', 'args='], { encoding: 'utf8' }).includes(`${folder}/`);

/** A run whose worker is blocked, and what it says. */
async function blockedRun(home: string): Promise<Running & { worker: number; said: () => string }> {
  rmSync(path('blocked'), { force: true });
  const run = startSelm(['run', path('run.yaml')], { SELM_HOME: path(home), SELM_GRACE_SECONDS: '0' });
  let said = '';
  run.process.stderr!.on('data', (data) => (said += data));
  await until(() => existsSync(path('blocked')) && readFileSync(path('blocked'), 'utf8') !== '');
  return { ...run, worker: Number(readFileSync(path('blocked'), 'utf8')), said: () => said };
}

/** The command ends as after Ctrl-C, and leaves neither its worker nor its server behind. */
async function expectStopped(ended: Promise<Ended>, worker: number): Promise<string> {
  const { code, stderr } = await ended;
  expect(code, stderr).toBe(130);
  expect(isAlive(worker)).toBe(false);
  expect(isLeft()).toBe(false);
  return stderr;
}

test('a second Ctrl-C ends a run at once', async () => {
  const { process: command, ended, worker, said } = await blockedRun('impatient');
  command.kill('SIGINT');
  await until(() => said().includes('Ctrl-C again stops at once.'));
  expect(isAlive(worker)).toBe(true);
  command.kill('SIGINT');
  await expectStopped(ended, worker);
});

test('without a second one it ends after the time that workers have', async () => {
  const { process: command, ended, worker } = await blockedRun('patient');
  command.kill('SIGINT');
  expect(await expectStopped(ended, worker)).toContain('Workers have not ended in 30 s; killing them.');
});

test('SIGHUP stops a run as Ctrl-C does; the second one of a closing terminal does not kill it', async () => {
  const { process: command, ended, worker, said } = await blockedRun('hung-up');
  command.kill('SIGHUP');
  await until(() => said().includes('Ctrl-C again stops at once.'));
  command.kill('SIGHUP');
  command.kill('SIGCONT');
  expect(isAlive(worker)).toBe(true);
  command.kill('SIGINT');
  await expectStopped(ended, worker);
});

test('after SIGKILL its workers end, even a blocked one, and then its server', async () => {
  const { process: command, worker } = await blockedRun('killed');
  command.kill('SIGKILL');
  expect(isAlive(worker)).toBe(true);
  await until(() => !isAlive(worker));
  await until(() => !isLeft());
});

test('a run that waits for a server ends at a second Ctrl-C', async () => {
  const env = { SELM_HOME: path('waiting') };
  const keeper = fork(new URL('../workers/join-server.mjs', import.meta.url), [], {
    env: { ...process.env, ...env },
  });
  await once(keeper, 'message');
  const { pid } = JSON.parse(readFileSync(join(env.SELM_HOME, 'server.json'), 'utf8')) as { pid: number };
  process.kill(pid, 'SIGSTOP');
  try {
    const { process: command, ended } = startSelm(['run', path('run.yaml')], env);
    let said = '';
    command.stderr!.on('data', (data) => (said += data));
    await until(() => said.includes(`Waiting for Temporal's dev server (process ${pid}), which does not answer.`));
    command.kill('SIGINT');
    await until(() => said.includes('Ctrl-C again stops at once.'));
    command.kill('SIGINT');
    expect((await ended).code).toBe(130);
  } finally {
    process.kill(pid, 'SIGKILL');
    keeper.kill('SIGKILL');
  }
});

/** temporal.api.enums.v1.TaskQueueType */
const WORKFLOW = 1;

test('SIGTERM ends a command that waits for the answer of a run, without a word', async () => {
  const env = { SELM_HOME: path('unanswered') };
  vi.stubEnv('SELM_HOME', env.SELM_HOME);
  const client = await connectLocal(await joinDevServer(() => {}));
  try {
    // Its workflow has no worker, also while the command's temporary one runs.
    await client.workflow.start('alignment', { workflowId: 'selm-silent', taskQueue: 'nobody' });
    const { process: command, ended } = startSelm(['retry', 'silent'], env);
    const pollers = async () => {
      const queue = { namespace: 'default', taskQueue: { name: CONTROL_QUEUE }, taskQueueType: WORKFLOW };
      return (await client.workflowService.describeTaskQueue(queue)).pollers!.length;
    };
    await expect.poll(pollers).toBeGreaterThan(0);
    command.kill('SIGTERM');
    expect(await ended).toEqual({ code: 130, stdout: '', stderr: '' });
  } finally {
    await client.connection.close();
    await leaveDevServer();
    vi.unstubAllEnvs();
  }
});

test('a command that has started a server leaves none behind', async () => {
  const home = path('slow-server');
  // A server that does not come to answer.
  mkdirSync(path('bin'));
  writeFileSync(path('bin/temporal'), '#!/bin/sh\nexec sleep 3600\n', { mode: 0o755 });
  const env = { SELM_HOME: home, PATH: `${path('bin')}:${process.env['PATH']}` };
  const { process: command, ended } = startSelm(['schedule', 'list'], env);
  await until(() => existsSync(join(home, 'server.json')));
  const { pid } = JSON.parse(readFileSync(join(home, 'server.json'), 'utf8')) as { pid: number };
  expect(isAlive(pid)).toBe(true);
  command.kill('SIGINT');
  expect((await ended).code).toBe(130);
  await until(() => !isAlive(pid));
});

test.each(['SIGINT', 'SIGTERM', 'SIGHUP'] as const)(
  '%s stops a step, a second Ctrl-C kills its engine',
  async (first) => {
    const prompts = ['--model', path('model'), '--prompts', path('train.jsonl'), '--out', path('out.jsonl')];
    const { process: command, ended } = startSelm(['sample', ...prompts], {});
    const engine = () => {
      const lines = execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' }).trim().split('\n');
      const fields = lines.map((line) => line.trim().split(/\s+/));
      return Number(
        fields.find(
          ([, parent, ...args]) => Number(parent) === command.pid && args.join(' ').includes('engine/onnx/main.'),
        )?.[0] ?? 0,
      );
    };
    await until(() => engine() > 0);
    const pid = engine();
    process.kill(pid, 'SIGSTOP');
    command.kill(first);
    // Of two signals that are pending together, the kernel may deliver one only, or the second one first.
    await until(() => !hasPendingSignals(command.pid!));
    command.kill('SIGINT');
    const { code, stderr } = await ended;
    expect([code, stderr]).toEqual([1, 'selm: sample was stopped\n']);
    expect(isAlive(pid)).toBe(false);
  },
);
