/** How to reach Temporal: its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import { Client, Connection } from '@temporalio/client';
import { loadClientConnectConfig } from '@temporalio/envconfig';

/** Whether the environment names a server. */
export const hasServer = () => loadClientConnectConfig().connectionOptions.address !== undefined;

export function connectionSettings() {
  const { connectionOptions, namespace } = loadClientConnectConfig();
  return { connectionOptions, namespace: namespace ?? 'default' };
}

/** Why, without gRPC's wrapping: a key that is not taken, a certificate that is missing. */
const reasonOf = ({ message, cause }: Error): string => (cause instanceof Error ? cause.message : message);

/** @throws Error when the server cannot be reached */
export async function connectClient(): Promise<Client> {
  const { connectionOptions, namespace } = connectionSettings();
  const connection = await Connection.connect(connectionOptions).catch((error: Error) => {
    throw new Error(`Temporal at ${connectionOptions.address} cannot be reached: ${reasonOf(error)}`);
  });
  return new Client({ connection, namespace });
}
