/** Caches of servers' responses by request, so that what is labeled or measured again sends no requests. */
import { randomUUID } from 'node:crypto';
import { link, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { z } from 'zod';
import { hashValue } from '../../artifacts/hash.ts';
import { jsonOf } from '../../data/json.ts';
import type { ChatAnswer } from './chat-answer.ts';

const answerSchema = z.object({
  text: z.string(),
  finishReason: z.string(),
  usage: z.object({ promptTokens: z.int(), completionTokens: z.int() }),
  withoutTemperature: z.literal(true).optional(),
});

/** A cache in a folder, which several processes can use at the same time. */
export class ResponseCache<Answer> {
  private readonly folder: string;
  private readonly schema: z.ZodType<Answer>;
  private warned = false;

  /** @param schema of an answer; a file that does not match it is damaged, and removed */
  constructor(folder: string, schema: z.ZodType<Answer>) {
    this.folder = folder;
    this.schema = schema;
  }

  /**
   * The answer to a request: from the cache, or from the server. If several processes send the same request, all use the first answer
   * that was cached, so labels and token counts do not depend on how often a request was sent.
   * @param request everything that the answer depends on
   */
  async answer(request: object, ask: () => Promise<Answer>): Promise<Answer> {
    const key = hashValue(request);
    const path = join(this.folder, key.slice(0, 2), `${key}.json`);
    const known = await this.read(path);
    if (known !== undefined) return known;
    const answer = await ask();
    try {
      return await this.keep(path, request, answer);
    } catch (error) {
      // An error such as a full disk must not discard an answer that may have cost money.
      if (!this.warned)
        console.warn(`Responses of servers are not cached in ${this.folder}: ${(error as Error).message}.`);
      this.warned = true;
      return answer;
    }
  }

  /** Stores an answer. @returns the cached answer, which is another one if another process stored its answer first */
  private async keep(path: string, request: object, answer: Answer): Promise<Answer> {
    await mkdir(dirname(path), { recursive: true });
    const temporary = `${path}.${randomUUID()}`;
    try {
      await writeFile(temporary, `${JSON.stringify({ request, answer }, null, 2)}\n`);
      return await link(temporary, path).then(
        () => answer,
        async (error: NodeJS.ErrnoException) => {
          if (error.code !== 'EEXIST') throw error;
          return (await this.read(path)) ?? answer;
        },
      );
    } finally {
      await rm(temporary, { force: true });
    }
  }

  private async read(path: string): Promise<Answer | undefined> {
    let text: string;
    try {
      text = await readFile(path, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    const { success, data } = z.object({ answer: this.schema }).safeParse(jsonOf(text));
    if (success) return data.answer;
    // The file is damaged, for example because the disk was full.
    await rm(path, { force: true });
    return undefined;
  }
}

/** A cache of answers to chat requests. */
export class AnswerCache extends ResponseCache<ChatAnswer> {
  constructor(folder: string) {
    super(folder, answerSchema);
  }
}
