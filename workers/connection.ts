/** How to reach Temporal: its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig, type LoadClientProfileOptions } from '@temporalio/envconfig';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { readAddress, readSecret } from '../data/secret.ts';

/** Whether the environment names a server. @throws InputError when its configuration cannot be read */
export const hasServer = () => loadConfig().connectionOptions.address !== undefined;

/** The library does not check what it reads: any error is one of its file, or of a file that this names. */
function loadConfig(options: LoadClientProfileOptions = {}): ReturnType<typeof loadClientConnectConfig> {
  try {
    const config = loadClientConnectConfig(options);
    connectionSchema.parse(config);
    return config;
  } catch (error) {
    const file = process.env['TEMPORAL_CONFIG_FILE'];
    // Lines after the first one show the place in the file, which may hold a key.
    const [reason] = error instanceof z.ZodError ? [describeIssue(error)] : (error as Error).message.split('\n');
    throw new InputError(`Temporal's configuration${file ? ` ${file}` : ''} cannot be read (${reason}); correct it.`);
  }
}

const connectionSchema = z.object({
  namespace: z.string().optional(),
  connectionOptions: z.object({
    address: z.string().optional(),
    apiKey: z.string().optional(),
    metadata: z.record(z.string(), z.string()).optional(),
  }),
});

const describeIssue = ({ issues: [{ path, message }] }: z.ZodError) => `"${String(path.at(-1))}": ${message}`;

/**
 * @param profile of Temporal's configuration file, in place of the environment's
 * @throws InputError for an address with a password in it, and for a key that is none
 */
export function connectionSettings(profile?: string) {
  const { connectionOptions, namespace } = loadConfig(profile === undefined ? {} : { profile, disableEnv: true });
  readAddress("Temporal's address (TEMPORAL_ADDRESS)", connectionOptions.address);
  const { apiKey } = connectionOptions;
  const metadata = Object.entries(connectionOptions.metadata ?? {});
  const [broken] = metadata.find(([, value]) => typeof value === 'string' && !/^[\x20-\x7e]*$/.test(value)) ?? [];
  if (broken !== undefined) throw new InputError(`Temporal's gRPC metadata "${broken}" contains new lines or characters that are not ASCII; correct its value.`); // prettier-ignore
  // Of a function Temporal itself makes sure.
  const key = typeof apiKey === 'string' && { apiKey: readSecret("Temporal's key (TEMPORAL_API_KEY)", apiKey)?.reveal() }; // prettier-ignore
  return { connectionOptions: { ...connectionOptions, ...key }, namespace: namespace ?? 'default' };
}

/** Why, without gRPC's wrapping: a key that is not taken, a certificate that is missing. */
const reasonOf = ({ message, cause }: Error): string => (cause instanceof Error ? cause.message : message);

/** @throws Error when the server cannot be reached */
export async function connectClient(profile?: string): Promise<Client> {
  const { connectionOptions, namespace } = connectionSettings(profile);
  const connection = await Connection.connect(connectionOptions).catch((error: Error) => {
    throw new Error(`Temporal at ${connectionOptions.address} cannot be reached: ${reasonOf(error)}`);
  });
  return new Client({ connection, namespace });
}
