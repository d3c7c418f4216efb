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
