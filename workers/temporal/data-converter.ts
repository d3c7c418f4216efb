/**
 * SELM_DATA_CONVERTER: a module with the payload codecs and converters of Temporal's DataConverter, for encrypted histories. Workers,
 * and all commands that read runs, use it.
 */
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { DataConverter, Payload, PayloadCodec } from '@temporalio/common';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';

const VARIABLE = 'SELM_DATA_CONVERTER';

/** An encoded payload that no codec of this process decodes. */
export class Undecodable extends InputError {}

const isCodec = (value: unknown): value is PayloadCodec =>
  ['encode', 'decode'].every((method) => typeof (Object(value) as Record<string, unknown>)[method] === 'function');

/** The module's exports, named as in Temporal's DataConverter. Paths are absolute, and their files are bundled with the workflows. */
const moduleSchema = z.object({
  payloadCodecs: z.array(z.custom<PayloadCodec>(isCodec, 'expected objects with encode and decode')).default([]),
  payloadConverterPath: z.string().optional(),
  failureConverterPath: z.string().optional(),
});

/**
 * The data converter of workers and clients.
 * @returns without SELM_DATA_CONVERTER: Temporal's default, extended to report payloads that a codec has encoded
 * @throws InputError when the module cannot be loaded or has other exports
 */
export async function dataConverter(): Promise<DataConverter> {
  const path = process.env[VARIABLE];
  if (!path) return { payloadCodecs: [refuseEncoded(`set ${VARIABLE} to the module that decodes them`)] };
  let loaded: object;
  try {
    loaded = (await import(pathToFileURL(resolve(path)).href)) as object;
  } catch (error) {
    throw new InputError(`${VARIABLE}=${path} cannot be loaded: ${(error as Error).message}`);
  }
  const parsed = moduleSchema.safeParse(loaded);
  if (!parsed.success || Object.keys(moduleSchema.shape).every((name) => !(name in loaded))) {
    const reason = parsed.error?.issues[0].message ?? 'it has none of them';
    throw new InputError(
      `${VARIABLE}=${path}: export payloadCodecs, payloadConverterPath or failureConverterPath, ` +
        `as Temporal's DataConverter has them (${reason}).`,
    );
  }
  const { payloadCodecs, ...paths } = parsed.data;
  const remedy = `${VARIABLE}=${path} does not decode them: use the module and the key that the run was started with`;
  const codecs = payloadCodecs.map((codec) => named(codec, path));
  // A custom payload converter may use other encodings.
  return { ...paths, payloadCodecs: paths.payloadConverterPath ? codecs : [refuseEncoded(remedy), ...codecs] };
}

/** The encodings of Temporal's default payload converter. */
const PLAIN = new Set(['json/plain', 'json/protobuf', 'binary/plain', 'binary/protobuf', 'binary/null']);

/** A codec that changes nothing. It decodes last, so it detects payloads that the other codecs have left encoded. */
const refuseEncoded = (remedy: string): PayloadCodec => ({
  encode: async (payloads) => payloads,
  async decode(payloads) {
    for (const { metadata } of payloads) {
      const encoding = Buffer.from(metadata?.['encoding'] ?? []).toString();
      if (!PLAIN.has(encoding)) {
        throw new Undecodable(`The run's payloads are encoded (${encoding}); ${remedy}.`);
      }
    }
    return payloads;
  },
});

/** Wraps a codec so that its errors name the module. */
const named = (codec: PayloadCodec, path: string): PayloadCodec => ({
  encode: (payloads, context) => codec.encode(payloads, context),
  decode: async (payloads: Payload[], context) => {
    try {
      return await codec.decode(payloads, context);
    } catch (error) {
      throw new Undecodable(
        `${VARIABLE}=${path} cannot decode a payload (${(error as Error).message}): ` +
          'use the module and the key that the run was started with.',
      );
    }
  },
});
