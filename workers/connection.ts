/** How to reach Temporal: its own environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type ConnectionOptions,
} from '@temporalio/client';
import { loadClientConnectConfig, type LoadClientProfileOptions } from '@temporalio/envconfig';
import { z } from 'zod';
import { InputError } from '../data/errors.ts';
import { checkHeader, readAddress, readSecret, stripSecrets } from '../data/secret.ts';
import { TemporalFailed } from './errors.ts';

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
  for (const [name, value] of Object.entries(connectionOptions.metadata ?? {})) {
    if (typeof value === 'string') checkHeader(`Temporal's gRPC metadata "${name}"`, value);
  }
  // Of a function Temporal itself makes sure.
  const key = typeof apiKey === 'string' && {
    apiKey: readSecret("Temporal's key (TEMPORAL_API_KEY)", apiKey)?.reveal(),
  };
  return { connectionOptions: { ...connectionOptions, ...key }, namespace: namespace ?? 'default' };
}

/** Why, without gRPC's wrapping: a key that is not taken, a certificate that is missing. */
const reasonOf = ({ message, cause }: Error): string => stripSecrets(cause instanceof Error ? cause.message : message);

/** @throws TemporalFailed when the server cannot be reached */
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
    throw new TemporalFailed(`Temporal at ${options.address} cannot be reached: ${reasonOf(error)}`);
  });
  return new Client({ connection, namespace });
}
