/** A person's answer with the texts it is about: a row of the files of votes that `selm label` writes. */
import type { Text, Tool } from '../../data/records.ts';
import type { QuestionRecord, SkipRecord, VoteRecord } from './protocol.ts';

/** A vote or a skip. `choice`, `left` and `gold` are indices of `responses`. */
export type VoteRow = {
  run?: string;
  round?: number;
  prompt_id: string;
  prompt: Text;
  tools?: Tool[];
  responses: [Text, Text];
  /** The better response of a gold question, which is no label. */
  gold?: 0 | 1;
  /** The answer came after its round: the next round used it. */
  late?: true;
} & (Given<VoteRecord> | Given<SkipRecord>);

/** Files of other tools do not say when, how fast and in which order a person answered. */
type Given<Answer> = Omit<Answer, 'at' | 'left' | 'seconds'> &
  Partial<Pick<Answer, keyof Answer & ('at' | 'left' | 'seconds')>>;

/** What a question shows. */
export type ShownTexts = Pick<VoteRow, 'prompt' | 'tools' | 'responses'>;

/** @param place which run and round asked, if a run did */
export const voteRow = (
  { prompt_id, gold }: Pick<QuestionRecord, 'prompt_id' | 'gold'>,
  { prompt, tools, responses }: ShownTexts,
  answer: Given<VoteRecord> | Given<SkipRecord>,
  place: Pick<VoteRow, 'run' | 'round' | 'late'> = {},
): VoteRow => ({
  ...place,
  ...answer,
  ...(gold !== undefined && { gold }),
  prompt_id,
  prompt,
  ...(tools && { tools }),
  responses,
});
