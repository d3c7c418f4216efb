/** Uploads in parts that were begun and neither completed nor aborted. */
import { ListMultipartUploadsCommand, type MultipartUpload, type S3Client } from '@aws-sdk/client-s3';

/**
 * The unfinished uploads of a bucket, in pages of at most 1000. Where a page ends within the uploads of one key, its others are not
 * listed, because a server may refuse the upload id at which the next page would begin (versitygw 1.8). The next call lists them, after
 * these have been aborted.
 * @param prefix of their keys
 */
export async function* unfinishedUploads(
  client: S3Client,
  bucket: string,
  prefix?: string,
): AsyncGenerator<MultipartUpload[]> {
  let last: string | undefined;
  do {
    const command: ListMultipartUploadsCommand = new ListMultipartUploadsCommand({
      Bucket: bucket,
      Prefix: prefix,
      KeyMarker: last,
    });
    const { Uploads = [], IsTruncated, NextKeyMarker } = await client.send(command);
    yield Uploads;
    last = IsTruncated ? NextKeyMarker : undefined;
  } while (last !== undefined);
}
