/** How to reach Temporal: its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { InputError } from '../data/errors.ts';
import { checkHeader, readAddress, readSecret, stripSecrets } from '../data/secret.ts';

/** @throws InputError when Temporal's configuration cannot be read; lines of its file, which may hold a key, are not repeated */
function loadSettings(options: Parameters<typeof loadClientConnectConfig>[0] = {}) {
  try {
    return loadClientConnectConfig(options);
  } catch (error) {
    const [problem] = (error as Error).message.split('\n');
    const file = process.env['TEMPORAL_CONFIG_FILE'];
    throw new InputError(`Temporal's configuration file${file ? ` ${file}` : ''} cannot be read (${problem.replace(/\.$/, '')}); correct it.`); // prettier-ignore
  }
}

/** Whether the environment names a server. */
export const hasServer = () => loadSettings().connectionOptions.address !== undefined;

/**
 * @param profile of Temporal's configuration file, in place of the environment's
 * @throws InputError for an address with a password in it, and for a key that is none
 */
export function connectionSettings(profile?: string) {
  const { connectionOptions, namespace } = loadSettings(profile === undefined ? {} : { profile, disableEnv: true });
  readAddress("Temporal's address (TEMPORAL_ADDRESS)", connectionOptions.address);
  const { apiKey } = connectionOptions;
  for (const [name, value] of Object.entries(connectionOptions.metadata ?? {})) {
    if (typeof value === 'string') checkHeader(`Temporal's gRPC metadata "${name}"`, value);
  }
  // Of a function Temporal itself makes sure.
  const key = typeof apiKey === 'string' && { apiKey: readSecret("Temporal's key (TEMPORAL_API_KEY)", apiKey)?.reveal() }; // prettier-ignore
  return { connectionOptions: { ...connectionOptions, ...key }, namespace: namespace ?? 'default' };
}

/** Why, without gRPC's wrapping: a key that is not taken, a certificate that is missing. */
const reasonOf = ({ message, cause }: Error): string => stripSecrets(cause instanceof Error ? cause.message : message);

/** @throws Error when the server cannot be reached */
export async function connectClient(profile?: string): Promise<Client> {
  const { connectionOptions, namespace } = connectionSettings(profile);
  const connection = await Connection.connect(connectionOptions).catch((error: Error) => {
    throw new Error(`Temporal at ${connectionOptions.address} cannot be reached: ${reasonOf(error)}`);
  });
  return new Client({ connection, namespace });
}
