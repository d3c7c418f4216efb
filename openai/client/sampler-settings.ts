/** Settings of a server that samples in the engine's stead. */
import { z } from 'zod';
import { requestSettings, serverAddress } from './settings.ts';

const { concurrency, timeoutSeconds } = requestSettings;

export const samplerSchema = z.strictObject({
  url: serverAddress.describe("The server's address, as a rule ending in `/v1`: vLLM, `selm serve`."),
  model: z.string().min(1).describe("Name by which the server knows the run's model."),
  ...requestSettings,
  concurrency: concurrency.default(64),
  timeoutSeconds: timeoutSeconds.default(300),
  adapterFolder: z
    .string()
    .optional()
    .describe(
      'Folder that workers and server see by the same path, for the adapters that the server is to load. Default: it sees the artifacts where the workers keep them.',
    ),
  workers: z
    .enum(['control', 'gpu'])
    .default('control')
    .describe(
      'Which workers ask it. `gpu`: where each of these has a server of its own beside it; it then keeps the adapters that it has loaded.',
    ),
});
export type SamplerSettings = z.infer<typeof samplerSchema>;
