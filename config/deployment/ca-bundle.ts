/** The certificates of a deployment's own certificate authorities. */
import { X509Certificate } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { InputError } from '../../data/errors.ts';

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[^-]*-----END CERTIFICATE-----/g;
/** A task definition may have 64 KiB altogether. */
const MAX_KIB = 32;

/**
 * The certificates that `caBundle` names, without the comments between them.
 * @param given PEM text, or a file relative to `folder`
 * @throws InputError when it has no certificate, one that cannot be read, too many, or a private key
 */
export function readCaBundle(given: string, folder: string, source: string): string {
  const inline = given.includes('-----BEGIN');
  const file = resolve(folder, given);
  if (!inline && !existsSync(file))
    throw new InputError(`${source}: caBundle: ${file} does not exist; give a PEM file.`);
  const what = `${source}: caBundle${inline ? '' : ` (${file})`}`;
  const text = inline ? given : readFileSync(file, 'utf8');
  if (text.includes('PRIVATE KEY')) throw new InputError(`${what} contains a private key; give certificates only.`);
  const certificates = text.match(CERTIFICATE) ?? [];
  if (certificates.length === 0) throw new InputError(`${what} contains no certificate; give certificates in PEM.`);
  const unreadable = certificates.findIndex((certificate) => !isReadable(certificate));
  if (unreadable !== -1)
    throw new InputError(`${what}: certificate ${unreadable + 1} cannot be read; give certificates in PEM.`);
  const bundle = certificates.join('\n');
  if (bundle.length > MAX_KIB * 1024)
    throw new InputError(
      `${what} has more than ${MAX_KIB} KiB of certificates; give only those of your own authorities.`,
    );
  return bundle;
}

function isReadable(certificate: string): boolean {
  try {
    return new X509Certificate(certificate).raw.length > 0;
  } catch {
    return false;
  }
}
