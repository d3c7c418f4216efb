/** A reward model on a vLLM server: selm tokenizes, the server scores. */
import { readModelConfig } from '../engine/model-files/config.ts';
import type { CallOptions, RewardJob, Scores } from '../engine/protocol/jobs.ts';
import { checkOneLabel, classifiedExchanges } from '../engine/rankers/classified.ts';
import { collectScores } from '../engine/rankers/context.ts';
import { openTokenizer } from '../engine/tokenizer/tokenizer.ts';
import { OpenAiClient } from '../openai/client/client.ts';
import { rewardsOnServer } from '../openai/client/rewards.ts';
import { sendAll } from '../openai/client/send-all.ts';
import type { ServerSettings } from '../openai/client/settings.ts';

/**
 * Scores answers with one request per prompt.
 * @throws InputError when the model or the server is wrong
 */
export async function scoreOnServer(
  { url, ...settings }: ServerSettings,
  { model: folder, rows, tooLong = 'cut' }: RewardJob,
  { signal, onProgress }: CallOptions,
): Promise<Scores> {
  const config = readModelConfig(folder);
  checkOneLabel(folder, config);
  const fitted = classifiedExchanges({ folder, config, tokenizer: openTokenizer(folder) }, rows, tooLong);
  // The path is not part of the OpenAI API.
  const client = new OpenAiClient({ ...settings, url: url.replace(/\/v1\/?$/, '') });
  let [done, tokens] = [0, 0];
  const score = async (answers: (typeof fitted)[number], stop: AbortSignal): Promise<number[]> => {
    const sequences = answers.flatMap(({ exchange }) => (exchange ? [exchange.ids] : []));
    const scores = sequences.length === 0 ? [] : await rewardsOnServer(client, sequences, stop);
    done += answers.length;
    tokens += sequences.reduce((total, { length }) => total + length, 0);
    onProgress?.({ done, total: fitted.flat().length, unit: 'answers', tokens });
    return scores;
  };
  return collectScores(fitted, (await sendAll(fitted, score, signal)).flat());
}
