/** Uses a local server with the part of the hub's API that the library calls, because the hub is not reachable everywhere. */
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, readdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { beforeEach, describe, expect, test } from 'vitest';
import { isDatasetId } from '../../data/hub/ids.ts';
import { originalFiles } from '../../data/hub/dataset-files.ts';
import { downloadDataset } from '../../data/hub/datasets.ts';
import { cachedModel, pinModel, resolveModel } from '../../data/hub/models.ts';
import { HUB_MODEL_OR_ONNX_FILES } from '../../data/model-files.ts';
import { HubFailed, InputError } from '../../data/errors.ts';
import { readPrompts } from '../../data/prompts.ts';
import { COMMIT, startHub, type Repository } from '../hub-server.ts';
import { folder } from './folder.ts';

const noRows = readFileSync(new URL('../fixtures/parquet/empty.parquet', import.meta.url));
const preferences = readFileSync(new URL('../fixtures/ultrafeedback/prefs.parquet', import.meta.url));
const loadDatasetFinds = JSON.parse(
  readFileSync(new URL('../fixtures/dataset-files/expected.json', import.meta.url), 'utf8'),
) as Record<string, { paths: string[]; splits: Record<string, string[]> }>;
const file = (path: string) => Buffer.from(`content of ${path}`);

/** Repositories by kind and name, with their revision. */
const repositories: Record<string, Repository> = {
  'models/org/model': {
    revision: 'main',
    files: Object.fromEntries(
      [
        'config.json',
        'model.safetensors',
        'tokenizer.json',
        'tokenizer.model',
        'merges.txt',
        'chat_template.jinja',
        'additional_chat_templates/tool_use.jinja',
        'README.md',
        'pytorch_model.bin',
        'consolidated.safetensors',
        'onnx/config.json',
      ].map((path) => [path, file(path)]),
    ),
  },
  'models/org/exported': {
    revision: 'main',
    files: Object.fromEntries(
      ['onnx/model.onnx', 'onnx/model_quantized.onnx', 'tokenizer.json', 'pytorch_model.bin'].map((path) => [
        path,
        file(path),
      ]),
    ),
  },
  'models/evil/path': {
    revision: 'main',
    files: { 'config.json': file('config.json'), 'x/../../../../../ESCAPED': file('ESCAPED') },
  },
  'models/evil/commit': {
    revision: 'main',
    files: { 'config.json': file('config.json') },
    lies: { commit: '../../../ESCAPED' },
  },
  'models/evil/hash': {
    revision: 'main',
    files: { 'config.json': file('config.json') },
    lies: { oid: '../../../ESCAPED' },
  },
  'datasets/org/one': { revision: 'refs/convert/parquet', files: { 'main/train/0000.parquet': preferences } },
  'datasets/org/two': {
    revision: 'refs/convert/parquet',
    files: { 'easy/train/0000.parquet': preferences, 'hard/test/0000.parquet': preferences },
  },
  'datasets/org/shards': {
    revision: 'refs/convert/parquet',
    files: { 'main/train/0000.parquet': noRows, 'main/train/0001.parquet': preferences },
  },
  'datasets/me/private': {
    revision: 'main',
    files: {
      'README.md': file('README.md'),
      'data/train-00000-of-00001.parquet': preferences,
      'hard/train-00000-of-00001.parquet': preferences,
      'hard/train_sft-00000-of-00001.parquet': preferences,
    },
  },
};

const { url, downloads } = await startHub(repositories, join(folder, 'hub'));
beforeEach(() => {
  process.env.HF_ENDPOINT = url;
  downloads.length = 0;
});

describe('a model', () => {
  test('is its folder where that exists', async () => {
    await mkdir(join(folder, 'org', 'local'), { recursive: true });
    expect(await resolveModel(join(folder, 'org', 'local'))).toBe(join(folder, 'org', 'local'));
  });

  test('is downloaded once, without what the engine does not read', async () => {
    const path = await resolveModel('org/model');
    const wanted = [
      'chat_template.jinja',
      'config.json',
      'merges.txt',
      'model.safetensors',
      'tokenizer.json',
      'tokenizer.model',
    ];
    expect((await readdir(path)).sort()).toEqual(['additional_chat_templates', ...wanted]);
    expect(readFileSync(join(path, 'config.json'), 'utf8')).toBe('content of config.json');
    expect(downloads.sort()).toEqual(['additional_chat_templates/tool_use.jinja', ...wanted]);

    downloads.length = 0;
    expect(await resolveModel('org/model@main')).toBe(path);
    expect(downloads).toEqual([]);
  });

  test('is found in the cache without a request, where the commit is clear', async () => {
    const path = await resolveModel('org/model');
    process.env.HF_ENDPOINT = 'http://127.0.0.1:1';
    expect(cachedModel('org/model')).toBe(path);
    expect(cachedModel(`org/model@${basename(path)}`)).toBe(path);
    expect(cachedModel(`org/model@${'b'.repeat(40)}`)).toBeUndefined();
    expect(cachedModel('org/never')).toBeUndefined();
    // A cached commit without a tokenizer is not used.
    const other = join(dirname(path), 'c'.repeat(40));
    await mkdir(other);
    await writeFile(join(other, 'config.json'), '{}');
    expect(cachedModel(`org/model@${basename(other)}`)).toBeUndefined();
    // With two commits, the branch file that transformers writes determines the commit.
    expect(cachedModel('org/model')).toBeUndefined();
    await mkdir(join(dirname(path), '..', 'refs'));
    await writeFile(join(dirname(path), '..', 'refs', 'main'), basename(path));
    expect(cachedModel('org/model')).toBe(path);
  });

  test('comes as ONNX where that is asked for', async () => {
    const path = await resolveModel('org/exported', HUB_MODEL_OR_ONNX_FILES);
    expect(downloads.sort()).toEqual(['onnx/model.onnx', 'tokenizer.json']);
    expect(readFileSync(join(path, 'onnx', 'model.onnx'), 'utf8')).toBe('content of onnx/model.onnx');
  });

  test('is pinned to the commit that its id means now, without a download', async () => {
    const pinned = await pinModel('org/model');
    expect(pinned).toMatch(/^org\/model@[0-9a-f]{40}$/);
    expect(downloads).toEqual([]);
    expect(await resolveModel(pinned)).toBe(await resolveModel('org/model'));
    // An id with a commit needs no request to the hub.
    process.env.HF_ENDPOINT = 'http://127.0.0.1:1';
    expect(await pinModel(pinned)).toBe(pinned);
    process.env.HF_ENDPOINT = url;
    await expect(pinModel('org/nothing')).rejects.toThrow(/shows no model "org\/nothing" \(main\)/);
  });

  test('is refused in one sentence if there is none, at home or on the hub', async () => {
    await expect(resolveModel('./nothing')).rejects.toThrow(
      'Model "./nothing" is not a folder; give a Hugging Face model folder or a hub id "org/name".',
    );
    await expect(resolveModel('org/nothing')).rejects.toThrow(
      'The Hugging Face hub shows no model "org/nothing" (main); check the name, or set HF_TOKEN if it is private or gated.',
    );
    await expect(resolveModel('org/model@v9')).rejects.toThrow(/shows no model "org\/model" \(v9\)/);
  });

  test.each(['path', 'commit', 'hash'])('whose %s would be written outside the cache is refused', async (name) => {
    await expect(resolveModel(`evil/${name}`)).rejects.toThrow(
      /^The Hugging Face hub lists "\S*\.\.\/ESCAPED", which would be a path outside the cache: check HF_ENDPOINT\.$/,
    );
    await expect(resolveModel(`evil/${name}`)).rejects.toThrow(InputError);
    expect(readdirSync(folder, { recursive: true }).join()).not.toContain('ESCAPED');
    expect(cachedModel('org/model@../../../ESCAPED')).toBeUndefined();
  });

  test('is refused in one sentence if the hub cannot be reached', async () => {
    process.env.HF_ENDPOINT = 'http://127.0.0.1:1';
    const failure = await resolveModel('org/other').catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(HubFailed);
    expect((failure as Error).message).toMatch(
      /^Cannot get model "org\/other" \(main\) from the Hugging Face hub \(.+\); check the connection, or give a local path\.$/,
    );
  });
});

describe('a data set', () => {
  test.each([
    ['org/one', true],
    ['org/one/main:test_prefs', true],
    ['data/prompts.jsonl', false],
    ['prompts', false],
    ['/data/prompts', false],
    ['a/b/c/d', false],
  ])('%s reads as an id: %s', (source, is) => expect(isDatasetId(source)).toBe(is));

  test('is read from the only configuration, or the one named', async () => {
    expect(await readPrompts('org/one')).toHaveLength(3);
    expect(await readPrompts('org/two/hard:test')).toHaveLength(3);
    expect(downloads).toEqual(['main/train/0000.parquet', 'hard/test/0000.parquet']);
  });

  test('is read from all its files, of which one may be empty', async () => {
    expect(await readPrompts('org/shards')).toHaveLength(3);
  });

  test('that the hub has not converted is read from its own files, at a commit', async () => {
    expect(await readPrompts('me/private')).toHaveLength(3);
    expect(await readPrompts('me/private/hard')).toHaveLength(3);
    expect(downloads).toEqual(['data/train-00000-of-00001.parquet', 'hard/train-00000-of-00001.parquet']);
    const [path] = await downloadDataset('me/private:train');
    expect(path).toContain(join('datasets--me--private', 'snapshots', COMMIT));
    await expect(readPrompts('me/private/hard:test')).rejects.toThrow(
      'The hub has no Parquet copy of data set "me/private", and its own files have no Parquet files of "hard:test" ' +
        '(found: data/train-00000-of-00001.parquet, hard/train-00000-of-00001.parquet, hard/train_sft-00000-of-00001.parquet); ' +
        'download the data set, and give a file.',
    );
  });

  test.each(Object.entries(loadDatasetFinds))('of its own %s, load_dataset finds the same', (_, { paths, splits }) => {
    for (const [split, files] of Object.entries(splits)) {
      expect(originalFiles({ name: 'me/private', split }, paths)).toEqual(files);
    }
  });

  test('is refused with the splits there are', async () => {
    await expect(readPrompts('org/two')).rejects.toThrow(
      'Data set "org/two" has no "default:train"; name one of easy:train, hard:test, as org/two/config:split.',
    );
    await expect(readPrompts('org/none')).rejects.toThrow(/The Hugging Face hub shows no dataset "org\/none"/);
  });
});
