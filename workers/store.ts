/** Opens the artifact store that the environment names. */
import { access, constants, mkdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { StoreFailed } from '../artifacts/errors.ts';
import { LocalStore } from '../artifacts/local-store.ts';
import type { ArtifactStore } from '../artifacts/store.ts';
import { silenceAwsSdk } from '../data/aws-sdk.ts';
import { InputError } from '../data/errors.ts';
import { readAddress, readSecret } from '../data/secret.ts';
import { homeFolder } from './places.ts';

const DEFAULT_CACHE_GB = 50;

const AWS_ADDRESSES = ['AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL'];
const AWS_CREDENTIALS = ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY', 'AWS_SESSION_TOKEN'];

/**
 * SELM_STORE: a folder, or `s3://bucket/prefix` with a cache in the home folder of at most SELM_CACHE_GB. Without it, a folder in
 * the home folder. Credentials, region and endpoint of S3 are those of the AWS environment.
 * @param options.writes whether the store is written. If so, a folder is created if necessary
 * @throws InputError for a bucket that does not exist or rejects the credentials, for a folder that cannot be accessed, and for
 *   malformed AWS credentials. StoreFailed for a bucket that does not answer
 */
export async function openStore({ writes = false }: { writes?: boolean } = {}): Promise<ArtifactStore> {
  const place = storePlace();
  if (isBucket(place)) return openBucket(place);
  if (/^\w+:\/\//.test(place))
    throw new InputError('SELM_STORE is an address, but not s3://bucket/prefix; give a folder or such an address.');
  const folder = resolve(place);
  await checkFolder(folder, writes);
  return new LocalStore(folder);
}

/** Whether the store is in a bucket, so that reading it needs the network. */
export const isStoreRemote = (): boolean => isBucket(storePlace());

const storePlace = () => process.env['SELM_STORE'] || join(homeFolder(), 'artifacts');
const isBucket = (place: string) => place.startsWith('s3://');

async function checkFolder(folder: string, writes: boolean): Promise<void> {
  try {
    if (writes) await mkdir(folder, { recursive: true });
    await access(folder, constants.R_OK | constants.X_OK | (writes ? constants.W_OK : 0));
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' && !writes) return;
    throw new InputError(
      `The store ${folder} cannot be ${writes ? 'written' : 'read'} (${code}): ` +
        'correct its permissions, or set SELM_STORE to another folder.',
    );
  }
}

async function openBucket(url: string): Promise<ArtifactStore> {
  const limit = process.env['SELM_CACHE_GB'] ?? String(DEFAULT_CACHE_GB);
  if (!(Number(limit) > 0)) throw new InputError(`SELM_CACHE_GB=${limit} is no size: give a number of gigabytes.`);
  for (const variable of AWS_ADDRESSES) readAddress(variable);
  for (const variable of AWS_CREDENTIALS) {
    const secret = readSecret(variable);
    // The SDK reads the credentials itself.
    if (secret) process.env[variable] = secret.reveal();
  }
  silenceAwsSdk();
  // Loaded on demand, because loading is slow.
  const [{ Bucket }, { S3Store }] = await Promise.all([
    import('../artifacts/s3-bucket.ts'),
    import('../artifacts/s3-store.ts'),
  ]);
  const bucket = new Bucket(url);
  await bucket.check().catch((error: unknown) => {
    if (!(error instanceof StoreFailed && error.rejected)) throw error;
    throw new InputError(`${error.message} Check SELM_STORE and the AWS credentials, region and endpoint.`);
  });
  return new S3Store(bucket, { folder: join(homeFolder(), 'cache'), limitBytes: Number(limit) * 1e9 });
}
