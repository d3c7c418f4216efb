/**
 * Encrypts Temporal's payloads with AES-256-GCM: `export SELM_DATA_CONVERTER=examples/encryption/codec.mjs`, and in SELM_CODEC_KEY a key
 * (`openssl rand -base64 32`). Workers and all commands need both. To change the key, keep the old one for the runs that used it.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import proto from '@temporalio/proto';

const { Payload } = proto.temporal.api.common.v1;
const ENCODING = 'binary/encrypted';
const IV_BYTES = 12;
const TAG_BYTES = 16;

const key = Buffer.from(process.env['SELM_CODEC_KEY'] ?? '', 'base64');
if (key.length !== 32) throw new Error('SELM_CODEC_KEY must be 32 bytes in base64 (openssl rand -base64 32)');

/** The whole payload is encrypted, its metadata too. What is stored is IV, ciphertext and authentication tag. */
function encrypt(payload) {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv);
  const text = Buffer.concat([cipher.update(Payload.encode(payload).finish()), cipher.final()]);
  return { metadata: { encoding: Buffer.from(ENCODING) }, data: Buffer.concat([iv, text, cipher.getAuthTag()]) };
}

/** Payloads of runs that were started before encryption stay as they are. */
function decrypt(payload) {
  if (Buffer.from(payload.metadata?.encoding ?? []).toString() !== ENCODING) return payload;
  const data = Buffer.from(payload.data);
  const decipher = createDecipheriv('aes-256-gcm', key, data.subarray(0, IV_BYTES));
  decipher.setAuthTag(data.subarray(-TAG_BYTES));
  return Payload.decode(Buffer.concat([decipher.update(data.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]));
}

export const payloadCodecs = [
  {
    encode: async (payloads) => payloads.map(encrypt),
    decode: async (payloads) => payloads.map(decrypt),
  },
];

/** Messages and stack traces of failures are encrypted as well. */
export const failureConverterPath = fileURLToPath(new URL('./failures.cjs', import.meta.url));
