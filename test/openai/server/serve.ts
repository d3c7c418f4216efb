/** Runs `selm serve` as a separate process. */
import { addressOf, startSelm } from '../../command.ts';

export interface Serving {
  /** The base URL, which ends in /v1. */
  url: string;
  pid: number;
  /** Sends a GET request, or a POST request if a body is given. */
  ask(path: string, body?: object): Promise<{ status: number; text: string }>;
  models(): Promise<{ id: string; root?: string; parent?: string }[]>;
  /** Stops the process. @returns its exit code */
  stop(signal?: NodeJS.Signals): Promise<number | null>;
}

/** Starts `selm serve`. @param port 0 selects a free port */
export async function startServe(model: string, flags: string[] = [], port = '0'): Promise<Serving> {
  const server = startSelm(['serve', '--model', model, '--port', port, ...flags], {});
  const { process, ended } = server;
  const url = await addressOf(server);
  const ask = async (path: string, body?: object) => {
    const post = { method: 'POST', body: JSON.stringify(body), headers: { 'content-type': 'application/json' } };
    const response = await fetch(`${url}${path}`, body && post);
    return { status: response.status, text: await response.text() };
  };
  return {
    url,
    pid: process.pid!,
    ask,
    models: async () => (JSON.parse((await ask('/models')).text) as { data: { id: string }[] }).data,
    async stop(signal = 'SIGTERM') {
      process.kill(signal);
      return (await ended).code;
    },
  };
}
