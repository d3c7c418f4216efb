import type { VotingDesk } from '../../../web/label/desk.ts';

/** No run asks for votes: for tests of access, which need no Temporal server. */
export const noVotings = { open: async () => [], of: async () => undefined } as unknown as VotingDesk;
