import { createInterface } from 'node:readline/promises';
import { Command } from 'commander';
import type { Message } from '../data/records.ts';
import { samplingSchema } from '../engine/protocol/settings.ts';
import { addSettings, readSettings, seedSchema } from './settings.ts';
import { addPolicy, policyOf, type PolicyFlags } from './step.ts';
import { startEngine } from '../engine/backends.ts';

const FIELDS = ['temperature', 'topP', 'topK', 'maxNewTokens'] as const;

/** `selm chat`: talk with a policy. An empty line, or the end of the input, ends it. */
export function chatCommand(): Command {
  const command = new Command('chat').description('Talk with a policy; an empty line ends it.');
  addPolicy(command);
  addSettings(command, samplingSchema, [...FIELDS]);
  addSettings(command, seedSchema, ['seed']);
  return command.action(async (flags: PolicyFlags & Record<string, unknown>) => {
    const settings = readSettings(samplingSchema, flags, [...FIELDS]);
    const { seed } = readSettings(seedSchema, flags, ['seed']);
    const policy = await policyOf(flags);
    const engine = startEngine();
    const lines = createInterface({ input: process.stdin, output: process.stdout });
    const conversation: Message[] = [];
    lines.setPrompt('> ');
    lines.prompt();
    try {
      for await (const line of lines) {
        if (line.trim() === '') break;
        conversation.push({ role: 'user', content: line });
        const prompts = [{ id: `turn ${conversation.length}`, prompt: conversation }];
        const { responses } = await engine.run('sample', { policy, prompts, settings, seed });
        const { text } = responses[0][0];
        conversation.push({ role: 'assistant', content: text });
        console.log(text);
        lines.prompt();
      }
    } finally {
      lines.close();
      await engine.close();
    }
  });
}
