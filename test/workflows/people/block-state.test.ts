/** What a block gives to people and takes from them, without a server: time is a number. */
import { describe, expect, it, test } from 'vitest';
import type { Choice } from '../../../labelers/people/protocol.ts';
import {
  checkAnswer,
  checkClaim,
  checkUndo,
  claim,
  heldAtClosing,
  take,
  undo,
} from '../../../workflows/people/changes.ts';
import { unitHash } from '../../../workflows/people/hash.ts';
import type { BlockInput, BlockClaim, SkipRequest, VoteRequest } from '../../../workflows/people/protocol.ts';
import { isClosing, newState, statusOf, storesAt, type BlockState } from '../../../workflows/people/state.ts';
import { blockInput, questions } from '../../people.ts';

/** A block that answers as its workflow does. */
class Block {
  readonly input: BlockInput;
  state: BlockState;
  now = Date.parse('2030-01-01T00:00:00Z');

  constructor(changes: Partial<BlockInput> = {}) {
    this.input = blockInput(changes);
    this.state = { ...newState(), phase: 'open' };
  }

  claim(person: string): BlockClaim {
    checkClaim(this.input, this.state, person, this.now);
    return claim(this.input, this.state, person, this.now);
  }

  answer(request: VoteRequest | SkipRequest): void {
    checkAnswer(this.input, this.state, request, this.now);
    take(this.state, request, this.now);
  }

  vote(person: string, choice: Choice = 'left'): BlockClaim {
    const claimed = this.claim(person);
    this.answer({ person, lease: claimed.lease, choice, seconds: 1 });
    return claimed;
  }

  undo(person: string, request = 'undo'): BlockClaim {
    checkUndo(this.input, this.state, { person, request }, this.now);
    return undo(this.input, this.state, { person, request }, this.now);
  }

  late(person: string, lease: string) {
    return heldAtClosing(this.input, this.state, person, lease);
  }

  get votes() {
    return this.state.answers.flatMap((answer) => ('vote' in answer ? [answer.vote] : []));
  }
  get status() {
    return statusOf(this.input, this.state, this.now);
  }
}

/** Which response of each question is shown on the left. */
function order(seed: number): (0 | 1)[] {
  const block = new Block({ list: questions(100), seed });
  return Array.from({ length: 100 }, () => block.vote('ann').left);
}

const NONE_LEFT = 'No question is left for you.';
const NOT_HELD = 'This question is not held for you any more (it was for 15 minutes): answer the next one.';

describe('a claim', () => {
  it('is another question for each person, and the same one again for the same person', () => {
    const block = new Block({ list: questions(2) });
    const [ann, bob] = [block.claim('ann'), block.claim('bob')];
    expect([ann.question, bob.question]).toEqual(['q1', 'q2']);
    expect(block.claim('ann')).toEqual(ann);
    expect(() => block.claim('eve')).toThrow(NONE_LEFT);
  });

  it('holds a question for as many people as it wants votes of, each of whom answers it once', () => {
    const block = new Block({ list: questions(1, 3) });
    for (const person of ['ann', 'bob', 'eve']) expect(block.claim(person).question).toBe('q1');
    expect(() => block.claim('dan')).toThrow(NONE_LEFT);
    block.vote('ann');
    expect(() => block.claim('ann')).toThrow(NONE_LEFT);
    expect(() => block.claim('dan')).toThrow(NONE_LEFT);
  });

  it('ends with its lease: the question goes to somebody else, and the late vote is refused', () => {
    const block = new Block({ list: questions(1) });
    const { lease, expires } = block.claim('ann');
    expect(Date.parse(expires)).toBe(block.now + 900_000);
    block.now += 899_999;
    expect(() => block.claim('bob')).toThrow(NONE_LEFT);
    block.now += 1;
    expect(block.claim('bob').question).toBe('q1');
    expect(() => block.answer({ person: 'ann', lease, choice: 'left', seconds: 1 })).toThrow(NOT_HELD);
  });

  it('shows half of the questions in each order, in the same order again for the same seed', () => {
    const first = order(1);
    expect(order(1)).toEqual(first);
    expect(order(2)).not.toEqual(first);
    // 4 standard deviations of a fair coin.
    for (const seed of [1, 2, 3]) expect(Math.abs(order(seed).filter(Boolean).length - 50)).toBeLessThan(20);
  });

  it('is refused while the run is paused, except for the question that a person holds', () => {
    const block = new Block();
    const held = block.claim('ann');
    block.state.suspended = true;
    expect(block.claim('ann')).toEqual(held);
    block.answer({ person: 'ann', lease: held.lease, choice: 'tie', seconds: 1 });
    expect(() => block.claim('ann')).toThrow('The run is paused: no questions are given until an operator resumes it.');
  });
});

describe('a vote', () => {
  it('is about the responses, whatever the order shown', () => {
    const block = new Block({ list: questions(40) });
    for (let i = 0; i < 40; i++) {
      const { lease, left } = block.claim('ann');
      const choice = (['left', 'right', 'tie', 'both-bad'] as const)[i % 4];
      block.answer({ person: 'ann', lease, choice, strength: 'much', seconds: i });
      const expected = { left: { choice: left, strength: 'much' }, right: { choice: 1 - left, strength: 'much' } };
      const record = { question: `q${i + 1}`, person: 'ann', left, seconds: i, at: '2030-01-01T00:00:00.000Z' };
      expect(block.votes.at(-1)).toEqual({
        ...record,
        ...(choice === 'left' || choice === 'right' ? expected[choice] : { choice }),
      });
    }
  });

  it('counts once when it is sent again, and is not replaced by another', () => {
    const block = new Block({ list: questions(2) });
    const { lease } = block.claim('ann');
    const request = { person: 'ann', lease, choice: 'left', seconds: 3 } as const;
    block.answer(request);
    block.answer({ ...request, seconds: 5 });
    expect(block.votes).toHaveLength(1);
    const answered = 'You have answered this question already: undo the answer to change it.';
    expect(() => block.answer({ ...request, choice: 'right' })).toThrow(answered);
    expect(() => block.answer({ ...request, strength: 'much' })).toThrow(answered);
    expect(() => block.answer({ person: 'ann', lease, reason: 'unclear' })).toThrow(answered);
  });

  it("is refused with another person's lease, an unknown one, and other values than the known ones", () => {
    const block = new Block();
    const { lease } = block.claim('ann');
    const request = { person: 'ann', lease, choice: 'left', seconds: 1 } as const;
    expect(() => block.answer({ ...request, person: 'eve' })).toThrow(NOT_HELD);
    expect(() => block.answer({ ...request, lease: '7' })).toThrow(NOT_HELD);
    const other = (changes: object) => () => block.answer({ ...request, ...changes });
    expect(other({ choice: 'best' })).toThrow('The choice has to be one of left, right, tie, both-bad.');
    expect(other({ strength: 'very' })).toThrow('The strength has to be one of slightly, much.');
    expect(other({ seconds: -1 })).toThrow('The time for a vote has to be a number of seconds.');
    expect(other({ reason: 'tired' })).toThrow('The reason has to be one of unclear, no-expertise, language, ');
    expect(block.state.answers).toEqual([]);
  });
});

describe('a skipped question', () => {
  it('goes to somebody else if the reason is about the person, and is not asked again for a reason of its own', () => {
    const block = new Block({ list: questions(2) });
    for (const reason of ['no-expertise', 'unclear'] as const) {
      block.answer({ person: 'ann', lease: block.claim('ann').lease, reason });
    }
    expect(() => block.claim('ann')).toThrow(NONE_LEFT);
    expect(block.status).toMatchObject({ asked: 2, votes: 0, skips: 2, open: 1 });
    expect(block.vote('bob').question).toBe('q1');
    expect(isClosing(block.input, block.state)).toBe(true);
  });
});

describe('undo', () => {
  it('withdraws the last answer and gives its question again, in the same order, instead of the one held meanwhile', () => {
    const block = new Block({ list: questions(3) });
    block.vote('ann');
    const second = block.vote('ann', 'right');
    block.claim('ann');
    const reopened = block.undo('ann');
    expect(reopened).toMatchObject({ question: 'q2', left: second.left, undo: true });
    expect(reopened.lease).not.toBe(second.lease);
    expect(block.claim('ann')).toEqual(reopened);
    expect(block.votes.map(({ question }) => question)).toEqual(['q1']);
    // The third question is free for others, the second is not.
    expect(block.claim('bob').question).toBe('q3');
    block.answer({ person: 'ann', lease: reopened.lease, choice: 'tie', seconds: 1 });
    expect(block.votes.map(({ choice }) => choice)).toEqual([block.votes[0].left, 'tie']);
  });

  it('undoes once for the same request, and skips as well', () => {
    const block = new Block({ list: questions(3) });
    block.vote('ann');
    block.answer({ person: 'ann', lease: block.claim('ann').lease, reason: 'broken' });
    const reopened = block.undo('ann', 'first');
    expect(reopened.question).toBe('q2');
    expect(block.undo('ann', 'first')).toEqual(reopened);
    expect(block.undo('ann', 'second')).toEqual(reopened);
    block.answer({ person: 'ann', lease: reopened.lease, choice: 'left', seconds: 1 });
    expect(() => block.undo('ann', 'first')).toThrow('There is no answer of yours to undo.');
    expect(block.votes).toHaveLength(2);
    expect(() => block.undo('bob', 'first')).toThrow('There is no answer of yours to undo.');
  });

  it('is refused for a skipped question that others answer meanwhile', () => {
    const block = new Block({ list: questions(2) });
    block.answer({ person: 'ann', lease: block.claim('ann').lease, reason: 'language' });
    block.claim('bob');
    expect(() => block.undo('ann')).toThrow('Others answer the question that you skipped, so this cannot be undone.');
  });
});

describe('quality questions', () => {
  it('repeats are earlier questions in mirrored order, once each and not at once, and are no further votes', () => {
    const block = new Block({ list: questions(60), repeatShare: 0.5 });
    const shown = Array.from({ length: 80 }, () => {
      try {
        return block.vote('ann');
      } catch {
        return undefined;
      }
    }).filter((claimed) => claimed !== undefined);
    const repeats = block.votes.filter(({ repeat }) => repeat);
    expect(repeats.length).toBeGreaterThan(15);
    expect(new Set(repeats.map(({ question }) => question)).size).toBe(repeats.length);
    for (const { question } of repeats) {
      const positions = shown.flatMap((claimed, i) => (claimed.question === question ? [i] : []));
      expect(positions).toHaveLength(2);
      expect(positions[1] - positions[0]).toBeGreaterThan(3);
      expect(shown[positions[0]].left).toBe(1 - shown[positions[1]].left);
    }
    expect(block.status).toMatchObject({ asked: 60, votes: shown.length - repeats.length });
    const { votes, further } = block.status.byPerson.ann;
    expect([votes, further]).toEqual([shown.length - repeats.length, repeats.length]);
  });

  it('gold questions are shown to everybody at their share, once each, and are no votes', () => {
    const gold = Array.from({ length: 6 }, (_, i) => `g${i + 1}`);
    const block = new Block({ list: questions(40, 3), gold, goldShare: 0.1 });
    for (const person of ['ann', 'bob', 'eve']) {
      while (block.status.byQuestion[`q40`] < 3) {
        try {
          block.vote(person);
        } catch {
          break;
        }
      }
    }
    for (const person of ['ann', 'bob', 'eve']) {
      const own = block.votes.filter((vote) => vote.person === person).map(({ question }) => question);
      const asked = own.filter((question) => gold.includes(question));
      expect(new Set(own).size).toBe(own.length);
      expect(asked.length).toBeGreaterThan(0);
      expect(asked.length).toBeLessThanOrEqual(6);
    }
    expect(block.status).toMatchObject({ asked: 120, votes: 120, open: 0 });
    expect(Object.keys(block.status.byQuestion)).toEqual(questions(40).map(({ id }) => id));
  });
});

describe('the end', () => {
  it('comes once nobody holds a question any more: who answers later is late', () => {
    const block = new Block({ list: questions(3), gold: ['g1'] });
    expect(storesAt(block.input, block.state)).toBeUndefined();
    const [ann, bob] = [block.claim('ann'), block.claim('bob')];
    Object.assign(block.input, { goldShare: 1 });
    const gold = block.claim('eve');
    expect(block.late('bob', bob.lease)).toBeUndefined();
    block.state.closeRequested = true;
    expect(() => block.claim('dan')).toThrow('The voting is closed, so nothing is taken any more.');
    block.now += 1000;
    block.answer({ person: 'ann', lease: ann.lease, choice: 'left', seconds: 1 });
    expect(storesAt(block.input, block.state)).toBe(Date.parse(bob.expires));
    expect(() => block.undo('ann')).toThrow('The voting is closed');
    block.now = Date.parse(bob.expires);
    expect(() => block.answer({ person: 'bob', lease: bob.lease, choice: 'left', seconds: 1 })).toThrow('is closed');
    expect(block.late('bob', bob.lease)).toEqual({ questions: block.input.questions, question: 'q2', left: bob.left });
    for (const [person, lease] of [
      ['ann', bob.lease],
      ['ann', ann.lease],
      ['eve', gold.lease],
    ]) {
      expect(block.late(person, lease)).toBeUndefined();
    }
  });

  it('comes with the last vote, even where somebody holds a gold question', () => {
    const block = new Block({ list: questions(2), gold: ['g1'] });
    block.vote('ann');
    const held = block.claim('ann');
    Object.assign(block.input, { goldShare: 1 });
    block.state.leases = [];
    expect(held.question).toBe('q2');
    expect(block.claim('bob').question).toBe('g1');
    Object.assign(block.input, { goldShare: 0 });
    block.vote('eve');
    expect(storesAt(block.input, block.state)).toBe(0);
  });
});

test('people who answer, skip, undo and leave in any order never give a question more votes than it wants', () => {
  for (let seed = 0; seed < 8; seed++) {
    const block = new Block({
      list: [...questions(8, 1), { id: 'q9', votes: 3 }],
      gold: ['g1'],
      goldShare: 0.1,
      repeatShare: 0.1,
      seed,
    });
    const held = new Map<string, BlockClaim>();
    let draws = 0;
    const draw = (n: number) => Math.floor(unitHash(seed, draws++) * n);
    for (let i = 0; i < 400; i++) {
      const person = `p${draw(5)}`;
      const claimed = held.get(person);
      const action = draw(10);
      try {
        if (action === 0) block.now += 300_000;
        else if (action === 1) held.set(person, block.undo(person, String(i)));
        else if (!claimed) held.set(person, block.claim(person));
        else {
          held.delete(person);
          const { lease } = claimed;
          block.answer(
            action === 2 ? { person, lease, reason: 'language' } : { person, lease, choice: 'tie', seconds: 1 },
          );
        }
      } catch (error) {
        expect((error as Error).message).toMatch(
          /^(No question is left|There is no answer|This question is not held|Others answer|The voting is closed)/,
        );
      }
      for (const { id, votes } of block.input.list) {
        const own = block.votes.filter(({ question, repeat }) => question === id && !repeat);
        const leases = block.state.leases.filter(
          ({ question, extra, expires }) => question === id && !extra && expires > block.now,
        );
        expect(own.length + leases.length).toBeLessThanOrEqual(votes!);
        expect(new Set([...own, ...leases].map((other) => other.person)).size).toBe(own.length + leases.length);
      }
    }
  }
});
