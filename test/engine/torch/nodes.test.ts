/** Two nodes, both on this machine, that compute together: the worker's with its torchrun, and one with a torchrun of its own. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { delimiter } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test, vi } from 'vitest';
import { startEngine } from '../../../engine/backends.ts';
import { EngineDied } from '../../../engine/protocol/errors.ts';
import { torchEnvironment } from '../../../engine/torch/environment.ts';
import { rootCause } from '../../../engine/torch/nodes.ts';
import { freePort } from '../../free-port.ts';
import { temporaryFolder } from '../../temporary.ts';
import { referenceCase } from '../reference-case.ts';
import { describeTorch, twoRanks } from './environment.ts';

const scratch = temporaryFolder();
const python = fileURLToPath(new URL('../../../python', import.meta.url));
const engine = startEngine();
afterAll(async () => {
  vi.unstubAllEnvs();
  await engine.close();
});

/** One rank on each node. */
const settings = { ...twoRanks, gpus: 1 };

describeTorch('two nodes', () => {
  test('compute a job together; where one is lost, the job fails', async () => {
    const nodes = { PET_NNODES: '2', PET_MASTER_ADDR: '127.0.0.1', PET_MASTER_PORT: String(await freePort()) };
    for (const [name, value] of Object.entries(nodes)) vi.stubEnv(name, value);
    const other = spawn(
      torchEnvironment().python,
      ['-m', 'torch.distributed.run', '--nproc-per-node=1', '-m', 'selm_torch'],
      {
        env: {
          ...process.env,
          PET_NODE_RANK: '1',
          OMP_NUM_THREADS: '1',
          SELM_DEVICE: 'cpu',
          PYTHONPATH: [python, process.env['PYTHONPATH']].filter(Boolean).join(delimiter),
        },
        stdio: 'ignore',
      },
    );
    const ended = once(other, 'exit');
    const { reference, pairs, expected, optimizeJob } = referenceCase('llama');
    expect(await engine.version(settings)).toContain(', 2 ranks, cpu');
    const rows = pairs.map(({ prompt, chosen }) => ({ prompt_input_ids: prompt, response_input_ids: chosen }));
    const scores = await engine.run('score', { policy: reference, rows, ...settings });
    for (const [i, { logp }] of scores.entries()) {
      expect(Math.abs(logp - expected.reference_logps[i].chosen)).toBeLessThan(1e-4);
    }
    let struck = false;
    const lost = engine.run(
      'optimize',
      { ...optimizeJob(`${scratch}/out`, { epochs: 10_000 }), ...settings },
      { onProgress: ({ metrics }) => metrics && !struck && (struck = other.kill('SIGKILL')) },
    );
    await expect(lost).rejects.toThrow(EngineDied);
    await expect(lost).rejects.toThrow(/during optimize, after step \d+/);
    await ended;
  });
});

test("the rank that failed first is read from torchrun's report", () => {
  const report = `
Root Cause (first observed failure):
[0]:
  time      : 2026-11-29_05:00:00
  host      : localhost
  rank      : 1 (local_rank: 1)
  exitcode  : -9 (pid: 123)
  error_file: <N/A>
  traceback : Signal 9 (SIGKILL) received by PID 123`;
  expect(rootCause(report)).toBe('Rank 1 was killed (SIGKILL)');
  expect(rootCause(report.replace('-9', '1'))).toBe('Rank 1 ended with exit code 1');
  expect(rootCause('Connection closed by peer')).toBeUndefined();
});
