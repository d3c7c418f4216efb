/** Streams responses as server-sent events. */
import type { Context } from 'hono';
import type { ChatRequest } from '../schema/chat.ts';
import type { CompletionRequest } from '../schema/completions.ts';
import type { Usage } from '../schema/tokens.ts';
import { errorBodyOf, refusalOf } from './refused.ts';
import type { ModelResponse, ResponsePiece } from './responder.ts';
import { usageOf } from './usage.ts';

/** Unix time in seconds. */
export const now = () => Math.floor(Date.now() / 1000);

const encoder = new TextEncoder();

/**
 * Streams the responses to a request.
 * @param respond computes the responses, and passes each new piece to its callback
 * @param chunksOf the events of a piece
 * @param usageChunk the event with the usage; the last event if the request sets `include_usage`
 * @throws the error of `respond` if it occurs before the first event; a later error is sent as the last event
 */
export function sendStream<Chunk extends { usage?: Usage | null }>(
  c: Context,
  { stream_options: { includeUsage }, return_token_ids, n }: CompletionRequest | ChatRequest,
  respond: (onPiece: (piece: ResponsePiece) => void) => Promise<ModelResponse[]>,
  chunksOf: (piece: ResponsePiece) => Chunk[],
  usageChunk: (usage: Usage) => Chunk,
): Promise<Response> {
  return sendEvents(c, async (send) => {
    const responses = await respond((piece) => {
      const isEmpty = piece.text === '' && !piece.finishReason && !piece.scores && !return_token_ids;
      for (const chunk of isEmpty ? [] : chunksOf(piece)) send({ ...chunk, ...(includeUsage && { usage: null }) });
    });
    if (includeUsage) send(usageChunk(usageOf(responses, n)));
  });
}

/** @param make sends the events. An error before the first event is thrown; a later error is sent as the last event. */
async function sendEvents(c: Context, make: (send: (event: object) => void) => Promise<void>): Promise<Response> {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  let isOpen = true;
  const start = (own: typeof controller) => void (controller = own);
  const body = new ReadableStream<Uint8Array>({ start, cancel: () => void (isOpen = false) });
  const write = (data: string) => isOpen && controller.enqueue(encoder.encode(`data: ${data}\n\n`));
  await new Promise<void>((begun, failed) => {
    let any = false;
    const send = (event: object) => {
      any = true;
      write(JSON.stringify(event));
      begun();
    };
    const end = () => {
      write('[DONE]');
      if (isOpen) controller.close();
      isOpen = false;
      begun();
    };
    make(send).then(end, (error: Error) => {
      if (!any) return failed(error);
      send(errorBodyOf(refusalOf(error)));
      end();
    });
  });
  c.header('Content-Type', 'text/event-stream');
  c.header('Cache-Control', 'no-cache');
  return c.body(body);
}
