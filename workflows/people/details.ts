/** The current details of a block: Markdown for its page in Temporal's UI. */
import type { BlockStatus } from './protocol.ts';

/** A block's details in Temporal's UI. */
export function describeBlock({
  asked,
  votes,
  skips,
  leases,
  byPerson,
  suspended,
  closing,
  stored,
}: BlockStatus): string {
  const state = stored !== undefined ? 'closed' : closing ? 'closing' : suspended ? 'suspended' : 'open';
  const people = Object.entries(byPerson).map(
    ([person, own]) =>
      `- ${person}: ${own.votes} votes, ${own.further} on gold questions and repeats, ${own.skips} skips, the last at ${own.last}`,
  );
  return [
    `**${state}**: ${votes} of ${asked} votes, ${skips} skips, ${leases} questions held`,
    ...people,
    ...(stored === undefined ? [] : [`- votes: \`${stored}\``]),
  ].join('\n');
}
