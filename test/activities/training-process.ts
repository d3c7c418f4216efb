/** A process that trains with an S3 store, until it is killed. Its argument: { port, folder, input } as JSON. */
import { optimize, type OptimizeInput } from '../../activities/optimize.ts';
import { Bucket } from '../../artifacts/s3-bucket.ts';
import { S3Store } from '../../artifacts/s3-store.ts';
import { startEngine } from '../../engine/backends.ts';
import { clientConfig } from '../artifacts/versitygw.ts';

const { port, folder, input } = JSON.parse(process.argv[2]) as { port: number; folder: string; input: OptimizeInput };
const store = new S3Store(new Bucket('s3://selm', clientConfig(port)), { folder, limitBytes: 1e9 });
await optimize({ store, engine: startEngine(), cacheFolder: folder }, input, {});
