/** What a round hands from step to step. */
import { describe, expect, test } from 'vitest';
import { hashValue } from '../../artifacts/hash.ts';
import { startRun } from '../../workers/runs.ts';
import { timeSkippingServer } from './server.ts';
import { StandIns, testConfig, withWorkers } from './stand-ins.ts';

const server = timeSkippingServer();

/** Two rounds with the objective. */
async function run(name: string): Promise<StandIns> {
  const standIns = new StandIns();
  const sample = { samplesPerPrompt: 4, temperature: 1 };
  const config = testConfig({ name: `references-${name}`, rounds: 2, sample, optimize: { objective: { name } } });
  await withWorkers(server, standIns, async () => {
    const { handle } = await startRun(server.environment.client, config);
    await handle.result();
  });
  return standIns;
}
/** Sampled in the second round: on the policy, how many answers a prompt. */
const inSecondRound = (standIns: StandIns) =>
  standIns
    .callsOf('sample')
    .filter(({ prompts }) => prompts === hashValue('prompts of round 2'))
    .map(({ policy, settings }) => [policy, (settings as { samplesPerPrompt: number }).samplesPerPrompt]);

describe('the reference responses', () => {
  test("are SELM's own: those of the policy that the round starts from", async () => {
    const standIns = await run('selm');
    const [, second] = standIns.callsOf('optimize');
    expect(inSecondRound(standIns)).toEqual([[second.policy, 4]]);
    for (const input of standIns.callsOf('prefer')) expect(input).not.toHaveProperty('references');
  });

  test.each(['xpo', 'vpo'])(
    "are the start policy's with %s, whose first round needs no other answers",
    async (name) => {
      const standIns = await run(name);
      const [first, second] = standIns.callsOf('optimize');
      expect(inSecondRound(standIns)).toEqual([
        [second.policy, 4],
        [first.policy, 1],
      ]);
      const [one, two] = standIns.callsOf('prefer');
      expect(one).not.toHaveProperty('references');
      const asked = standIns.callsOf('sample').find(({ prompts, policy }) => prompts === hashValue('prompts of round 2') && policy === first.policy); // prettier-ignore
      expect(two['references']).toEqual([hashValue(['sample', asked])]);
    },
  );
});
