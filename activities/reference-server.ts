/** Reference log-probabilities by a server that has the base model and loads the policy's adapter on request. */
import type { Address } from '../artifacts/manifest.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { TOKENIZER_FILES } from '../data/model-files.ts';
import { ROLES, type ReferenceLogps } from '../data/records.ts';
import type { CallOptions } from '../engine/protocol/jobs.ts';
import { readModelConfig } from '../engine/model-files/config.ts';
import type { LengthLimits } from '../engine/protocol/settings.ts';
import { loadTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { tokenizePreferences, type TokenizedPreference } from '../engine/tokens/preferences.ts';
import { loadingAgain } from '../openai/client/adapters.ts';
import type { SamplerSettings } from '../openai/client/sampler-settings.ts';
import { logpOnServer } from '../openai/client/prompt-logprobs.ts';
import { sendAll } from '../openai/client/send-all.ts';
import { openPolicyArtifact } from './policy.ts';
import { policyOnServer } from './sampling-server.ts';

interface Preferences {
  /** The file. */
  rows: string;
  from: number;
  to: number;
  limits: LengthLimits;
}

/**
 * The log-probabilities (nats) of the responses of a shard's preferences, in order.
 * @throws InputError when the server cannot load this policy, or rejects a request
 */
export async function referenceOnServer(
  store: ArtifactStore,
  address: Address,
  server: SamplerSettings,
  { rows: file, from, to, limits }: Preferences,
  { signal, onProgress }: CallOptions,
): Promise<ReferenceLogps[]> {
  // The control worker computes this step, and has no disk for the weights of large models.
  const { policy } = await openPolicyArtifact(store, address, TOKENIZER_FILES);
  const { model: folder, chatTemplate } = policy;
  const texts = {
    model: { folder, config: readModelConfig(folder) },
    tokenizer: () => loadTokenizer(folder, chatTemplate),
  };
  const { rows } = await tokenizePreferences(texts, file, limits, { reference: false }, { from, to });
  const { client, load } = await policyOnServer(store, address, server, policy);
  const loading = loadingAgain(load);
  let [done, tokens] = [0, 0];
  const ofRow = async (row: TokenizedPreference, stop: AbortSignal): Promise<ReferenceLogps> => {
    // Equal responses are computed once.
    const known = new Map<string, Promise<number>>();
    const logps = await Promise.all(
      ROLES.map(async (role) => {
        const key = `${row[role].prompt.join()} ${row[role].response.join()}`;
        const logp = known.get(key) ?? loading(() => logpOnServer(client, row[role], stop), stop);
        known.set(key, logp);
        return [role, await logp];
      }),
    );
    tokens += ROLES.reduce((total, role) => total + row[role].response.length, 0);
    onProgress?.({ done: ++done, total: rows.length, unit: 'rows', tokens });
    return Object.fromEntries(logps) as ReferenceLogps;
  };
  await load?.(signal);
  return sendAll(rows, ofRow, signal);
}
