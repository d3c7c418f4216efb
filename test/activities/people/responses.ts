/** Responses in a store, without a policy that samples them. */
import { join } from 'node:path';
import type { Address } from '../../../artifacts/manifest.ts';
import type { ArtifactStore } from '../../../artifacts/store.ts';
import { writeJsonl } from '../../../data/jsonl.ts';
import type { SampledRecord } from '../../../data/records.ts';

/** A row of responses with these texts. */
export const sampledRow = (id: string, texts: string[], more: Partial<SampledRecord> = {}): SampledRecord => ({
  id,
  prompt: [{ role: 'user', content: `Write ${id}.` }],
  prompt_input_ids: [1],
  responses: texts.map((text) => ({ text, token_ids: [...Buffer.from(text)], finish_reason: 'stop' })),
  ...more,
});

/** Stores a shard of responses. */
export const storeResponses = (store: ArtifactStore, rows: SampledRecord[]): Promise<Address> =>
  store.create('responses', { step: 'sample', parameters: { rows }, inputs: {}, seed: 0 }, (folder) =>
    writeJsonl(join(folder, 'responses.jsonl'), rows),
  );
