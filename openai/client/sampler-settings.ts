/** Settings of `sample.server`: a server that samples responses in place of the engine. */
import { z } from 'zod';
import { requestSettings, serverAddress } from './settings.ts';

const { concurrency, timeoutSeconds } = requestSettings;

export const samplerSchema = z.strictObject({
  url: serverAddress.describe('Base URL of the server (vLLM or `selm serve`), which usually ends in `/v1`.'),
  model: z.string().min(1).describe("The base model's name on the server."),
  ...requestSettings,
  concurrency: concurrency.default(64),
  timeoutSeconds: timeoutSeconds.default(300),
  logprobs: z
    .boolean()
    .default(false)
    .describe(
      "Whether the server also computes the log-probabilities of preferences under the reference policy, by vLLM's `prompt_logprobs`, " +
        'instead of the engine. It should then serve the model in the precision of training. Such results are not reproducible either.',
    ),
  adapterFolder: z
    .string()
    .optional()
    .describe(
      'Folder for the adapters that the server loads. It must have the same path on the workers and the server. Default: the ' +
        "server reads the adapters from the workers' artifact store.",
    ),
  workers: z
    .enum(['control', 'gpu'])
    .default('control')
    .describe(
      'Workers that send the requests. With `gpu`, each GPU worker uses a server on its own machine, which keeps the adapters ' +
        'that it has loaded.',
    ),
});
export type SamplerSettings = z.infer<typeof samplerSchema>;
