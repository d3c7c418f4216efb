/** Files and small texts in an S3 bucket, or in what speaks its protocol. */
import { createReadStream } from 'node:fs';
import { mkdir, open } from 'node:fs/promises';
import { dirname } from 'node:path';
import type { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import pRetry from 'p-retry';
import { InputError } from '../data/errors.ts';

/** Parts of a large file, uploaded at the same time. What is in memory of a file is at most their product. */
const PART_BYTES = 16 * 2 ** 20;
const PARTS_AT_ONCE = 4;
/** Of a request by the SDK; of a download whose body breaks off, by `download`. */
const ATTEMPTS = 6;
/** A download that has come on by so much since its connection broke last has all attempts before it again. */
const PROGRESS_BYTES = 2 ** 20;
const DELETE_AT_ONCE = 1000;

/** Keys never stand in the address: messages name it. */
const BUCKET_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(\/.*)?$/;

export interface StoredObject {
  key: string;
  size: number;
  modified: Date;
}

/** The store did not answer as it should, after all attempts. */
export class BucketError extends Error {
  override readonly name = 'BucketError';
}

export class Bucket {
  /** `s3://bucket/prefix`, for messages. */
  readonly url: string;
  private readonly client: S3Client;
  private readonly bucket: string;
  private readonly prefix: string;

  /**
   * @param url `s3://bucket/prefix`
   * @param config beside the standard AWS environment, which gives credentials, region and endpoint
   * @throws InputError when `url` is no such address
   */
  constructor(url: string, config: S3ClientConfig = {}) {
    const parts = BUCKET_URL.exec(url);
    if (!parts) throw new InputError('An artifact store in S3 is given as s3://bucket/prefix: this one is not.');
    this.bucket = parts[1];
    this.prefix = (parts[2] ?? '').replace(/^\/+|\/+$/g, '');
    this.url = url;
    // What is not AWS itself mostly has no host name for each bucket.
    const forcePathStyle = Boolean(process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']);
    this.client = new S3Client({
      maxAttempts: ATTEMPTS,
      forcePathStyle,
      // Every file's SHA-256 is in its artifact's manifest.
      responseChecksumValidation: 'WHEN_REQUIRED',
      // A connection on which nothing moves is broken; how long a request takes as a whole depends on the line.
      requestHandler: { connectionTimeout: 5000, socketTimeout: 60_000 },
      ...config,
    });
  }

  private keyOf(path: string): string {
    return this.prefix === '' ? path : `${this.prefix}/${path}`;
  }

  private at(path: string) {
    return { Bucket: this.bucket, Key: this.keyOf(path) };
  }

  /** What AWS answers to `work`; undefined where there is no such object. @throws BucketError for everything else */
  private async ask<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.failure(error);
    }
  }

  private failure(error: unknown): BucketError {
    if (error instanceof BucketError) return error;
    const { name, message } = error as Error;
    return new BucketError(`The artifact store ${this.url} does not answer as it should (${name}: ${message}).`);
  }

  /** @throws BucketError when the bucket is not there, or may not be read below the prefix */
  async check(): Promise<void> {
    const command = new ListObjectsV2Command({ Bucket: this.bucket, Prefix: this.keyOf(''), MaxKeys: 1 });
    await this.client.send(command).catch((error: unknown) => {
      throw this.failure(error);
    });
  }

  async readText(path: string): Promise<string | undefined> {
    const read = async () => {
      const found = await this.ask(() => this.client.send(new GetObjectCommand(this.at(path))));
      return found?.Body!.transformToString();
    };
    return pRetry(read, {
      retries: ATTEMPTS - 1,
      minTimeout: 200,
      // The SDK has retried the request itself, but does not retry when the response's body breaks off.
      shouldRetry: ({ error }) => !(error instanceof BucketError),
    }).catch((error: unknown) => {
      throw this.failure(error);
    });
  }

  async writeText(path: string, text: string): Promise<void> {
    await this.ask(() => this.client.send(new PutObjectCommand({ ...this.at(path), Body: text })));
  }

  /** Writes a text where nothing is yet, at once for everybody. @returns whether it was this one that is there now */
  async writeOnce(path: string, text: string): Promise<boolean> {
    try {
      await this.client.send(new PutObjectCommand({ ...this.at(path), Body: text, IfNoneMatch: '*' }));
      return true;
    } catch (error) {
      // A request that was tried again finds what its first try has written.
      if (statusOf(error) === 412 || statusOf(error) === 409) return (await this.readText(path)) === text;
      throw this.failure(error);
    }
  }

  /** A file becomes an object: complete, or not there. */
  async upload(file: string, path: string): Promise<void> {
    const upload = new Upload({
      client: this.client,
      params: { ...this.at(path), Body: createReadStream(file), ChecksumAlgorithm: 'SHA256' },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done().catch((error: NodeJS.ErrnoException) => {
      // Of the file, not of the network: those of sockets have no path.
      throw error.path === undefined ? this.failure(error) : error;
    });
  }

  /** An object becomes a file. Where its body breaks off, it goes on from there. @returns whether there is such an object */
  async download(path: string, file: string): Promise<boolean> {
    await mkdir(dirname(file), { recursive: true });
    const target = await open(file, 'w');
    let [size, attempt, brokeAt] = [0, 0, 0];
    try {
      // Not p-retry, which cannot start counting again: a download that progresses gets all its attempts back.
      for (;;) {
        const range = size > 0 ? { Range: `bytes=${size}-` } : {};
        const found = await this.ask(() => this.client.send(new GetObjectCommand({ ...this.at(path), ...range })));
        if (!found) return false;
        if (found.ContentRange === undefined) size = 0;
        const total = size + (found.ContentLength ?? Infinity);
        let written = Promise.resolve<unknown>(undefined);
        try {
          for await (const chunk of found.Body as Readable) {
            await (written = target.write(chunk as Buffer, 0, undefined, size));
            size += (chunk as Buffer).length;
          }
          return true;
        } catch (error) {
          // Throws where the write failed: a full disk is no network error.
          await written;
          if (size === total) return true;
          if (size - brokeAt >= PROGRESS_BYTES) attempt = 0;
          brokeAt = size;
          if (++attempt === ATTEMPTS) throw this.failure(error);
          await sleep(100 * 2 ** attempt);
        }
      }
    } finally {
      await target.close();
    }
  }

  /** Everything whose path begins with `path`, by its path. */
  async list(path: string): Promise<StoredObject[]> {
    const objects: StoredObject[] = [];
    const base = this.keyOf('').length;
    const pages = paginateListObjectsV2({ client: this.client }, { Bucket: this.bucket, Prefix: this.keyOf(path) });
    try {
      for await (const { Contents = [] } of pages) {
        objects.push(
          ...Contents.map(({ Key, Size, LastModified }) => ({
            key: Key!.slice(base),
            size: Size!,
            modified: LastModified!,
          })),
        );
      }
    } catch (error) {
      throw this.failure(error);
    }
    return objects;
  }

  async remove(paths: string[]): Promise<void> {
    for (let i = 0; i < paths.length; i += DELETE_AT_ONCE) {
      const Objects = paths.slice(i, i + DELETE_AT_ONCE).map((path) => ({ Key: this.keyOf(path) }));
      const command = new DeleteObjectsCommand({ Bucket: this.bucket, Delete: { Objects, Quiet: true } });
      const failed = (await this.ask(() => this.client.send(command)))?.Errors?.[0];
      if (failed) throw this.failure(new Error(`${failed.Key} is not removed: ${failed.Message}`));
    }
  }

  /** Gives up uploads that were broken off. */
  async abortUploads(before: Date): Promise<void> {
    const found = await this.ask(() =>
      this.client.send(new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: this.keyOf('') })),
    );
    for (const { Key, UploadId, Initiated } of found?.Uploads ?? []) {
      if (Initiated! >= before) continue;
      await this.ask(() => this.client.send(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId })));
    }
  }
}

/** As S3 says it: another 404, of a gateway say, tells nothing about the object. */
const isAbsent = (error: unknown) => ['NoSuchKey', 'NoSuchUpload'].includes((error as Error).name);

const statusOf = (error: unknown) => (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
