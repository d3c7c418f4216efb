import type { Command } from 'commander';
import { finalNumberOfRow } from '../../../labelers/final-answer.ts';
import { columnOf } from '../../../labelers/prompts/checked.ts';
import { checkedCommand, writeChecked, type CheckedFlags } from './checked.ts';

interface Flags extends CheckedFlags {
  answerColumn: string;
}

const ADDITION = '\n\nThink step by step. End your response with "#### " and the final number, such as "#### 42".';

/** `selm prompts final-answer`: make prompts of problems with numbers as answers. */
export function promptsFinalAnswerCommand(): Command {
  return checkedCommand('final-answer', {
    description:
      'Make prompts of problems whose answer is a number, such as those of GSM8K. For label.by: final-answer. Rows without a number ' +
      'are dropped and counted.',
    from: 'problems in a column question (or prompt, problem, instruction, text), with answers in --answer-column.',
    standard: 'the problem, and the request to end with "#### " and the number.',
    example:
      '  selm prompts final-answer --from openai/gsm8k/main:train --held-out openai/gsm8k/main:test --out train.jsonl',
  })
    .option(
      '--answer-column <name>',
      'Column with the answer: a number or fraction, or a text with one after #### or in \\boxed{}.',
      'answer',
    )
    .action((flags: Flags) =>
      writeChecked(flags, {
        addition: ADDITION,
        columns: (row) => ({ answer: columnOf(row, flags.answerColumn, '--answer-column') }),
        rule: finalNumberOfRow({ reference: 'answer', marked: false }),
      }),
    );
}
