/** Small texts in an S3 bucket. */
import type { Bucket } from './s3-bucket.ts';
import type { Texts } from './texts.ts';

/** The texts in the objects of a bucket. `writeOnce` is a conditional write. */
export const bucketTexts = (bucket: Bucket): Texts => ({
  place: bucket.url,
  async list(folder, depth) {
    const objects = await bucket.list(`${folder}/`);
    return objects.map(({ key }) => key.slice(`${folder}/`.length)).filter((path) => path.split('/').length === depth);
  },
  read: (path) => bucket.readText(path),
  write: (path, text) => bucket.writeText(path, text),
  writeOnce: (path, text) => bucket.writeOnce(path, text),
});
