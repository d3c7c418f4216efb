/**
 * Invitations: who may open the pages of `selm ui` on this machine, until when, and as what. They are in `people/invitations.json` of the
 * home folder; the key that signs their links is in `people/key`.
 */
import { randomBytes, randomUUID } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { readFile, rename, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { sign, verify } from 'hono/jwt';
import { z } from 'zod';
import { InputError } from '../../data/errors.ts';
import { readFailure } from '../../data/file-errors.ts';
import { jsonOf } from '../../data/json.ts';
import { isPersonName } from '../../labelers/people/person.ts';
import { FileLock } from '../../workers/file-lock.ts';
import { homeFolder } from '../../workers/places.ts';

const ISSUER = 'selm';
const KEY = /^[0-9a-f]{64}$/;

const invitationSchema = z.strictObject({
  id: z.uuid(),
  person: z.string().refine(isPersonName),
  /** Whether the person may also decide about runs. */
  operator: z.boolean(),
  created: z.iso.datetime(),
  expires: z.iso.datetime(),
  revoked: z.iso.datetime().optional(),
});
export type Invitation = z.infer<typeof invitationSchema>;

/** What a link's token says, signed. */
const claimsSchema = z.object({ sub: z.string(), jti: z.string(), exp: z.int() });

/** Whether an invitation has neither expired nor been revoked. */
export const isValid = ({ expires, revoked }: Invitation): boolean =>
  revoked === undefined && new Date(expires) > new Date();

/** The invitations of a home folder. Several processes may use them at once. */
export class Invitations {
  readonly #folder: string;
  /** Those of this process only. */
  readonly #own: Invitation[] = [];

  constructor(home = homeFolder()) {
    this.#folder = join(home, 'people');
  }

  /** All invitations, also those that have ended, in the order in which they were made. @throws InputError for a damaged file */
  async list(): Promise<Invitation[]> {
    const text = await read(this.#file);
    if (text === undefined) return [];
    const parsed = z.array(invitationSchema).safeParse(jsonOf(text));
    if (parsed.success) return parsed.data;
    throw new InputError(
      `${this.#file} is damaged: it is not a list of invitations; correct it, or move it away and invite everybody again.`,
    );
  }

  /**
   * Invites a person.
   * @returns the token of the person's link
   * @throws InputError for a name that cannot be one, and when the person has a valid invitation
   */
  async invite(person: string, days: number, operator: boolean): Promise<{ invitation: Invitation; token: string }> {
    checkName(person);
    const invitation = newInvitation(person, days, operator);
    await this.#change((all) => {
      const valid = all.find((one) => isSame(one.person, person) && isValid(one));
      if (valid)
        throw new InputError(
          `"${valid.person}" has an invitation until ${valid.expires}: selm label invite "${valid.person}" (without --days and --operator) ` +
            `shows its link, selm label revoke "${valid.person}" ends it.`,
        );
      return [...all, invitation];
    });
    return { invitation, token: await this.#sign(invitation) };
  }

  /** The valid invitation of a person, with the token of its link: the same one as before. @returns undefined if there is none */
  async linkOf(person: string): Promise<{ invitation: Invitation; token: string } | undefined> {
    const invitation = (await this.list()).find((one) => one.person === person && isValid(one));
    return invitation && { invitation, token: await this.#sign(invitation) };
  }

  /** Invites a person until this process ends. Other processes do not know the invitation. @returns the token of the link */
  async inviteHere(person: string, days: number, operator: boolean): Promise<string> {
    checkName(person);
    const invitation = newInvitation(person, days, operator);
    this.#own.push(invitation);
    return this.#sign(invitation);
  }

  /** Ends a person's invitation, and with it the person's sessions at their next request. @throws InputError when there is none */
  async revoke(person: string): Promise<void> {
    await this.#change((all) => {
      if (!all.some((one) => one.person === person && isValid(one)))
        throw new InputError(`"${person}" has no valid invitation; selm label invitations lists all.`);
      const revoked = new Date().toISOString();
      return all.map((one) => (one.person === person && isValid(one) ? { ...one, revoked } : one));
    });
  }

  /** The valid invitation that a token is of. @returns undefined for any other token @throws InputError for damaged files */
  async find(token: string): Promise<Invitation | undefined> {
    const key = await this.#key();
    // Whatever is wrong with a token, it is of no invitation.
    const claims = await verify(token, key, { alg: 'HS256', iss: ISSUER }).catch(() => undefined);
    const parsed = claimsSchema.safeParse(claims);
    if (!parsed.success) return undefined;
    const { sub, jti } = parsed.data;
    return [...this.#own, ...(await this.list())].find((one) => one.id === jti && one.person === sub && isValid(one));
  }

  get #file(): string {
    return join(this.#folder, 'invitations.json');
  }

  async #sign({ id, person, expires }: Invitation): Promise<string> {
    const exp = Math.floor(Date.parse(expires) / 1000);
    return sign({ iss: ISSUER, sub: person, jti: id, exp }, await this.#key(), 'HS256');
  }

  /** The key of this home folder, which is made when it is first needed. */
  async #key(): Promise<string> {
    const file = join(this.#folder, 'key');
    const key = (await read(file)) ?? (await this.#locked(() => this.#newKey(file)));
    if (!KEY.test(key))
      throw new InputError(
        `${file} is damaged: it must be 64 hexadecimal digits; restore it, or remove it, which ends all invitations.`,
      );
    const { mode } = await stat(file);
    if ((mode & 0o077) !== 0 && process.platform !== 'win32')
      throw new InputError(
        `${file} can be read by other users of this machine: chmod 600 it, or remove it, which ends all invitations.`,
      );
    return key;
  }

  async #newKey(file: string): Promise<string> {
    const made = await read(file);
    if (made !== undefined) return made;
    const key = randomBytes(32).toString('hex');
    await write(file, key);
    return key;
  }

  async #change(change: (all: Invitation[]) => Invitation[]): Promise<void> {
    await this.#locked(async () => {
      await write(this.#file, `${JSON.stringify(change(await this.list()), null, 2)}\n`);
    });
  }

  /** One process at a time changes files. */
  async #locked<T>(work: () => Promise<T>): Promise<T> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 });
    const lock = await FileLock.exclusive(join(this.#folder, 'lock'));
    try {
      return await work();
    } finally {
      lock.release();
    }
  }
}

const newInvitation = (person: string, days: number, operator: boolean): Invitation => ({
  id: randomUUID(),
  person,
  operator,
  created: new Date().toISOString(),
  expires: new Date(Date.now() + days * 24 * 3600 * 1000).toISOString(),
});

/** @throws InputError */
function checkName(person: string): void {
  if (isPersonName(person)) return;
  throw new InputError(
    `"${person}" is not a name for a person: give at most 100 letters, digits, spaces and ._@+|:'- that begin with a letter or digit.`,
  );
}

/** Names that differ only in upper and lower case would be taken for each other. */
const isSame = (a: string, b: string) => a.toLowerCase() === b.toLowerCase();

/** @returns undefined if there is no such file */
async function read(file: string): Promise<string | undefined> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw readFailure(file, error);
  }
}

/** Writes a file atomically, which only this user can read. Only under the lock. */
async function write(file: string, text: string): Promise<void> {
  const temporary = `${file}.tmp`;
  await writeFile(temporary, text, { mode: 0o600, flush: true });
  await rename(temporary, file);
}
