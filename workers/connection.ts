/** How to reach Temporal: its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type ConnectionOptions,
} from '@temporalio/client';
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
  return connect(connectionOptions, namespace);
}

/** That the embedded server may take to start again. */
const EMBEDDED_SECONDS = 60;
/** The last of them come every 5 s: as long as that. */
const EMBEDDED_ATTEMPTS = 18;
const retries = defaultGrpcRetryOptions({ maxAttempts: EMBEDDED_ATTEMPTS });
type GrpcStatus = Parameters<typeof retries.retryableDecider>[1];
/** What a server says that has just started, or whose workers have. */
const STARTING = /^Namespace .* not found|^no poller seen/;

/** Makes the embedded server the environment's. */
export function useServer(address: string): void {
  process.env['TEMPORAL_ADDRESS'] = address;
  process.env['TEMPORAL_NAMESPACE'] = 'default';
}

/** A client of the embedded server, which waits where the server or its workers are just starting. */
export async function connectEmbedded(): Promise<Client> {
  const { connectionOptions, namespace } = connectionSettings();
  const retryableDecider = (attempt: number, found: GrpcStatus) =>
    retries.retryableDecider(attempt, found) || (attempt < EMBEDDED_ATTEMPTS && STARTING.test(found.details));
  const interceptors = [makeGrpcRetryInterceptor({ ...retries, retryableDecider })];
  return connect({ ...connectionOptions, connectTimeout: `${EMBEDDED_SECONDS}s`, interceptors }, namespace);
}

async function connect(options: ConnectionOptions, namespace: string): Promise<Client> {
  const connection = await Connection.connect(options).catch((error: Error) => {
    throw new Error(`Temporal at ${options.address} cannot be reached: ${reasonOf(error)}`);
  });
  return new Client({ connection, namespace });
}
