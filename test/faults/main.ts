/**
 * `npm run test:faults [-- --runs 40 --seed 0 --parallel 2 --backend onnx]`: the fault campaign on the quickstart's model; writes docs/faults.md.
 * Needs Linux. Faults with a full disk use small file systems, which need root; for other users they are left out, and the page says so.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { format, resolveConfig } from 'prettier';
import { describeMachine } from '../../bench/machine.ts';
import { scriptFlags } from '../../cli/script-flags.ts';
import { writeJsonl } from '../../data/jsonl.ts';
import { makeModel } from '../../examples/quickstart/model.ts';
import { instructions, promptOf } from '../../examples/quickstart/task.ts';
import { cacheFolder } from '../../workers/places.ts';
import { runCampaign, type CampaignReport } from './campaign.ts';
import { FAULTS, type FaultName } from './faults.ts';
import { startEngine } from '../../engine/backends.ts';

const values = scriptFlags({
  runs: { type: 'string', default: '40' },
  seed: { type: 'string', default: '0' },
  parallel: { type: 'string', default: '2' },
  backend: { type: 'string', default: 'onnx' },
});
const DISK_MEGABYTES = 400;
const diskMegabytes = process.getuid?.() === 0 ? DISK_MEGABYTES : undefined;
const say = (line: string) => console.error(line);

const folder = mkdtempSync(join(tmpdir(), 'selm-faults-'));
const model = join(cacheFolder(), 'quickstart-model');
const engine = startEngine();
await makeModel(engine, model, () => {});
await engine.close();

const { training, heldOut } = instructions();
mkdirSync(folder, { recursive: true });
await writeJsonl(join(folder, 'train.jsonl'), training.map(promptOf));
await writeJsonl(join(folder, 'held-out.jsonl'), heldOut.map(promptOf).slice(0, 200));

/** The quickstart's, with a third of its prompts and more, smaller shards and checkpoints: more moments at which to strike. */
const config = {
  ...(values.backend === 'torch' && { backend: 'torch', device: 'cpu', gpus: 2, threads: 1 }),
  model,
  prompts: { train: join(folder, 'train.jsonl'), heldOut: join(folder, 'held-out.jsonl'), perRound: 512 },
  rounds: 3,
  sample: { samplesPerPrompt: 4, temperature: 1, maxNewTokens: 24, batchSize: 256, shardSize: 128 },
  optimize: {
    full: true,
    learningRate: 1e-4,
    batchSize: 32,
    microBatchTokens: 4096,
    epochs: 3,
    checkpointSeconds: 0.5,
    objective: { beta: 0.1 },
  },
  evaluate: { maxNewTokens: 24, batchSize: 256, shardSize: 100 },
};

const report = await runCampaign({
  runs: Number(values.runs),
  seed: Number(values.seed),
  parallel: Number(values.parallel),
  folder,
  config,
  ...(diskMegabytes !== undefined && { diskMegabytes }),
  say,
});
const page = fileURLToPath(new URL('../../docs/faults.md', import.meta.url));
writeFileSync(page, await format(describe(report), { ...(await resolveConfig(page)), filepath: page }));
rmSync(folder, { recursive: true, force: true });
const bad = report.runs.filter(
  ({ same, lost, extraSteps, allowedSteps, extraTokens, allowedTokens }) =>
    !same || lost.length > 0 || extraSteps > allowedSteps || extraTokens > allowedTokens,
);
say(
  `${report.runs.length - bad.length} of ${report.runs.length} runs ended with the results of the undisturbed run, lost no artifact and did no more work again than allowed; see docs/faults.md.`,
);
process.exit(bad.length === 0 ? 0 : 1);

function describe({ undisturbed, runs }: CampaignReport): string {
  const strikes = runs.flatMap(({ struck }) => struck.map(({ fault }) => fault));
  const count = (name: FaultName) => strikes.filter((fault) => fault === name).length;
  const total = (key: 'extraSteps' | 'allowedSteps' | 'extraTokens' | 'allowedTokens') =>
    runs.reduce((sum, run) => sum + run[key], 0);
  const { trainingSteps, sampledTokens } = undisturbed.work;
  const same = runs.filter((run) => run.same).length;
  const reachable = runs.reduce((sum, run) => sum + run.reachable, 0);
  const lost = runs.flatMap((run, i) => run.lost.map((loss) => `${loss} (run ${i + 1})`));
  const rows = runs.map(
    ({ struck, same: isSame, seconds, extraSteps, allowedSteps, extraTokens, allowedTokens }, i) =>
      `| ${i + 1} | ${struck.map(({ fault, stage }) => `${fault} (${nameOf(stage)})`).join('; ')} | ${isSame ? 'same' : '**different**'} | ${extraSteps} of ${allowedSteps} | ${extraTokens} of ${allowedTokens} | ${seconds.toFixed(0)} |`,
  );
  return `# Faults

Written by \`npm run test:faults -- --runs ${values.runs} --seed ${values.seed} --parallel ${values.parallel} --backend ${values.backend}\` on ${describeMachine()}.

Each run has three rounds with the quickstart's model and 1 to 5 faults at random times, drawn from a seed. A run whose command was killed
is started again with the same command. ${diskMegabytes === undefined ? 'Faults with a full disk are left out: they need root.' : ''}

- **Results**: **${same} of ${runs.length} runs ended with the same weights and results as the run without faults, bit for bit** (SHA-256 ${undisturbed.hash.slice(0, 16)}…).
- **Artifacts**: a checker that shares no code with selm reads the store twice a second and records which artifacts are reachable from names
  and step keys. At the end, ${lost.length === 0 ? `**none of the ${reachable} artifacts in all runs was missing, changed or recomputed**, except those that a fault damaged` : `of ${reachable} artifacts in all runs these were missing, changed or recomputed: ${lost.join('; ')}`}.
- **Garbage collection**: after each run, \`selm gc --delete --keep-days 0\` deleted an unreachable artifact that the checker had added, and no
  reachable one.
- **Repeated work**: a run without faults has ${trainingSteps} training steps and samples ${sampledTokens} tokens. All faults in all runs together cost ${total('extraSteps')} more steps
  and ${total('extraTokens')} more tokens. The limits are ${total('allowedSteps')} steps and ${total('allowedTokens')} tokens: one checkpoint interval and one shard for each fault, and a whole training
  if the fault damages the artifact of a finished step or the checkpoint, of which there is one.

| Fault | Count |
| --- | ---: |
${(Object.keys(FAULTS) as FaultName[]).map((name) => `| ${name} | ${count(name)} |`).join('\n')}

| Run | Faults (step) | Result | Extra steps | Extra tokens | Seconds |
| --: | --- | --- | --: | --: | --: |
| | none | | ${trainingSteps} in all | ${sampledTokens} in all | ${undisturbed.seconds.toFixed(0)} |
${rows.join('\n')}
`;
}

function nameOf(stage: number): string {
  if (stage < 2) return ['preparing', 'measuring the start'][stage];
  const round = Math.floor((stage - 2) / 4) + 1;
  return round > config.rounds
    ? 'publishing'
    : `${['sample', 'label', 'optimize', 'evaluate'][(stage - 2) % 4]} ${round}`;
}
