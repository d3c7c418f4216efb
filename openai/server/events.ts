/** Answers as server-sent events, each sent as soon as it is made. */
import type { Context } from 'hono';

const encoder = new TextEncoder();

/**
 * @param make makes the events; what it throws before the first is thrown here, later it is the last event
 * @param errorOf the body that tells of an error
 */
export async function sendEvents(
  c: Context,
  make: (send: (event: object) => void) => Promise<void>,
  errorOf: (error: Error) => object,
): Promise<Response> {
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
      send(errorOf(error));
      end();
    });
  });
  c.header('Content-Type', 'text/event-stream');
  c.header('Cache-Control', 'no-cache');
  return c.body(body);
}
