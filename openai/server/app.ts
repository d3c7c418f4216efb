/** Serves a policy with the OpenAI API: models, completions, chat completions, and vLLM's API for loading adapters. */
import { Hono, type Context } from 'hono';
import { loadRequest, unloadRequest } from '../schema/adapters.ts';
import { chatRequest } from '../schema/chat.ts';
import { completionRequest } from '../schema/completions.ts';
import type { ModelList } from '../schema/models.ts';
import { checkHost, checkKey, checkOrigin, limitBody, type Access } from './access.ts';
import { chatResponseTo } from './chat.ts';
import { completionResponseTo } from './completions.ts';
import type { Models } from './models.ts';
import { readRequest } from './read-request.ts';
import { errorBodyOf, refusalOf, Refused } from './refused.ts';

/** @returns the HTTP application; serve its `fetch` */
export function endpoint(models: Models, access: Access = {}): Hono {
  const app = new Hono();

  app.use(checkHost(access), checkOrigin);
  app.use('/v1/*', checkKey(access), limitBody);

  app.get('/health', (c) => c.json({ status: 'ok' }));
  app.get('/v1/models', (c) => c.json<ModelList>({ object: 'list', data: models.list() }));
  app.get('/v1/models/:id{.+}', (c) => c.json(models.card(c.req.param('id'))));

  // The responses are text, as in vLLM.
  app.post('/v1/load_lora_adapter', async (c) => {
    const request = await readRequest(c, loadRequest);
    await models.load(request);
    return c.text(`Success: LoRA adapter '${request.lora_name}' added successfully.`);
  });
  app.post('/v1/unload_lora_adapter', async (c) => {
    const { lora_name: name } = await readRequest(c, unloadRequest);
    models.unload(name);
    return c.text(`Success: LoRA adapter '${name}' removed successfully.`);
  });

  app.post('/v1/completions', async (c) => completionResponseTo(c, models, await readRequest(c, completionRequest)));
  app.post('/v1/chat/completions', async (c) => chatResponseTo(c, models, await readRequest(c, chatRequest)));

  app.notFound((c) => refuse(c, new Refused(404, `There is no ${c.req.method} ${c.req.path}.`)));
  app.onError((error, c) => refuse(c, refusalOf(error)));
  return app;
}

const refuse = (c: Context, refused: Refused) => c.json(errorBodyOf(refused), refused.status);
