/** Settings of a server that samples responses instead of the engine (`sample.server`). */
import { z } from 'zod';
import { requestSettings, serverAddress } from './settings.ts';

const { concurrency, timeoutSeconds } = requestSettings;

export const samplerSchema = z.strictObject({
  url: serverAddress.describe("The server's base URL, which usually ends in `/v1`: vLLM, `selm serve`."),
  model: z.string().min(1).describe("The base model's name on the server."),
  ...requestSettings,
  concurrency: concurrency.default(64),
  timeoutSeconds: timeoutSeconds.default(300),
  adapterFolder: z
    .string()
    .optional()
    .describe(
      'Folder with the same path on the workers and the server, for the adapters that the server loads. Default: the server reads the ' +
        "adapters in the workers' artifact store.",
    ),
  workers: z
    .enum(['control', 'gpu'])
    .default('control')
    .describe(
      'Which workers send the requests. `gpu`: each GPU worker has its own server beside it, which keeps the adapters that it has loaded.',
    ),
});
export type SamplerSettings = z.infer<typeof samplerSchema>;
