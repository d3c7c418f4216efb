/** Connects to Temporal by its environment configuration (TEMPORAL_ADDRESS, TEMPORAL_API_KEY, profiles in a TOML file). */
import {
  Client,
  Connection,
  defaultGrpcRetryOptions,
  makeGrpcRetryInterceptor,
  type ConnectionOptions,
} from '@temporalio/client';
import { loadClientConnectConfig, type LoadClientProfileOptions } from '@temporalio/envconfig';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { checkHeader, readAddress, readSecret, stripSecrets } from '../../data/secret.ts';
import { dataConverter } from './data-converter.ts';
import { TemporalFailed } from './errors.ts';
import { proxyOf } from './proxy.ts';

/** Whether the environment names a server. @throws InputError when its configuration cannot be read */
export const hasServer = () => loadConfig().connectionOptions.address !== undefined;

/** Temporal's library does not validate the configuration: any error of it is an error in the file, or in a file that it names. */
function loadConfig(options: LoadClientProfileOptions = {}): ReturnType<typeof loadClientConnectConfig> {
  try {
    const config = loadClientConnectConfig(options);
    connectionSchema.parse(config);
    return config;
  } catch (error) {
    const file = process.env['TEMPORAL_CONFIG_FILE'];
    // Lines after the first one quote the file, which may contain a key.
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
 * @param profile of Temporal's configuration file, instead of the environment's
 * @throws InputError for an address that contains a password, and for a malformed key
 */
export function connectionSettings(profile?: string) {
  const { connectionOptions, namespace } = loadConfig(profile === undefined ? {} : { profile, disableEnv: true });
  const { address } = connectionOptions;
  readAddress("Temporal's address (TEMPORAL_ADDRESS)", address);
  const { apiKey } = connectionOptions;
  for (const [name, value] of Object.entries(connectionOptions.metadata ?? {})) {
    if (typeof value === 'string') checkHeader(`Temporal's gRPC metadata "${name}"`, value);
  }
  // A key may also be a function, which Temporal checks itself.
  const key = typeof apiKey === 'string' && {
    apiKey: readSecret("Temporal's key (TEMPORAL_API_KEY)", apiKey)?.reveal(),
  };
  const proxy = address === undefined ? undefined : proxyOf(address);
  return {
    connectionOptions: { ...connectionOptions, ...key, ...(proxy && { proxy }) },
    namespace: namespace ?? 'default',
  };
}

/** The reason of a failed connection without gRPC's wrapping error, such as a rejected key or a missing certificate. */
const reasonOf = ({ message, cause }: Error): string => stripSecrets(cause instanceof Error ? cause.message : message);

/** @throws TemporalFailed when the server cannot be reached */
export async function connectClient(profile?: string): Promise<Client> {
  const { connectionOptions, namespace } = connectionSettings(profile);
  return connect(connectionOptions, namespace);
}

/** How long the embedded server may take to restart. */
const EMBEDDED_SECONDS = 60;
/** The number of attempts within that time. The last ones are 5 s apart. */
const EMBEDDED_ATTEMPTS = 18;
const retries = defaultGrpcRetryOptions({ maxAttempts: EMBEDDED_ATTEMPTS });
type GrpcStatus = Parameters<typeof retries.retryableDecider>[1];
/** Errors of a server that has just started, or whose workers have just started. */
const STARTING = /^Namespace .* not found|^no poller seen/;

/** Sets the environment of this process, and of its child processes, to the embedded server. */
export function useServer(address: string): void {
  process.env['TEMPORAL_ADDRESS'] = address;
  process.env['TEMPORAL_NAMESPACE'] = 'default';
}

/** A client of the embedded server that waits while the server or its workers start. */
export async function connectEmbedded(): Promise<Client> {
  const { connectionOptions, namespace } = connectionSettings();
  const retryableDecider = (attempt: number, found: GrpcStatus) =>
    retries.retryableDecider(attempt, found) || (attempt < EMBEDDED_ATTEMPTS && STARTING.test(found.details));
  const interceptors = [makeGrpcRetryInterceptor({ ...retries, retryableDecider })];
  return connect({ ...connectionOptions, connectTimeout: `${EMBEDDED_SECONDS}s`, interceptors }, namespace);
}

/** A client of a running embedded server, whichever server the environment names. */
export const connectLocal = (address: string): Promise<Client> => connect({ address }, 'default');

async function connect(options: ConnectionOptions, namespace: string): Promise<Client> {
  const converter = await dataConverter();
  const connection = await Connection.connect(options).catch((error: Error) => {
    throw new TemporalFailed(`Temporal at ${options.address} cannot be reached: ${reasonOf(error)}`);
  });
  return new Client({ connection, namespace, dataConverter: converter });
}
