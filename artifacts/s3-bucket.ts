/** Files and small texts in an S3 bucket of AWS or of an S3-compatible server. */
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
import { StoreFailed } from './errors.ts';

/** Part size of a multipart upload. */
const PART_BYTES = 16 * 2 ** 20;
/** Parts that are uploaded concurrently. An upload uses at most PART_BYTES * PARTS_AT_ONCE bytes of memory. */
const PARTS_AT_ONCE = 4;
/** Attempts of the SDK per request, and attempts of reads whose body is cut off. */
const ATTEMPTS = 6;
/** If a download receives this many bytes after an error, its number of attempts is reset. */
const PROGRESS_BYTES = 2 ** 20;
/** Maximum number of objects per delete request (limit of S3). */
const DELETE_AT_ONCE = 1000;

/** The URL must not contain credentials, because it is part of error messages. */
const BUCKET_URL = /^s3:\/\/([a-z0-9][a-z0-9.-]+)(\/.*)?$/;

/** An object of the bucket. `key` is relative to the prefix, `size` is in bytes. */
interface StoredObject {
  key: string;
  size: number;
  modified: Date;
}

/** A bucket, or the part of it below a prefix. Errors of S3 are thrown as StoreFailed. */
export class Bucket {
  /** `s3://bucket/prefix`, for messages. */
  readonly url: string;
  private readonly client: S3Client;
  private readonly bucket: string;
  private readonly prefix: string;

  /**
   * @param url `s3://bucket/prefix`
   * @param config overrides the standard AWS environment, which has credentials, region and endpoint
   * @throws InputError when the address has another form
   */
  constructor(url: string, config: S3ClientConfig = {}) {
    const parts = BUCKET_URL.exec(url);
    if (!parts) throw new InputError('An artifact store in S3 has the form s3://bucket/prefix: correct SELM_STORE.');
    this.bucket = parts[1];
    this.prefix = (parts[2] ?? '').replace(/^\/+|\/+$/g, '');
    this.url = url;
    // Most servers other than AWS have no host name per bucket.
    const forcePathStyle = Boolean(process.env['AWS_ENDPOINT_URL_S3'] ?? process.env['AWS_ENDPOINT_URL']);
    this.client = new S3Client({
      maxAttempts: ATTEMPTS,
      forcePathStyle,
      // The manifest has the SHA-256 of every file.
      responseChecksumValidation: 'WHEN_REQUIRED',
      // A connection without traffic is broken. Requests have no total time limit, since their duration depends on the bandwidth.
      requestHandler: { connectionTimeout: 5000, socketTimeout: 60_000 },
      ...config,
    });
  }

  /** The full key of a path below the prefix. */
  private keyOf(path: string): string {
    return this.prefix === '' ? path : `${this.prefix}/${path}`;
  }

  private at(path: string) {
    return { Bucket: this.bucket, Key: this.keyOf(path) };
  }

  /** The result of `work`; undefined if the object does not exist. @throws StoreFailed for other errors */
  private async unlessAbsent<T>(work: () => Promise<T>): Promise<T | undefined> {
    try {
      return await work();
    } catch (error) {
      if (isAbsent(error)) return undefined;
      throw this.failure(error);
    }
  }

  /** Converts an error of the SDK to a StoreFailed. */
  private failure(error: unknown): StoreFailed {
    if (error instanceof StoreFailed) return error;
    const { name, message } = error as Error;
    return new StoreFailed(`The artifact store ${this.url} does not answer as it should (${name}: ${message}).`, {
      rejected: isRejection(error),
    });
  }

  /** Checks the access to the bucket. @throws StoreFailed when it does not exist, or may not be read below the prefix */
  async check(): Promise<void> {
    const command = new ListObjectsV2Command({ Bucket: this.bucket, Prefix: this.keyOf(''), MaxKeys: 1 });
    await this.client.send(command).catch((error: unknown) => {
      throw this.failure(error);
    });
  }

  /** Reads an object as text. @returns undefined if the object does not exist */
  async readText(path: string): Promise<string | undefined> {
    const read = async () => {
      const found = await this.unlessAbsent(() => this.client.send(new GetObjectCommand(this.at(path))));
      return found?.Body!.transformToString();
    };
    return pRetry(read, {
      retries: ATTEMPTS - 1,
      minTimeout: 200,
      // The SDK retries requests, but not responses whose body is cut off.
      shouldRetry: ({ error }) => !(error instanceof StoreFailed),
    }).catch((error: unknown) => {
      throw this.failure(error);
    });
  }

  /** Writes a text, replacing an existing object. */
  async writeText(path: string, text: string): Promise<void> {
    await this.unlessAbsent(() => this.client.send(new PutObjectCommand({ ...this.at(path), Body: text })));
  }

  /** Writes a text unless the object exists, atomically. @returns whether the object has this text now */
  async writeOnce(path: string, text: string): Promise<boolean> {
    try {
      await this.client.send(new PutObjectCommand({ ...this.at(path), Body: text, IfNoneMatch: '*' }));
      return true;
    } catch (error) {
      // A retried request may find the object that its first attempt wrote.
      if (statusOf(error) === 412 || statusOf(error) === 409) return (await this.readText(path)) === text;
      throw this.failure(error);
    }
  }

  /** Uploads a file. The object exists once it is complete. */
  async upload(file: string, path: string): Promise<void> {
    const upload = new Upload({
      client: this.client,
      params: { ...this.at(path), Body: createReadStream(file), ChecksumAlgorithm: 'SHA256' },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done().catch((error: NodeJS.ErrnoException) => {
      // File errors have a path, network errors have none.
      throw error.path === undefined ? this.failure(error) : error;
    });
  }

  /** Downloads an object. If the body is cut off, the download continues from there. @returns whether the object exists */
  async download(path: string, file: string): Promise<boolean> {
    await mkdir(dirname(file), { recursive: true });
    const target = await open(file, 'w');
    let [size, attempt, brokeAt] = [0, 0, 0];
    try {
      // A loop instead of p-retry, which cannot reset its attempts after progress.
      for (;;) {
        const range = size > 0 ? { Range: `bytes=${size}-` } : {};
        const found = await this.unlessAbsent(() =>
          this.client.send(new GetObjectCommand({ ...this.at(path), ...range })),
        );
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
          // Throws if the write failed: a full disk is not a network error.
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

  /** Lists all objects whose path begins with `path`, ordered by path. */
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

  /** Removes objects. Missing objects are ignored. */
  async remove(paths: string[]): Promise<void> {
    for (let i = 0; i < paths.length; i += DELETE_AT_ONCE) {
      const Objects = paths.slice(i, i + DELETE_AT_ONCE).map((path) => ({ Key: this.keyOf(path) }));
      const command = new DeleteObjectsCommand({ Bucket: this.bucket, Delete: { Objects, Quiet: true } });
      const failed = (await this.unlessAbsent(() => this.client.send(command)))?.Errors?.[0];
      if (failed) throw this.failure(new Error(`${failed.Key} is not removed: ${failed.Message}`));
    }
  }

  /** Aborts unfinished uploads that began before a date. */
  async abortUploads(before: Date): Promise<void> {
    const found = await this.unlessAbsent(() =>
      this.client.send(new ListMultipartUploadsCommand({ Bucket: this.bucket, Prefix: this.keyOf('') })),
    );
    for (const { Key, UploadId, Initiated } of found?.Uploads ?? []) {
      if (Initiated! >= before) continue;
      await this.unlessAbsent(() =>
        this.client.send(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId })),
      );
    }
  }
}

/** Compares S3's error names instead of the status, because a 404 from a gateway does not mean that the object is absent. */
const isAbsent = (error: unknown) => ['NoSuchKey', 'NoSuchUpload'].includes((error as Error).name);

/** Errors that the SDK throws before it sends a request: no credentials, no region. */
const UNUSABLE = /^CredentialsProviderError$|^TokenProviderError$|Region is missing/;
/** Status codes for a server that is busy or too slow, and for conflicts with another request. */
const TEMPORARY = [408, 409, 425, 429];

/** Whether a retry cannot succeed: the request itself, the credentials or the configuration is wrong. */
function isRejection(error: unknown): boolean {
  const { name, message } = error as Error;
  const status = statusOf(error);
  if (status === undefined) return UNUSABLE.test(name) || UNUSABLE.test(message);
  return status >= 300 && status < 500 && !TEMPORARY.includes(status);
}

const statusOf = (error: unknown) => (error as { $metadata?: { httpStatusCode?: number } }).$metadata?.httpStatusCode;
