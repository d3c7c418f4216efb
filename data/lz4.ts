/** Parquet's codec LZ4, under whose name files have Hadoop's frames or raw blocks. */
import { compressors } from 'hyparquet-compressors';

/** @param length of the decompressed bytes */
export const decompressLz4 = (bytes: Uint8Array, length: number): Uint8Array =>
  (hasFrames(bytes, length) ? compressors.LZ4! : compressors.LZ4_RAW!)(bytes, length);

/** Whether the bytes are frames: each begins with its decompressed and its compressed length. */
function hasFrames(bytes: Uint8Array, length: number): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let [at, decompressed] = [0, 0];
  while (at + 8 <= bytes.length) {
    decompressed += view.getUint32(at);
    at += 8 + view.getUint32(at + 4);
  }
  return at === bytes.length && decompressed === length;
}
