/** How to reach Temporal: its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/** Whether the environment names a server. */
export const hasServer = () => loadClientConnectConfig().connectionOptions.address !== undefined;

/** @param profile of Temporal's configuration file, in place of the environment's */
export function connectionSettings(profile?: string) {
  const { connectionOptions, namespace } = loadClientConnectConfig(
    profile === undefined ? {} : { profile, disableEnv: true },
  );
  return { connectionOptions, namespace: namespace ?? 'default' };
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
