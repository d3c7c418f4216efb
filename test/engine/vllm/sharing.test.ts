/** Real ranks beside a running server, which a stand-in takes the place of. */
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { superviseEngine } from '../../../engine/process/host.ts';
import { shareDevice } from '../../../engine/vllm/sharing.ts';
import { temporaryFolder } from '../../temporary.ts';
import { tinyAdapter, tinyModel } from '../../tiny-model.ts';
import { compared, folderOf } from '../onnx/rankers/fixtures.ts';
import { backendsOf, describeTorch, isAlive, ranksOf, twoRanks } from '../torch/environment.ts';
import { ended } from './ended.ts';
import { ask, isRunning, startHost } from './stand-in.ts';

const model = tinyModel(join(temporaryFolder(), 'model'));
const policy = { model, adapter: tinyAdapter };
const rows = [{ prompt_input_ids: [1], response_input_ids: [2, 3] }];

let free = 64e9;
const entry = new URL('../../../engine/torch/main.ts', import.meta.url);
const torch = superviseEngine(entry, { args: ['900', '900'] });
const vllm = startHost({ freeDevice: () => torch.close(), readFreeMemory: () => free });
const engine = shareDevice(torch, vllm);
afterAll(() => Promise.all([engine.close(), vllm.stop()]));

const serve = async () => ask(await vllm.serve(policy, 100, { args: [], device: 'cpu' }));
const diverge = () => engine.run('divergence', { policy, reference: { model }, rows, ...twoRanks });
const rank = () => engine.run('rank', { model: folderOf('pairrm-hf'), rows: compared, ...twoRanks });
const currentRanks = () => ranksOf(backendsOf(process.pid)[0]);

describeTorch('the torch backend', () => {
  test('computes KL and PairRM beside a server, which goes on with the same policy, and stops it for other jobs', async () => {
    const told = await serve();
    const beside = [await diverge(), await rank()];
    const ranks = currentRanks();
    expect(isRunning(told.pid)).toBe(true);
    expect((await serve()).pid).toBe(told.pid);
    // They keep what they have in memory for the next job beside the server.
    await diverge();
    expect(currentRanks()).toEqual(ranks);

    await engine.run('score', { policy, rows, ...twoRanks });
    await ended(told);
    // The job has the device alone: new ranks compute it.
    expect(ranks.filter(isAlive)).toEqual([]);
    expect([await diverge(), await rank()]).toEqual(beside);
  });

  test('stops a server for KL that does not fit beside it', async () => {
    free = 1e9;
    const told = await serve();
    await diverge();
    await ended(told);
  });
});
