/** Files and small texts in an S3 bucket of AWS or of an S3-compatible server. */
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import {
  AbortMultipartUploadCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  paginateListObjectsV2,
  type GetObjectCommandOutput,
  type MultipartUpload,
  type S3ClientConfig,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import pRetry from 'p-retry';
import { InputError } from '../data/errors.ts';
import { StoreFailed } from './errors.ts';
import { downloadRanges } from './s3-ranges.ts';
import { unfinishedUploads } from './s3-uploads.ts';

/** Part size of a multipart upload. */
const PART_BYTES = 16 * 2 ** 20;
/** Parts that are uploaded concurrently. An upload uses at most PART_BYTES * PARTS_AT_ONCE bytes of memory. */
const PARTS_AT_ONCE = 4;
/** Attempts of the SDK per request, and attempts of texts whose body is cut off. */
const ATTEMPTS = 6;
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

  /** Uploads a file or a stream in parts. The object exists once it is complete. */
  async upload(source: string | Readable, path: string): Promise<void> {
    const Body = typeof source === 'string' ? createReadStream(source) : source;
    const upload = new Upload({
      client: this.client,
      params: { ...this.at(path), Body, ChecksumAlgorithm: 'SHA256' },
      partSize: PART_BYTES,
      queueSize: PARTS_AT_ONCE,
    });
    await upload.done().catch((error: unknown) => {
      // The source's own error, such as that of a file, is not the bucket's.
      throw Body.errored ?? this.failure(error);
    });
  }

  /** The first bytes of an object, at most `bytes`. @returns undefined if it does not exist */
  async readStart(path: string, bytes: number): Promise<Uint8Array | undefined> {
    const Range = `bytes=0-${bytes - 1}`;
    return this.unlessAbsent(async () => {
      const { Body } = await this.client.send(new GetObjectCommand({ ...this.at(path), Range }));
      return Body!.transformToByteArray();
    });
  }

  /** Downloads an object in parts (s3-ranges.ts). @returns whether the object exists */
  async download(path: string, file: string): Promise<boolean> {
    const read = (Range: string, abortSignal: AbortSignal) =>
      this.unlessAbsent(() =>
        this.client.send(new GetObjectCommand({ ...this.at(path), Range }), { abortSignal }).catch(unlessEmpty),
      );
    return downloadRanges(read, file, (error) => this.failure(error));
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

  /** Aborts unfinished uploads that began before a date, of the keys that `isOwn` accepts. */
  async abortUploads(before: Date, isOwn: (path: string) => boolean): Promise<void> {
    const base = this.keyOf('');
    const old: MultipartUpload[] = [];
    try {
      for await (const uploads of unfinishedUploads(this.client, this.bucket, base))
        old.push(...uploads.filter(({ Key, Initiated }) => Initiated! < before && isOwn(Key!.slice(base.length))));
    } catch (error) {
      throw this.failure(error);
    }
    for (const { Key, UploadId } of old) {
      await this.unlessAbsent(() =>
        this.client.send(new AbortMultipartUploadCommand({ Bucket: this.bucket, Key, UploadId })),
      );
    }
  }
}

/** Compares S3's error names instead of the status, because a 404 from a gateway does not mean that the object is absent. */
const isAbsent = (error: unknown) => ['NoSuchKey', 'NoSuchUpload'].includes((error as Error).name);

/** The content of an object without bytes, of which no range can be read. Other errors are thrown. */
function unlessEmpty(error: unknown): Pick<GetObjectCommandOutput, 'Body' | 'ContentLength'> {
  if ((error as Error).name !== 'InvalidRange') throw error;
  return { ContentLength: 0 };
}

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
