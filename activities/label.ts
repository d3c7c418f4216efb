/** label, judge: a shard's answers get the labeler's verdicts. */
import { join } from 'node:path';
import { patiently } from '../artifacts/files.ts';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { readJsonl, writeJsonl } from '../data/jsonl.ts';
import { labelRecordSchema, type LabelRecord } from '../data/records.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import { candidatesOf, firstAnswers, judge as judgeRows, type CandidateSet } from '../labelers/labels.ts';
import { isComparative, needsEngine } from '../labelers/needs.ts';
import { isJudged } from '../labelers/preferences.ts';
import { readShards } from './sample.ts';
import { runStep, type Rooms, type Step, type StepResult } from './step.ts';

export interface LabelInput {
  responses: Address;
  label: LabelSettings;
  /** Of labelers that compute on the engine. */
  threads: number;
  /** Set where answers that were cut at the length limit are no candidates. */
  truncated?: 'drop';
}

export interface JudgeInput extends Omit<LabelInput, 'truncated'> {
  /** Another policy's answers to the same prompts, to be judged together with these: for labelers that only compare. */
  against?: Address;
}

export interface LabelSummary {
  prompts: number;
  candidates: number;
  unjudged: number;
  /** What the labeler counted. */
  counts: Record<string, number>;
}

const LABELS = 'labels.jsonl';

/** Every answer of a shard, and the data set's own: what preferences are made of. */
export const label: Step<LabelInput, StepResult<LabelSummary>> = (rooms, input, options) =>
  makeLabels(rooms, 'label', input, options, async () =>
    (await readShards(rooms.store, [input.responses])).map((row) => candidatesOf(row, input.truncated)),
  );

/** The first answers of a shard: what a policy is measured by. */
export const judge: Step<JudgeInput, StepResult<LabelSummary>> = (rooms, input, options) =>
  makeLabels(rooms, 'judge', input, options, async () => {
    const rows = await readShards(rooms.store, [input.responses]);
    if (input.against === undefined) return rows.map((row) => firstAnswers(row));
    const others = await readShards(rooms.store, [input.against]);
    if (others.length !== rows.length || rows.some(({ id }, i) => id !== others[i].id)) {
      throw new InputError(
        'The two policies did not answer the same prompts in the same shards: set evaluate.shardSize back to what it was when the run began.',
      );
    }
    return rows.map((row, i) => firstAnswers(row, others[i]));
  });

async function makeLabels(
  { store, engine, cacheFolder }: Rooms,
  step: string,
  { responses, against, label, truncated, threads }: LabelInput & JudgeInput,
  options: CallOptions,
  read: () => Promise<CandidateSet[]>,
): Promise<StepResult<LabelSummary>> {
  const labeler = await createLabeler(label, { engine, cacheFolder, threads });
  const { identity } = labeler;
  const parameters = { label, truncated, ...(identity && { identity }), ...(needsEngine(label) && { threads }) };
  const inputs = { responses, ...(against !== undefined && { against }) };
  return runStep({ store }, 'labels', { step, parameters, inputs, seed: 0 }, async (folder) => {
    const { labels, counts } = await judgeRows(await read(), labeler, isComparative(label), options);
    await patiently(() => writeJsonl(join(folder, LABELS), labels));
    const verdicts = labels.flatMap(({ candidates }) => candidates);
    const unjudged = verdicts.filter((verdict) => !isJudged(verdict)).length;
    return { prompts: labels.length, candidates: verdicts.length, unjudged, counts };
  });
}

/** The labels of a shard. */
export const readLabels = async (store: ArtifactStore, shard: Address): Promise<LabelRecord[]> =>
  readJsonl(join(await store.open(shard), LABELS), labelRecordSchema);
