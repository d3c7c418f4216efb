/** label and labelHeldOut: the labeler scores a shard's candidates. */
import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { InputError } from '../data/errors.ts';
import { readJsonl } from '../data/jsonl.ts';
import { labelRecordSchema, type LabelRecord } from '../data/records.ts';
import { computeParameters, type ComputeSettings } from '../engine/protocol/compute.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { createLabeler, type LabelSettings } from '../labelers/index.ts';
import type { Labeler } from '../labelers/labeler.ts';
import { candidatesOf, firstAnswers, judge, type CandidateSet } from '../labelers/labels.ts';
import { canUseTorch, needsEngine } from '../labelers/needs.ts';
import { isJudged } from '../labelers/preferences.ts';
import { toolsOf } from './label-tools.ts';
import { readShards } from './sample.ts';
import { defineStep, type StepContext } from './step.ts';
import type { StepFolder } from './step-folder.ts';

interface LabelerInput extends ComputeSettings {
  responses: Address;
  label: LabelSettings;
  threads: number;
}

export interface LabelInput extends LabelerInput {
  /** Set if responses that were truncated at the length limit are not candidates. */
  truncated?: 'drop';
}

export interface LabelHeldOutInput extends LabelerInput {
  /** Another policy's responses to the same prompts, labeled together with these. Used by labelers that can only compare. */
  against?: Address;
}

/** Counts of a shard's labels. */
export interface LabelSummary {
  prompts: number;
  candidates: number;
  /** The number of candidates without a score. */
  unjudged: number;
  /** The labeler's own counts. */
  counts: Record<string, number>;
}

/** The part of the parameters that identifies the labeler. How the engine computes is in it if the labeler uses the engine. */
interface LabelerParameters extends ComputeSettings {
  label: LabelSettings;
  identity?: Labeler['identity'];
}

/** What computes the labels, if the labeler uses the engine. */
const computedWith = (parameters: LabelerParameters) =>
  needsEngine(parameters.label) ? computeOf(parameters) : undefined;

export const LABELS = 'labels.jsonl';

/** Labels all sampled responses of a shard, and the data set's own. `prefer` makes preferences from these labels. */
export const label = defineStep({
  name: 'label',
  kind: 'labels',
  reproducible: true,
  recipe: async ({ responses, truncated, ...input }: LabelInput, context) => ({
    parameters: { ...(await labelerParameters(input, context)), truncated },
    inputs: { responses },
    seed: 0,
  }),
  computedWith: ({ parameters }) => computedWith(parameters),
  run: async ({ parameters, inputs }, { context, folder, options }) => {
    const labeler = await openLabeler(parameters, context);
    const rows = await readShards(context.store, [inputs.responses]);
    const candidates = rows.map((row) => candidatesOf(row, parameters.truncated));
    return writeLabels(folder, candidates, labeler, options);
  },
});

/** Labels the first response to each prompt of a shard. `evaluate` uses these labels. */
export const labelHeldOut = defineStep({
  name: 'labelHeldOut',
  kind: 'labels',
  reproducible: true,
  recipe: async ({ responses, against, ...input }: LabelHeldOutInput, context) => ({
    parameters: await labelerParameters(input, context),
    inputs: { responses, ...(against !== undefined && { against }) },
    seed: 0,
  }),
  computedWith: ({ parameters }) => computedWith(parameters),
  run: async ({ parameters, inputs: { responses, against } }, { context, folder, options }) => {
    const labeler = await openLabeler(parameters, context);
    const rows = await readShards(context.store, [responses]);
    const others = against === undefined ? undefined : await readShards(context.store, [against]);
    if (others && (others.length !== rows.length || rows.some(({ id }, i) => id !== others[i].id))) {
      throw new InputError(
        'The two policies did not answer the same prompts in the same shards: ' +
          'set evaluate.shardSize back to what it was when the run began.',
      );
    }
    const candidates = rows.map((row, i) => firstAnswers(row, others?.[i]));
    return writeLabels(folder, candidates, labeler, options);
  },
});

async function labelerParameters(
  { label, ...compute }: Omit<LabelerInput, 'responses'>,
  context: StepContext,
): Promise<LabelerParameters> {
  const { identity } = await createLabeler(label, toolsOf(context, compute));
  const { threads } = compute;
  return {
    label,
    ...(identity && { identity }),
    ...(needsEngine(label) && { threads }),
    ...(canUseTorch(label) && computeParameters(compute)),
  };
}

const computeOf = ({ threads = 1, ...rest }: LabelerParameters) => ({ threads, ...computeParameters(rest) });

/** @throws InputError when the files that the labeler depends on differ from those in the recipe */
async function openLabeler(parameters: LabelerParameters, context: StepContext): Promise<Labeler> {
  const { label, identity } = parameters;
  const labeler = await createLabeler(label, toolsOf(context, computeOf(parameters)));
  if (isDeepStrictEqual(labeler.identity, identity)) return labeler;
  throw new InputError(
    `The files of the labeler "${labeler.name}" have changed since these labels were begun: ` +
      'restore them, or label again with selm retry.',
  );
}

async function writeLabels(
  folder: StepFolder,
  candidates: CandidateSet[],
  labeler: Labeler,
  options: CallOptions,
): Promise<LabelSummary> {
  const { labels, counts } = await judge(candidates, labeler, options);
  await folder.writeRows(LABELS, labels);
  const verdicts = labels.flatMap((record) => record.candidates);
  const unjudged = verdicts.filter((verdict) => !isJudged(verdict)).length;
  return { prompts: labels.length, candidates: verdicts.length, unjudged, counts };
}

/** The labels of a shard. */
export const readLabels = async (store: ArtifactStore, shard: Address): Promise<LabelRecord[]> =>
  readJsonl(join(await store.open(shard), LABELS), labelRecordSchema);
